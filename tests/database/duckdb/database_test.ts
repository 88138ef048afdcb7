import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import type { Database } from "../../../lib/database/database.ts";
import { type DuckdbDatabaseOptions, openDuckdbDatabase } from "../../../lib/database/duckdb/database.ts";
import {
  ConfigError,
  DataError,
  InterruptedError,
  messageOf,
  type PipelineError,
  UnavailableError,
} from "../../../lib/errors.ts";
import { select, withDuckdb } from "../../support/duckdb.ts";
import { end, killAtEnd, removeAtEnd } from "../../support/ending.ts";
import type { Row } from "../../support/rows.ts";
import { REPOSITORY } from "../../support/task.ts";
import { finished, StoppedClock } from "../../support/waiting.ts";
import { testDatabase } from "../conformance.ts";
import { DIMENSIONS } from "../fixtures.ts";
import { assertVersion2Kept, VERSION_2 } from "../migration.ts";
import { DUCKDB_VERSION_2 } from "./version2.ts";

testDatabase("duckdb", openTemporary);

/** A database in a new temporary folder, which goes when the database does. */
async function openTemporary() {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "duckdb-database-" }));
  const path = join(folder, "warehouse.duckdb");
  const database = openAt(path);
  return {
    folder,
    path,
    database,
    quote: (name: string) => `"${name}"`,
    exact: "",
    version2: DUCKDB_VERSION_2,
    async sql(...statements: readonly string[]): Promise<readonly Row[]> {
      // The file lingers; that it is open twice in one process nobody would notice, and both would write.
      await database[Symbol.asyncDispose]();
      return await withDuckdb(path, async (connection) => {
        let rows: readonly Row[] = [];
        for (const statement of statements) rows = (await select(connection, statement)).rows;
        return rows;
      });
    },
    async [Symbol.asyncDispose]() {
      await end(() => database[Symbol.asyncDispose]());
      await removeAtEnd(folder);
    },
  };
}

/** The database at a path, whose work dir is the folder that it lies in unless another is given. */
function openAt(path: string, options: Partial<DuckdbDatabaseOptions> = {}): Database {
  return openDuckdbDatabase({
    path,
    workDir: dirname(path),
    resources: { memoryLimit: "256MiB", threads: 1 },
    newId: () => crypto.randomUUID(),
    // By this clock a wait is never over.
    monotonic: () => 0,
    ...options,
  });
}

/** Opens a database file in a process of its own when it is free, says so, and closes it when its standard input ends. */
const HOLDER = `
  import { DuckDBInstance } from "@duckdb/node-api";
  import { until } from ${JSON.stringify(import.meta.resolve("../../support/waiting.ts"))};
  let instance;
  await until("the file is free", () => DuckDBInstance.create(Deno.args[0]).then((one) => instance = one, () => false));
  console.log("open");
  for await (const _ of Deno.stdin.readable);
  instance.closeSync();
`;

/** Runs a piece of work while another process has the file open. */
async function whileOpenElsewhere(
  path: string,
  work: (pid: number, close: () => Promise<void>) => Promise<void>,
) {
  const script = `${path}.holder.ts`;
  await Deno.writeTextFile(script, HOLDER);
  const args = ["run", "--quiet", "--allow-all", "--config", join(REPOSITORY, "deno.json"), script, path];
  const child = new Deno.Command(Deno.execPath(), { args, cwd: REPOSITORY, stdin: "piped", stdout: "piped" })
    .spawn();
  const close = async () => {
    await child.stdin.close();
    await child.status;
  };
  try {
    const { value } = await child.stdout.pipeThrough(new TextDecoderStream()).getReader().read();
    assert.equal(value, "open\n");
    await work(child.pid, close);
  } finally {
    await killAtEnd(child);
  }
}

/** Runs `act`, which must fail in this way and say this. */
async function fails(
  type: new (...args: never[]) => PipelineError,
  code: string,
  says: RegExp | string,
  act: () => Promise<unknown>,
): Promise<void> {
  await assert.rejects(act, (error) => {
    assert.ok(error instanceof type, `failed with ${error}`);
    assert.equal(error.code, code);
    assert.match(error.message, typeof says === "string" ? new RegExp(RegExp.escape(says)) : says);
    return true;
  });
}

Deno.test("openDuckdbDatabase() waits 5 s for another process, and names it when it does not close the file", async () => {
  await using under = await openTemporary();
  await under.database.prepare();
  await under.database[Symbol.asyncDispose]();
  await whileOpenElsewhere(under.path, async (pid, close) => {
    const clock = new StoppedClock(), controller = new AbortController();
    const reason = new InterruptedError("SIGTERM");
    await using database = openAt(under.path, { monotonic: clock.now, signal: controller.signal });
    using _ = clock;
    const says = new RegExp(`${RegExp.escape(under.path)}.*process ${pid}\\b`);
    const waiting = fails(UnavailableError, "database_in_use", says, () => database.binding());
    await clock.lookedAt(3, waiting);
    clock.advance(4_999);
    await clock.lookedAt(3, waiting);
    clock.advance(1);
    await finished("the wait", waiting);

    const stopped = assert.rejects(database.binding(), reason);
    await clock.lookedAt(3, stopped);
    controller.abort(reason);
    const { looks } = clock;
    await finished("what was stopped", stopped);
    assert.equal(clock.looks, looks, "it waited on after the signal");

    const binding = under.database.binding();
    await close();
    assert.equal((await finished("the wait for the file", binding)).bound, false);
  });
});

Deno.test("openDuckdbDatabase() lets other processes open the file, when it has nothing to do", async () => {
  await using under = await openTemporary();
  await under.database.prepare();
  await whileOpenElsewhere(under.path, async (_pid, close) => await close());
  assert.equal((await under.database.binding()).bound, false);
});

Deno.test("openDuckdbDatabase() does one thing after the other, when several are asked for at once", async () => {
  await using under = await openTemporary();
  await under.database.prepare();
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, i) => {
      const owner = { owner: `owner ${i}`, holder: `process ${i}`, runId: `run ${i}` };
      return under.database.acquireLease(owner, 900);
    }),
  );
  assert.equal(answers.filter((answer) => "token" in answer).length, 1);
});

/** What is not zero at the beginning of a file that DuckDB 2.0.1 has made: its checksum, version, and names. */
const NEWER_HEAD: readonly (readonly [offset: number, hex: string])[] = [
  [0, "440b7f6d1299a93c4455434be703"],
  [52, "76322e302e31"],
  [84, "38643738313134653930"],
  [124, "9cfa89231bf524cd09611b2bb9b8c039"],
];

function newerFile(): Uint8Array {
  const bytes = new Uint8Array(3 * 4096);
  for (const [offset, hex] of NEWER_HEAD) bytes.set(Uint8Array.fromHex(hex), offset);
  return bytes;
}

Deno.test("openDuckdbDatabase() says what is wrong with the file, when it cannot be opened", async (test) => {
  await using under = await openTemporary();
  const notes = join(under.folder, "notes.txt");
  await Deno.writeTextFile(notes, "no database ".repeat(10_000));
  const short = join(under.folder, "short.duckdb");
  await Deno.writeTextFile(short, "x");
  const missing = join(under.folder, "missing", "warehouse.duckdb");
  const newer = join(under.folder, "newer.duckdb");
  await Deno.writeFile(newer, newerFile());
  const cases = [
    [
      "a newer DuckDB has made it",
      newer,
      ConfigError,
      "newer_duckdb",
      "its storage version is 999, and this program reads 64 to",
    ],
    ["its folder is missing", missing, ConfigError, "database_missing", join(under.folder, "missing")],
    ["it is no database", notes, ConfigError, "not_a_database", notes],
    ["it is too short for a database", short, ConfigError, "not_a_database", short],
    ["it is a folder", under.folder, ConfigError, "not_a_database", under.folder],
    ["it lies in no folder", join(notes, "warehouse.duckdb"), ConfigError, "database_missing", notes],
  ] as const;
  for (const [what, path, type, code, says] of cases) {
    await test.step(`exit code 78, when ${what}`, async () => {
      await using database = openAt(path, { workDir: under.folder });
      await fails(type, code, says, () => database.prepare());
    });
  }
  assert.equal(await Deno.readTextFile(short), "x", "it was overwritten");
});

Deno.test("prepare() refuses a database that a newer version has migrated, and changes nothing", async () => {
  await using under = await openTemporary();
  await under.database.prepare();
  await under.sql("UPDATE pipeline_schema SET version = version + 1", "DROP TABLE pending_move");
  await fails(DataError, "newer_schema", under.path, () => under.database.prepare());
  const tables = await under.sql("SELECT table_name FROM duckdb_tables() WHERE table_name = 'pending_move'");
  assert.deepEqual(tables, [], "it was migrated back");
});

Deno.test("readOnly changes nothing, and takes own tables that are missing for empty", async () => {
  await using under = await openTemporary();
  await under.sql("CREATE TABLE customer (customer_id BIGINT)");
  const before = await Deno.readFile(under.path);
  await using database = openAt(under.path, { readOnly: true });
  assert.deepEqual(await database.binding(), { id: "", bound: false });
  assert.equal(await database.runState("20230401T020000Z-0001"), null);
  assert.deepEqual(await database.unfinishedRuns(), []);
  assert.deepEqual(await database.pendingMoves("archive"), []);
  assert.deepEqual(await database.earlierVersions(["a.csv"]), new Map());
  assert.deepEqual(await database.acceptedContent("sales", ["c0ffee"]), new Set());
  await fails(
    DataError,
    "missing_dimension_table",
    /store/,
    () => database.snapshot(under.folder, DIMENSIONS),
  );
  await database[Symbol.asyncDispose]();
  assert.deepEqual(await Deno.readFile(under.path), before);
});

Deno.test("readOnly reads a database of version 2, and leaves it one", async () => {
  await using under = await openTemporary();
  await under.sql(...DUCKDB_VERSION_2);
  const before = await Deno.readFile(under.path);
  await using database = openAt(under.path, { readOnly: true });
  await assertVersion2Kept({ database });
  assert.deepEqual(await database.binding(), { id: VERSION_2.id, bound: true });
  await database[Symbol.asyncDispose]();
  assert.deepEqual(await Deno.readFile(under.path), before);
});

Deno.test("readOnly names the missing file and does not make it", async () => {
  await using under = await openTemporary();
  await using database = openAt(under.path, { readOnly: true });
  await fails(ConfigError, "database_missing", under.path, () => database.binding());
  await assert.rejects(Deno.stat(under.path), Deno.errors.NotFound);
});

Deno.test("snapshot() says which id is too large, when a key does not fit into 64 bits", async () => {
  await using under = await openTemporary();
  await under.database.prepare();
  await under.sql(
    `CREATE TABLE customer AS SELECT 18446744073709551615::UBIGINT AS customer_id, 'a' AS first_name,
       'b' AS last_name, 'c' AS address, 'd' AS pincode, 'e' AS phone_number`,
    "CREATE TABLE store (id BIGINT, store_manager_name VARCHAR)",
    "CREATE TABLE product (id BIGINT, name VARCHAR)",
    `CREATE TABLE sales_team (id BIGINT, manager_id BIGINT, first_name VARCHAR, last_name VARCHAR,
       is_manager VARCHAR, address VARCHAR, pincode VARCHAR)`,
  );
  await fails(
    DataError,
    "dimension_key_type",
    /customer/,
    () => under.database.snapshot(under.folder, DIMENSIONS),
  );
  const error = await under.database.snapshot(under.folder, DIMENSIONS).catch((error) => error);
  assert.doesNotMatch(messageOf(error), /18446744073709551615/, "the key is a customer's");
});
