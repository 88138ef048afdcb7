/**
 * What goes wrong around the pipeline: each failure says what to do, exits with the right code, loses nothing, and the
 * next run gives the full result once it is mended.
 *
 * Everything runs as processes of their own, as `deno task` would start them.
 *
 * @module
 */
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { type Incident, REPLACEMENT } from "./faults_entry.ts";
import { readParquet, readTable, select, withDuckdb } from "../support/duckdb.ts";
import { STAGE_NAMES } from "../support/permissions.ts";
import { IS_ROOT, NO_MOUNTS, whyNot, withLittleSpace, withMounts } from "../support/space.ts";
import {
  parseSummary,
  REPOSITORY,
  runPipeline,
  runTask,
  type Summary,
  type TaskResult,
} from "../support/task.ts";
import { assertSameTree, listFiles, readTree } from "../support/tree.ts";
import { createWorkspace, goldenPath, loadDimensions, type Workspace } from "../support/workspace.ts";

const HEADER = "customer_id,store_id,product_name,sales_date,sales_person_id,price,quantity,total_cost\n";

/** A delivery of one sale for this much; the content tells files apart. */
function sale(price: number): string {
  return `${HEADER}1,121,sugar,2023-03-01,1,${price}.00,1,${price}.00\n`;
}

/** A delivery of 9,000 sales, 400 KiB and more; `note` is a further column that compresses well. */
function manySales(note = ""): string {
  const row = (i: number) =>
    `${1 + i % 20},${121 + i % 3},sugar,2023-03-${1 + i % 9 + 10},${1 + i % 9},${i}.00,1,${i}.00,${note}\n`;
  return HEADER.replace("\n", ",note\n") + Array.from({ length: 9000 }, (_, i) => row(i)).join("");
}

/** Puts files into the landing prefix, by their names. */
async function deliver({ store }: Workspace, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await Deno.mkdir(dirname(join(store, "sales_data", name)), { recursive: true });
    await Deno.writeTextFile(join(store, "sales_data", name), text);
  }
}

/** A workspace with dimension tables and these files in the landing prefix. */
async function createNight(
  files: Readonly<Record<string, string>>,
  options?: Readonly<Record<string, unknown>>,
) {
  // One thread each: several processes run at a time.
  const workspace = await createWorkspace({ resources: { threads: 1 }, ...options });
  await loadDimensions(workspace, goldenPath("dimensions"));
  await deliver(workspace, files);
  return workspace;
}

/** Runs statements on the database file. */
function execute({ database }: Workspace, ...statements: string[]): Promise<void> {
  return withDuckdb(database, async (connection) => {
    for (const statement of statements) await connection.run(statement);
  });
}

interface RunOptions {
  /** Command before the task's own, which is given to it as further arguments. */
  readonly wrapper?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly config?: string;
  readonly incidents?: readonly Incident[];
}

/** Runs `pipeline --json`. */
async function run(workspace: Workspace, options: RunOptions = {}): Promise<TaskResult> {
  const { wrapper = [], env = {}, config = workspace.config, incidents } = options;
  const flags = ["--config", config, "--json"];
  const words = incidents
    ? [
      "run",
      "--no-prompt",
      "--allow-read",
      "--allow-write",
      "--allow-env",
      "--allow-ffi=./node_modules",
      "tests/tasks/faults_entry.ts",
    ]
    : ["task", "--quiet", "pipeline"];
  const [program = "", ...args] = [...wrapper, Deno.execPath(), ...words, ...flags];
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args,
    cwd: REPOSITORY,
    env: { NO_COLOR: "1", ...env, ...incidents ? { INCIDENTS: JSON.stringify(incidents) } : {} },
  }).output();
  const decoder = new TextDecoder();
  const out = decoder.decode(stdout), err = decoder.decode(stderr);
  return {
    code,
    stdout: out,
    stderr: err,
    text: `exited with ${code}\n--- stdout\n${out}\n--- stderr\n${err}`,
  };
}

/** Runs `pipeline --json` with incidents; it must exit with 0. */
async function runWith(
  workspace: Workspace,
  incidents: readonly Incident[],
): Promise<Summary & { log: string }> {
  const result = await run(workspace, { incidents });
  assert.equal(result.code, 0, result.text);
  return { ...parseSummary(result), log: result.stderr };
}

/** How a run is to fail. */
interface Failure {
  readonly exitCode: number;
  readonly code: string;
  /** What its message has to say. */
  readonly says: readonly (string | RegExp)[];
  readonly committed?: boolean;
}

/** Fails unless the run failed like that, on stderr and in the summary. */
function assertFailure(result: TaskResult, failure: Failure): void {
  assert.equal(result.code, failure.exitCode, result.text);
  const summary = parseSummary(result);
  assert.equal(summary.state, "failed", result.text);
  assert.equal(summary.committed, failure.committed ?? false, result.text);
  assert.equal(summary.error?.exitCode, failure.exitCode);
  assert.equal(summary.error?.code, failure.code, result.text);
  if (failure.exitCode === 78) assert.equal(summary.runId, null);
  for (const part of failure.says) {
    const pattern = typeof part === "string" ? new RegExp(RegExp.escape(part)) : part;
    for (const text of [summary.error?.message ?? "", result.stderr]) assert.match(text, pattern);
  }
  assert.doesNotMatch(result.stderr, /^ +at |bug/m, "an expected failure has no stack");
}

/** The prices that the tables and marts have in all, and the number of rows. */
async function published({ store, database }: Workspace) {
  const files = (await listFiles(join(store, "accepted_sales"))).map((name) =>
    join(store, "accepted_sales", name)
  );
  const rows = files.length === 0 ? [] : (await readParquet(files)).rows;
  const sums = await withDuckdb(database, (connection) =>
    select(
      connection,
      `SELECT (SELECT CAST(sum(total_sales) AS DECIMAL(28,2)) FROM customers_data_mart),
         (SELECT CAST(sum(total_sales) AS DECIMAL(28,2)) FROM sales_team_data_mart)`,
    ));
  return { rows: rows.length, customers: sums.rows[0]?.[0], salesTeam: sums.rows[0]?.[1] };
}

/** Fails unless every one of these files is published once, archived whole, and gone from the landing prefix. */
async function assertNightDone(workspace: Workspace, files: Readonly<Record<string, string>>): Promise<void> {
  const lines = Object.values(files).flatMap((text) => text.trim().split("\n").slice(1));
  const total = `${lines.reduce((sum, line) => sum + Number(line.split(",")[7]), 0)}.00`;
  assert.deepEqual(await published(workspace), { rows: lines.length, customers: total, salesTeam: total });
  const tree = await readTree(workspace.store);
  for (const [name, text] of Object.entries(files)) {
    const places = [...tree.keys()].filter((key) => key.endsWith(`/${name}`));
    assert.equal(places.length, 1, `${name} is in ${places}`);
    assert.match(places[0]!, /^sales_data_processed\/[^/]+\//);
    assert.equal(new TextDecoder().decode(tree.get(places[0]!)), text);
  }
  const left = [...tree.keys()].filter((key) => /^(_staging|sales_data)\//.test(key));
  assert.deepEqual(left, []);
  const open = await readTable(workspace.database, "pending_move WHERE outcome IS NULL");
  assert.equal(open.rows.length, 0, "moves are pending");
}

/** A wrapper under which file modes count: for root they do not, as long as it has the capability to pass over them. */
function unprivileged(): string[] {
  if (!IS_ROOT) return [];
  const capabilities = "-dac_override,-dac_read_search";
  const wrapper = ["setpriv", `--bounding-set=${capabilities}`, `--inh-caps=${capabilities}`];
  const reason = whyNot([...wrapper, "true"]);
  assert.equal(reason, null, "this test needs another user than root, or setpriv (util-linux)");
  return wrapper;
}

/** A test step's name and whether it can run here: what needs mounts says so where there are none. */
function needsMounts(name: string): { name: string; ignore: boolean } {
  return NO_MOUNTS === null
    ? { name, ignore: false }
    : { name: `${name} (no mounts here: ${NO_MOUNTS})`, ignore: true };
}

/** Something that keeps a night from beginning. */
interface Obstacle extends Failure {
  readonly name: string;
  readonly ignore?: boolean;
  /** Puts it there, runs the pipeline, and takes it away. */
  readonly attempt: (workspace: Workspace) => Promise<TaskResult>;
}

/** Runs with the configuration file's text replaced. */
async function runConfigured(
  workspace: Workspace,
  change: (config: Record<string, unknown>) => void,
  env = {},
) {
  const config = JSON.parse(await Deno.readTextFile(workspace.config));
  change(config);
  const path = join(workspace.folder, "changed.jsonc");
  await Deno.writeTextFile(path, JSON.stringify(config, null, 2));
  return await run(workspace, { config: path, env });
}

/** Runs between two changes of the database. */
async function runChanged(workspace: Workspace, change: string[], undo: string[]): Promise<TaskResult> {
  await execute(workspace, ...change);
  const result = await run(workspace);
  await execute(workspace, ...undo);
  return result;
}

/** Runs while a path has another mode. */
async function runWithMode(workspace: Workspace, path: string, mode: number): Promise<TaskResult> {
  const { mode: before } = await Deno.stat(path);
  await Deno.chmod(path, mode);
  try {
    return await run(workspace, { wrapper: unprivileged() });
  } finally {
    await Deno.chmod(path, before!);
  }
}

const SECRET = "5ecret-Canary";

const OBSTACLES: readonly Obstacle[] = [
  {
    name: "the store's folder is missing",
    attempt: (workspace) =>
      runConfigured(workspace, (config) => config.store = { kind: "folder", path: "nowhere" }),
    exitCode: 78,
    code: "store_missing",
    says: ["Cannot open the store", "/nowhere", "mkdir"],
  },
  {
    name: "the database's folder is missing",
    attempt: (workspace) =>
      runConfigured(workspace, (config) => config.database = { kind: "duckdb", path: "nowhere/w.duckdb" }),
    exitCode: 78,
    code: "database_missing",
    says: ["Cannot open the database", "/nowhere", "must exist"],
  },
  {
    name: "dimension tables are missing",
    attempt: (workspace) =>
      runChanged(workspace, ["ALTER TABLE product RENAME TO p", "ALTER TABLE sales_team RENAME TO s"], [
        "ALTER TABLE p RENAME TO product",
        "ALTER TABLE s RENAME TO sales_team",
      ]),
    exitCode: 65,
    code: "missing_dimension_table",
    says: ["Cannot read the dimensions", "product", "sales_team", "create and fill"],
  },
  {
    name: "a dimension has a key twice",
    attempt: (workspace) =>
      runChanged(workspace, ["INSERT INTO store SELECT * FROM store WHERE id = 122"], [
        "DELETE FROM store WHERE id = 122 AND rowid = (SELECT max(rowid) FROM store WHERE id = 122)",
      ]),
    exitCode: 65,
    code: "duplicate_dimension_key",
    says: ["Cannot use the dimension store", "id", "122", "correct the table store"],
  },
  {
    name: "a dimension has no key in a row",
    attempt: (workspace) =>
      runChanged(workspace, ["INSERT INTO customer (first_name) VALUES ('nobody')"], [
        "DELETE FROM customer WHERE customer_id IS NULL",
      ]),
    exitCode: 65,
    code: "duplicate_dimension_key",
    says: ["Cannot use the dimension customer", "customer_id", "NULL", "correct the table customer"],
  },
  {
    name: "a dimension that a dataset needs is empty",
    attempt: (workspace) =>
      runChanged(
        workspace,
        ["CREATE TABLE kept AS FROM sales_team", "DELETE FROM sales_team"],
        ["INSERT INTO sales_team FROM kept", "DROP TABLE kept"],
      ),
    exitCode: 65,
    code: "empty_dimension",
    says: ["Cannot use the dimension sales_team", "no rows", "sales", "sales_person_id", "run again"],
  },
  {
    name: "most rows lack the same dimension",
    async attempt(workspace) {
      const row = `999,121,sugar,2023-03-01,1,5.00,1,5.00\n`;
      await deliver(workspace, { "unknown.csv": HEADER + row.repeat(20_000) });
      const result = await run(workspace);
      await Deno.remove(join(workspace.store, "sales_data/unknown.csv"));
      return result;
    },
    exitCode: 65,
    code: "too_many_unknown_keys",
    says: [
      "Cannot publish",
      "20,000 of",
      "customer",
      "maxUnknownShare is 0.5",
      "Nothing was published or moved",
    ],
  },
  {
    name: "a row's key is unknown and unknownKeys is fail",
    async attempt(workspace) {
      await deliver(workspace, { "unknown.csv": `${HEADER}999,121,sugar,2023-03-01,1,5.00,1,5.00\n` });
      const result = await runConfigured(workspace, (config) => config.contract = { unknownKeys: "fail" });
      await Deno.remove(join(workspace.store, "sales_data/unknown.csv"));
      return result;
    },
    exitCode: 65,
    code: "unknown_key",
    says: ["Cannot publish", "sales_data/unknown.csv", "unknown_customer_id", "add what is missing"],
  },
  {
    name: "the landing prefix may not be read",
    attempt: (workspace) => runWithMode(workspace, join(workspace.store, "sales_data"), 0o000),
    exitCode: 77,
    code: "access_denied",
    says: ["Cannot read", "sales_data/", "access denied"],
  },
  {
    name: "the landing prefix is a symlink",
    async attempt({ store, ...workspace }) {
      const path = join(store, "sales_data"), elsewhere = join(workspace.folder, "elsewhere");
      await Deno.rename(path, elsewhere);
      await Deno.symlink(elsewhere, path);
      const result = await run({ store, ...workspace });
      await Deno.remove(path);
      await Deno.rename(elsewhere, path);
      return result;
    },
    exitCode: 78,
    code: "unreadable_prefix",
    says: ["Cannot read", "sales_data/", "symlink"],
  },
  {
    name: "the configuration has an unknown key and overlapping prefixes",
    attempt: (workspace) =>
      runConfigured(workspace, (config) => {
        config.lease = { ttlSecond: 1 };
        config.prefixes = { source: "sales_data/", error: "sales_data/error/" };
      }),
    exitCode: 78,
    code: "invalid_config",
    says: [
      /changed\.jsonc:\d+: lease\.ttlSecond: unknown key/,
      /changed\.jsonc:\d+: prefixes\.error: .*lies within/,
    ],
  },
  {
    name: "a rule is no expression over the columns",
    attempt: (workspace) =>
      runConfigured(
        workspace,
        (config) => config.contract = { rules: { sold: { check: "quantty > 0", severity: "reject" } } },
      ),
    exitCode: 78,
    code: "invalid_config",
    says: [/changed\.jsonc:\d+: contract\.rules\.sold\.check: .*quantty/],
  },
  {
    name: "a value is encrypted and there is no key",
    attempt: (workspace) => runConfigured(workspace, (config) => config.workDir = `enc:v1:${SECRET}`),
    exitCode: 78,
    code: "invalid_config",
    says: [/changed\.jsonc:\d+: workDir: /],
  },
  {
    name: "the database may not be read",
    attempt: (workspace) => runWithMode(workspace, workspace.database, 0o000),
    exitCode: 77,
    code: "access_denied",
    says: ["Cannot open the database", "warehouse.duckdb", "access denied"],
  },
  {
    name: "another process has the work dir",
    async attempt(workspace) {
      using lock = await Deno.open(join(workspace.workDir, "lock"), { write: true, create: true });
      await lock.lock(true);
      await Deno.writeTextFile(join(workspace.workDir, "lock"), "process 77\n");
      return await run(workspace);
    },
    exitCode: 75,
    code: "lease_held",
    says: ["Cannot work in", "process 77", "run again"],
  },
  {
    name: "the work dir may not be written",
    attempt: (workspace) => runWithMode(workspace, join(workspace.workDir, "runs"), 0o555),
    exitCode: 77,
    code: "access_denied",
    says: ["work/runs/", "access denied", "mode"],
  },
  {
    ...needsMounts("the work dir is on a read-only file system"),
    attempt: (workspace) =>
      run(workspace, { wrapper: withMounts(`mount -t tmpfs -o ro tmpfs '${workspace.workDir}'; exec "$@"`) }),
    exitCode: 77,
    code: "access_denied",
    says: ["Cannot use the work dir", "read-only", "choose a writable folder"],
  },
  ...[40, 450].map((kibibytes): Obstacle => ({
    name: `the work dir has room for ${kibibytes} KiB`,
    async attempt(workspace) {
      await deliver(workspace, { "many.csv": manySales() });
      const result = await run(workspace, { wrapper: withLittleSpace(workspace.workDir, kibibytes) });
      await Deno.remove(join(workspace.store, "sales_data/many.csv"));
      return result;
    },
    exitCode: 75,
    code: "disk_full",
    says: NO_MOUNTS === null
      ? ["work/runs/", "disk is full", "free some space and run again"]
      : ["run again"],
  })),
  {
    ...needsMounts("the work dir has room for the files, but not for the rows of a faulty one"),
    async attempt(workspace) {
      await deliver(workspace, { "many.csv": `${manySales()}faulty\n` });
      const result = await run(workspace, { wrapper: withLittleSpace(workspace.workDir, 700) });
      await Deno.remove(join(workspace.store, "sales_data/many.csv"));
      return result;
    },
    exitCode: 75,
    code: "disk_full",
    says: ["Cannot write", "/split/", "disk is full", "free some space and run again"],
  },
  // The last one: the run that is begun keeps the lease, and its own work dir goes on with it at once.
  {
    name: "another work dir has the lease",
    async attempt(workspace) {
      const begun = await runTask("download", ["--config", workspace.config]);
      assert.equal(begun.code, 0, begun.text);
      return await runConfigured(workspace, (config) => config.workDir = "another work dir");
    },
    exitCode: 75,
    code: "lease_held",
    says: [
      "warehouse.duckdb",
      /run \d{8}T\d{6}Z-\w{4} of process \d+ has held the lease .* since \d{4}-\d\d-\d\d /,
    ],
  },
];

Deno.test("pipeline says what to do, changes nothing and gives the full result afterwards, when it cannot begin", async (test) => {
  const files = { "a.csv": sale(5), "2023/b.csv": sale(17) };
  await using workspace = await createNight(files);
  const before = await readTree(workspace.store);
  for (const obstacle of OBSTACLES) {
    await test.step({
      name: obstacle.name,
      ignore: obstacle.ignore ?? false,
      fn: async () => {
        const result = await obstacle.attempt(workspace);
        assertFailure(result, obstacle);
        assert.ok(!result.text.includes(SECRET), "a secret is shown");
        assertSameTree(await readTree(workspace.store), before, "the store");
      },
    });
  }
  const { state } = await runPipeline(workspace.config);
  assert.equal(state, "committed");
  await assertNightDone(workspace, files);
});

Deno.test("pipeline waits for a process that has the database open, then names it, and goes on when it is closed", async () => {
  const files = { "a.csv": sale(5) };
  await using workspace = await createNight(files);
  const start = performance.now();
  const result = await withDuckdb(workspace.database, () => run(workspace));
  const tookMs = performance.now() - start;
  assert.ok(tookMs > 5000, `it took ${tookMs} ms`);
  const says = ["Cannot open the database", workspace.database, `process ${Deno.pid}`, "run again"];
  assertFailure(result, { exitCode: 75, code: "database_in_use", says });
  await runPipeline(workspace.config);
  await assertNightDone(workspace, files);
});

Deno.test({
  ...needsMounts(
    "pipeline stops with 75 and finishes the night afterwards, when the disk of store and database is full",
  ),
  fn: async (test) => {
    await test.step("before the commit", () => fillDisk(100, { "many.csv": manySales() }, false));
    // There is room for the marts and the tables, but not for a copy of the source file.
    await test.step("after the commit", () =>
      fillDisk(3000, { "large.csv": manySales("x".repeat(700)) }, true));
  },
});

/** Runs a night on a disk with so many KiB left, which must fail, and once more when there is more room. */
async function fillDisk(kibibytesLeft: number, files: Readonly<Record<string, string>>, committed: boolean) {
  await using elsewhere = await createWorkspace();
  await using workspace = await createNight(files, { workDir: elsewhere.workDir });
  const seed = join(elsewhere.folder, "seed"), mended = join(elsewhere.folder, "mended");
  const script = `
    cp -a '${workspace.folder}' '${seed}'
    size=$(( $(du -sk '${seed}' | cut -f 1) + ${kibibytesLeft} + 32768 ))
    mount -t tmpfs -o size=\${size}k tmpfs '${workspace.folder}'
    cp -a '${seed}/.' '${workspace.folder}'
    head -c 32M /dev/zero > '${workspace.folder}/somebody else'
    code=0; "$@" || code=$?
    rm '${workspace.folder}/somebody else'
    "$@" > '${elsewhere.folder}/mended.json' 2> '${elsewhere.folder}/mended.log'
    cp -a '${workspace.folder}' '${mended}'
    exit $code`;
  const result = await run(workspace, { wrapper: withMounts(script) });
  assertFailure(result, { exitCode: 75, code: "disk_full", says: ["disk is full", "run again"], committed });
  const { state, recovered } = JSON.parse(await Deno.readTextFile(join(elsewhere.folder, "mended.json")));
  assert.equal(state, committed ? "recovered" : "committed");
  assert.equal(recovered.length, committed ? 1 : 0);
  const store = join(mended, "store"), database = join(mended, "warehouse.duckdb");
  await assertNightDone({ ...workspace, store, database }, files);
}

Deno.test("pipeline has nothing to do and warns, when there is no landing prefix", async () => {
  await using workspace = await createNight({});
  const result = await runTask("pipeline", ["--config", workspace.config, "--json"]);
  assert.equal(result.code, 0, result.text);
  const { state, files } = parseSummary(result);
  assert.deepEqual({ state, files }, { state: "nothing-to-do", files: [] });
  assert.match(result.stderr, /WARN.*sales_data\//);
  const files2 = { "a.csv": sale(5) };
  await deliver(workspace, files2);
  await runPipeline(workspace.config);
  await assertNightDone(workspace, files2);
});

Deno.test("pipeline skips what changes while it is downloaded, takes the others, and takes it the next night", async () => {
  await using workspace = await createNight({});
  const good = { "good.csv": sale(1), "also good.csv": sale(2) };
  const key = (name: string) => `sales_data/${name}`;
  const incidents: (Incident & { readonly reason: string })[] = [
    { key: key("grows before.csv"), when: "get", what: "append", reason: "changed" },
    { key: key("grows meanwhile.csv"), when: "read", what: "append", reason: "changed" },
    { key: key("grows after.csv"), when: "downloaded", what: "append", reason: "changed" },
    { key: key("other before.csv"), when: "get", what: "replace", reason: "changed" },
    { key: key("same bytes anew.csv"), when: "downloaded", what: "touch", reason: "changed" },
    { key: key("gone before.csv"), when: "get", what: "delete", reason: "vanished" },
    { key: key("gone meanwhile.csv"), when: "read", what: "delete", reason: "vanished" },
    { key: key("gone after.csv"), when: "downloaded", what: "delete", reason: "vanished" },
  ];
  const changing = Object.fromEntries(
    incidents.map((incident, i) => [incident.key.slice("sales_data/".length), sale(10 * (i + 1))]),
  );
  await deliver(workspace, { ...good, ...changing });
  await Deno.symlink(join(workspace.store, key("good.csv")), join(workspace.store, key("link.csv")));

  const { state, files, log } = await runWith(workspace, incidents);
  assert.equal(state, "committed");
  assert.deepEqual(
    files.map(({ key, status, reason, destination }) => [key, status, reason, destination === null]).sort(),
    [
      ...incidents.map(({ key, reason }) => [key, "skipped", reason, true]),
      [key("link.csv"), "skipped", "unhandled_key", true],
      ...Object.keys(good).map((name) => [key(name), "accepted", null, false]),
    ].sort(),
  );
  for (const incident of incidents) {
    assert.ok(log.includes(incident.key), `the log does not name ${incident.key}`);
  }
  await Deno.remove(join(workspace.store, key("link.csv")));

  const left = await readTree(join(workspace.store, "sales_data"));
  const next = await runPipeline(workspace.config);
  assert.deepEqual(next.files.map(({ status }) => status), Array(5).fill("accepted"));
  const texts = [...left].map(([name, bytes]) => [name, new TextDecoder().decode(bytes)] as const);
  await assertNightDone(workspace, { ...good, ...Object.fromEntries(texts) });
});

Deno.test("pipeline has nothing to do, when all that there is changes while it is downloaded", async () => {
  await using workspace = await createNight({ "a.csv": sale(5) });
  const incidents = [{ key: "sales_data/a.csv", when: "downloaded", what: "touch" }] as const;
  const { state, files } = await runWith(workspace, incidents);
  assert.equal(state, "nothing-to-do");
  assert.deepEqual(files.map(({ status, reason }) => [status, reason]), [["skipped", "changed"]]);
  assert.deepEqual(await listFiles(workspace.store), ["sales_data/a.csv"]);
});

Deno.test("pipeline skips what it may not read, takes the others, and takes it the next night", async () => {
  const files = { "good.csv": sale(1), "private.csv": sale(2), "folder/in.csv": sale(3) };
  await using workspace = await createNight(files);
  const closed = ["private.csv", "folder"].map((name) => join(workspace.store, "sales_data", name));
  for (const path of closed) await Deno.chmod(path, 0o000);
  const result = await run(workspace, { wrapper: unprivileged() });
  for (const path of closed) await Deno.chmod(path, 0o755);
  assert.equal(result.code, 0, result.text);
  const { state, files: found } = parseSummary(result);
  assert.equal(state, "committed");
  assert.deepEqual(found.map(({ key, status, reason }) => [key.replace(/\/$/, ""), status, reason]), [
    ["sales_data/folder", "skipped", "access_denied"],
    ["sales_data/good.csv", "accepted", null],
    ["sales_data/private.csv", "skipped", "access_denied"],
  ]);
  assert.deepEqual((await published(workspace)).customers, "1.00");
  await runPipeline(workspace.config);
  await assertNightDone(workspace, files);
});

Deno.test("pipeline archives what it loaded and leaves what came since, when a source changes before its move", async () => {
  const files = {
    "stays.csv": sale(1),
    "gone.csv": sale(2),
    "gone after copy.csv": sale(3),
    "replaced.csv": sale(10),
    "replaced after copy.csv": sale(20),
    "grows.csv": sale(30),
    "same bytes anew.csv": sale(40),
  };
  await using workspace = await createNight(files);
  const key = (name: keyof typeof files) => `sales_data/${name}`;
  const { state, runId, pendingMoves, log } = await runWith(workspace, [
    { key: key("gone.csv"), when: "copy", what: "delete" },
    { key: key("gone after copy.csv"), when: "delete", what: "delete" },
    { key: key("replaced.csv"), when: "copy", what: "replace" },
    { key: key("replaced after copy.csv"), when: "delete", what: "append" },
    { key: key("grows.csv"), when: "copy", what: "append" },
    { key: key("same bytes anew.csv"), when: "copy", what: "touch" },
  ]);
  assert.equal(state, "committed");
  assert.equal(pendingMoves, 0);
  const archived = await readTree(join(workspace.store, "sales_data_processed", runId));
  const expected = Object.entries(files).map(([name, text]) =>
    [name, new TextEncoder().encode(text)] as const
  );
  assertSameTree(archived, new Map(expected), "what was loaded");
  const landing = await readTree(join(workspace.store, "sales_data"));
  const replaced = ["replaced.csv", "replaced after copy.csv", "grows.csv", "same bytes anew.csv"] as const;
  assert.deepEqual([...landing.keys()], replaced.toSorted());
  assert.equal(new TextDecoder().decode(landing.get("replaced.csv")), REPLACEMENT);
  for (const name of [...replaced, "gone.csv"]) {
    assert.ok(log.includes(name), `the log does not name ${name}`);
  }
  assert.equal((await published(workspace)).customers, "106.00");

  const next = await runPipeline(workspace.config);
  assert.deepEqual(next.files.map(({ key, status }) => [key, status]), [
    [key("grows.csv"), "accepted"],
    [key("replaced after copy.csv"), "accepted"],
    [key("replaced.csv"), "accepted"],
    [key("same bytes anew.csv"), "duplicate"],
  ]);
  assert.deepEqual(await listFiles(join(workspace.store, "sales_data")), []);
  // 7 sales of 106, the replacement of 7, and two files with 1 more in each, whose first rows are delivered anew.
  assert.deepEqual(await published(workspace), { rows: 12, customers: "165.00", salesTeam: "165.00" });
});

Deno.test("pipeline says once what is lost, when source, local copy and destination are gone", async () => {
  await using workspace = await createNight({ "gone.csv": sale(2), "stays.csv": sale(3) });
  const incidents = [{ key: "sales_data/gone.csv", when: "copy", what: "lose" }] as const;
  const { state, pendingMoves, log } = await runWith(workspace, incidents);
  assert.equal(state, "committed");
  assert.equal(pendingMoves, 0);
  assert.match(log, /ERROR.*sales_data\/gone\.csv.*lost/);
  assert.deepEqual(await published(workspace), { rows: 2, customers: "5.00", salesTeam: "5.00" });
  const next = await run(workspace);
  assert.equal(parseSummary(next).state, "nothing-to-do");
  assert.doesNotMatch(next.stderr, /lost/);
});

Deno.test("pipeline counts a move that is not allowed as pending, and the next night carries it out", async () => {
  const files = { "free.csv": sale(1), "locked/in.csv": sale(2) };
  await using workspace = await createNight(files);
  const folder = join(workspace.store, "sales_data/locked");
  await Deno.chmod(folder, 0o555);
  const result = await run(workspace, { wrapper: unprivileged() });
  await Deno.chmod(folder, 0o755);
  assert.equal(result.code, 0, result.text);
  const { state, pendingMoves, runId } = parseSummary(result);
  assert.deepEqual({ state, pendingMoves }, { state: "committed", pendingMoves: 1 });
  assert.match(result.stderr, /WARN.*sales_data\/locked\/in\.csv/);
  assert.deepEqual(await listFiles(join(workspace.store, "sales_data")), ["locked/in.csv"]);

  const next = await runPipeline(workspace.config);
  assert.deepEqual({ state: next.state, recovered: next.recovered }, {
    state: "recovered",
    recovered: [runId],
  });
  await assertNightDone(workspace, files);
});

Deno.test("pipeline refuses a store and a database that do not belong together, and one that was restored", async (test) => {
  const files = { "a.csv": sale(5) };
  await using workspace = await createNight(files);
  const backup = join(workspace.folder, "backup.duckdb");
  await runPipeline(workspace.config);
  await Deno.copyFile(workspace.database, backup);
  const second = { "b.csv": sale(17) };
  await deliver(workspace, second);
  await runPipeline(workspace.config);
  const third = { "c.csv": sale(100) };
  await deliver(workspace, third);
  const before = await readTree(workspace.store);

  await using other = await createNight(third);
  const says = ["other", "name the store and the database that belong together"];
  await test.step("the store belongs to another database", async () => {
    const result = await runConfigured(
      workspace,
      (config) => config.database = { kind: "duckdb", path: other.database },
    );
    assertFailure(result, { exitCode: 78, code: "foreign_store", says });
  });
  await test.step("the database belongs to another store", async () => {
    const result = await runConfigured(
      workspace,
      (config) => config.store = { kind: "folder", path: other.store },
    );
    assertFailure(result, { exitCode: 78, code: "foreign_store", says });
    assert.deepEqual(await listFiles(other.store), ["sales_data/c.csv"]);
  });
  await test.step("the database was restored from an older copy", async () => {
    const newer = join(workspace.folder, "newer.duckdb");
    await Deno.rename(workspace.database, newer);
    await Deno.rename(backup, workspace.database);
    const result = await run(workspace);
    const says = ["does not know", "restored from an older backup", "nothing was changed"];
    assertFailure(result, { exitCode: 65, code: "restored_database", says });
    await Deno.rename(newer, workspace.database);
  });
  assertSameTree(await readTree(workspace.store), before, "the store");
  await runPipeline(workspace.config);
  await assertNightDone(workspace, { ...files, ...second, ...third });

  await test.step("content that is delivered again is not loaded again", async () => {
    const once = await published(workspace);
    await deliver(workspace, { "a.csv": sale(5), "again.csv": sale(17) });
    const { files } = await runPipeline(workspace.config);
    assert.deepEqual(
      files.map(({ status, reason }) => [status, reason]),
      Array(2).fill(["duplicate", "same_content"]),
    );
    assert.deepEqual(await published(workspace), once);
    assert.deepEqual(await listFiles(join(workspace.store, "sales_data")), []);
  });
});

Deno.test("pipeline takes no file twice, when the database was restored to a moment within a night", async () => {
  const files = { "a.csv": sale(5) };
  await using workspace = await createNight(files);
  const [backup, newest] = [join(workspace.folder, "backup.duckdb"), join(workspace.folder, "newest.duckdb")];
  for (const stage of STAGE_NAMES) {
    const { code, text } = await runTask(stage, ["--config", workspace.config]);
    assert.equal(code, 0, text);
    // It knows that the run was begun, but not that it was committed.
    if (stage === "download") await Deno.copyFile(workspace.database, backup);
  }
  await deliver(workspace, files);
  const before = await readTree(workspace.store);
  await Deno.rename(workspace.database, newest);
  await Deno.rename(backup, workspace.database);
  const says = ["does not know", "restored from an older backup", "nothing was changed"];
  assertFailure(await run(workspace), { exitCode: 65, code: "restored_database", says });
  assertSameTree(await readTree(workspace.store), before, "the store");

  await Deno.rename(newest, workspace.database);
  const { files: [again] } = await runPipeline(workspace.config);
  assert.equal(again?.status, "duplicate");
  assert.deepEqual(await published(workspace), { rows: 1, customers: "5.00", salesTeam: "5.00" });
});

Deno.test("a stage stops with 65 and names the manifest, when that is corrupt, and pipeline begins anew", async (test) => {
  const files = { "a.csv": sale(5) };
  await using workspace = await createNight(files);
  const stage = (name: string) => runTask(name, ["--config", workspace.config, "--json"]);
  assert.equal((await stage("download")).code, 0);

  await test.step("a stage before its turn names the one that is missing", async () => {
    const says = ["Cannot run upload", "validate", "deno task validate"];
    assertFailure(await stage("upload"), { exitCode: 65, code: "stage_out_of_order", says });
  });
  const [name = ""] = (await listFiles(workspace.workDir)).filter((name) => name.endsWith("/manifest.json"));
  const path = join(workspace.workDir, name);
  const whole = await Deno.readTextFile(path);
  const corrupt = {
    "empty": "",
    "of another version": whole.replace('"version": 2', '"version": 1'),
  };
  for (const [what, text] of Object.entries(corrupt)) {
    await test.step(what, async () => {
      await Deno.writeTextFile(path, text);
      const says = ["Cannot use the manifest", path, "deno task download"];
      assertFailure(await stage("validate"), { exitCode: 65, code: "corrupt_manifest", says });
    });
  }
  await runPipeline(workspace.config);
  await assertNightDone(workspace, files);
});
