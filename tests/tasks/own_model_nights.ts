/**
 * Nights with a model of one's own: a second feed, a dimension with a text key, and marts that the pipeline has never
 * heard of; there is no TypeScript in it. A reference that knows nothing of the product works out every figure.
 *
 * @module
 */
import { parse } from "csv-parse/sync";
import assert from "node:assert/strict";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { CrashPoint } from "../support/crash_point.ts";
import { startPipeline } from "../support/crash_process.ts";
import type { Deployment } from "../support/deployment.ts";
import { dumpDatabase, readParquet, readTable, type Relation } from "../support/duckdb.ts";
import { assertSameRows, type Row } from "../support/rows.ts";
import { runPipeline, runTask, type Summary } from "../support/task.ts";
import { listFiles } from "../support/tree.ts";

/** The model's folder, with the nights beside it. */
const OWN_MODEL = fileURLToPath(new URL("../testdata/own_model/", import.meta.url));
/** The configuration's keys besides store and database. */
export const OWN_MODEL_CONFIG = { model: join(OWN_MODEL, "model.jsonc") };

/** Feeds and the folder of a night that is delivered to each. */
const FEEDS = ["sales_data", "returns_data"];
const STORES = ["121", "122"], CUSTOMERS = ["1", "2", "3"];
const NAMES: Readonly<Record<string, string | null>> = { "1": "Ada Sample", "2": "Ben", "3": null };
const LABELS: Readonly<Record<string, string>> = { broken: "Broken", size: "Wrong size", late: "Too late" };

/** Kills of one night, in the order in which its runs come to them: before and after each kind of effect. */
const KILLS: readonly CrashPoint[] = [
  { when: "before", call: "database.acquireLease" },
  { when: "before", call: "database.beginRun" },
  { when: "after", call: "database.beginRun" },
  { when: "before", call: "store.put", match: "^_staging/" },
  { when: "after", call: "store.put", match: "^_staging/", nth: 3 },
  { when: "before", call: "database.commit" },
  { when: "after", call: "database.commit" },
  { when: "before", call: "store.copy", match: "^_staging/.* returns_mart/" },
  { when: "after", call: "store.copy", match: "^_staging/.* returns_mart/" },
  { when: "after", call: "store.delete", match: "^_staging/" },
  { when: "before", call: "database.settleMoves" },
  { when: "after", call: "database.settleMoves" },
  { when: "before", call: "store.put", match: "^_runs/\\d" },
  { when: "after", call: "store.put", match: "^_runs/\\d" },
  { when: "after", call: "database.finishRun", match: "published" },
  { when: "before", call: "store.copy", match: "^returns_data/.* archive/returns/" },
  { when: "after", call: "store.copy", match: "^returns_data/.* archive/returns/" },
  { when: "after", call: "store.delete", match: "^returns_data/" },
];

/** An accepted row of a feed, by column, and the file that it came from. */
type Accepted = Readonly<Record<string, string>>;

/** What the nights so far must have become. */
class Reference {
  readonly sales: Accepted[] = [];
  readonly returns: Accepted[] = [];
  /** Rejected rows as key, line, reason and column. */
  readonly rejects: Row[] = [];
  readonly #contents = new Set<string>();
  reasons: readonly string[] = ["broken", "size"];

  /** Takes a night's files in the order of their keys. */
  async take(folder: string): Promise<void> {
    for (const feed of FEEDS) {
      const names = await listFiles(join(folder, feed)).catch(() => []);
      for (const name of names.sort()) {
        const text = await Deno.readTextFile(join(folder, feed, name));
        if (this.#contents.has(feed + text)) continue;
        const [header = [], ...rows] = parse(text) as string[][];
        if (feed === "returns_data" && !header.includes("pieces")) continue;
        this.#contents.add(feed + text);
        rows.forEach((row, i) => this.#judge(feed, `${feed}/${name}`, header, row, i + 2));
      }
    }
  }

  /** Takes the rows that a replay puts back now that the dimension has this code. */
  replay(code: string): void {
    this.reasons = [...this.reasons, code];
    for (const row of this.#late.splice(0)) {
      if (row.reason_code === code) this.returns.push(row);
    }
  }

  readonly #late: Accepted[] = [];

  #judge(
    feed: string,
    key: string,
    header: readonly string[],
    values: readonly string[],
    line: number,
  ): void {
    const row = Object.fromEntries(header.map((name, i) => [name, values[i] ?? ""]));
    const fault = feed === "sales_data"
      ? this.#keyFault(row, ["customer_id", "store_id"])
      : this.#faultOf(row);
    if (fault === null) {
      (feed === "sales_data" ? this.sales : this.returns).push(row);
      return;
    }
    this.rejects.push([key, String(line), fault[0], fault[1]]);
    if (fault[0] === "unknown_reason_code") this.#late.push(row);
  }

  #faultOf(row: Accepted): readonly [string, string | null] | null {
    const columns = ["customer_id", "store_id", "reason_code", "return_date", "amount", "fee", "pieces"];
    const empty = columns.find((name) => row[name]?.trim() === "");
    if (empty) return ["missing_value", empty];
    if (!isDay(row.return_date ?? "")) return ["invalid_value", "return_date"];
    if (cents(row.amount) <= 0n) return ["rule", null];
    return this.#keyFault(row, ["customer_id", "store_id", "reason_code"]);
  }

  #keyFault(row: Accepted, columns: readonly string[]): readonly [string, string] | null {
    const known: Readonly<Record<string, readonly string[]>> = {
      customer_id: CUSTOMERS,
      store_id: STORES,
      reason_code: this.reasons,
    };
    const unknown = columns.find((name) => !known[name]?.includes(row[name] ?? ""));
    return unknown === undefined ? null : [`unknown_${unknown}`, unknown];
  }

  /** The tables by name, as columns and rows. */
  tables(): Record<string, Relation> {
    const returns = this.returns.map((row) =>
      ({ ...row, month: row.return_date?.slice(0, 7) ?? "" }) as Accepted
    );
    const months = Map.groupBy(returns, ({ customer_id, month }) => JSON.stringify([customer_id, month]));
    const days = Map.groupBy(
      returns,
      ({ reason_code, return_date }) => JSON.stringify([reason_code, return_date]),
    );
    const net = (store: string) =>
      sum(this.sales.filter((row) => row.store_id === store), "total_cost") -
      sum(returns.filter((row) => row.store_id === store), "amount");
    const sold = new Set([...this.sales, ...returns].map((row) => row.store_id ?? ""));
    return {
      customer_returns: {
        columns: ["customer_id BIGINT", "return_month VARCHAR", "full_name VARCHAR", "amount DECIMAL(28,2)"],
        rows: [...months.values()].map((rows) => {
          const { customer_id = "", month = "" } = rows[0] ?? {};
          return [customer_id, month, NAMES[customer_id] ?? null, money(sum(rows, "amount"))];
        }),
      },
      reason_returns: {
        columns: [
          "reason_code VARCHAR",
          "return_date DATE",
          "label VARCHAR",
          "total_amount DECIMAL(28,2)",
          "total_fee DECIMAL(28,2)",
          "return_count BIGINT",
          "pieces BIGINT",
        ],
        rows: [...days.values()].map((rows) => {
          const { reason_code = "", return_date = "" } = rows[0] ?? {};
          const pieces = rows.reduce((total, row) => total + BigInt(row.pieces ?? "0"), 0n);
          return [
            reason_code,
            return_date,
            LABELS[reason_code] ?? null,
            money(sum(rows, "amount")),
            money(sum(rows, "fee")),
            String(rows.length),
            String(pieces),
          ];
        }),
      },
      net_sales: {
        columns: ["store_id BIGINT", "net DECIMAL(28,2)"],
        rows: [...sold].map((store) => [store, money(net(store))]),
      },
    };
  }

  /** The rows of returns_mart, its partitions last. */
  mart(): Row[] {
    const managers: Readonly<Record<string, string | null>> = { "121": "Mona Manager", "122": null };
    return this.returns.map((row) => [
      row.customer_id ?? "",
      managers[row.store_id ?? ""] ?? null,
      LABELS[row.reason_code ?? ""] ?? null,
      row.return_date ?? "",
      money(cents(row.amount)),
      row.pieces ?? "",
      row.return_date?.slice(0, 7) ?? "",
      row.store_id ?? "",
    ]);
  }
}

function isDay(text: string): boolean {
  const [year = 0, month = 0, day = 0] = text.split("-").map(Number);
  const date = new Date(Date.UTC(year, month - 1, day));
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}

function cents(text = ""): bigint {
  const [, sign, whole, fraction = ""] = /^([+-]?)(\d*)\.?(\d*)$/.exec(text) ?? [];
  const value = BigInt(whole || "0") * 100n + BigInt(fraction.padEnd(2, "0"));
  return sign === "-" ? -value : value;
}

function sum(rows: readonly Accepted[], column: string): bigint {
  return rows.reduce((total, row) => total + cents(row[column]), 0n);
}

function money(value: bigint): string {
  const text = String(value < 0n ? -value : value).padStart(3, "0");
  return `${value < 0n ? "-" : ""}${text.slice(0, -2)}.${text.slice(-2)}`;
}

/** Registers the nights, on one kind of deployment. */
export function testOwnModel(kind: string, open: () => Promise<Deployment>): void {
  Deno.test(`${kind}: a model of one's own gives what it says, with rejects, duplicates, kills and replay`, async (test) => {
    await using deployment = await open();
    const reference = new Reference();
    await deployment.loadDimensions(join(OWN_MODEL, "dimensions"));
    await deployment.sql(
      "CREATE TABLE return_reason (code VARCHAR(20), label VARCHAR(100))",
      "INSERT INTO return_reason VALUES ('broken', 'Broken'), ('size', 'Wrong size')",
    );

    await test.step("night 1: two feeds, with rejects, a twin and a file that lacks a column", async () => {
      await deliverNight(deployment, reference, 1);
      const summary = await runPipeline(deployment.config);
      assertSummary(summary, {
        "returns_data/a.csv": ["returns", "accepted", null, "archive/returns/RUN/a.csv"],
        "returns_data/b.csv": ["returns", "accepted", null, "archive/returns/RUN/b.csv"],
        "returns_data/short.csv": [
          "returns",
          "rejected",
          "missing_columns",
          "returns_data_error/RUN/files/short.csv",
        ],
        "returns_data/twin.csv": ["returns", "duplicate", "same_content", "archive/returns/RUN/twin.csv"],
        "sales_data/day.csv": ["sales", "accepted", null, "sales_data_processed/RUN/day.csv"],
      });
      assert.deepEqual(summary.marts, {
        returns_mart: 5,
        customer_returns: 4,
        reason_returns: 2,
        net_sales: 2,
      });
      await assertEverything(deployment, reference);
    });

    await test.step("night 2: killed before and after each kind of effect", async (test) => {
      await deliverNight(deployment, reference, 2);
      for (const point of KILLS) {
        await test.step(`${point.when} ${point.call} ${point.match ?? ""}`, async () => {
          const ended = await startPipeline(deployment.config, point).ended;
          assert.equal(ended.signal, "SIGKILL", ended.text);
        });
      }
      const last = await runPipeline(deployment.config);
      assert.ok(["recovered", "nothing-to-do"].includes(last.state), last.state);
      await assertEverything(deployment, reference);
    });

    await test.step("night 3: the dimension is mended, and a replay puts back what it lacked", async () => {
      await deployment.sql("INSERT INTO return_reason VALUES ('late', 'Too late')");
      const replay = await runTask("replay", [
        "--config",
        deployment.config,
        "--json",
        "--reason",
        "unknown_reason_code",
      ]);
      assert.equal(replay.code, 0, replay.text);
      // "Broken" is not "broken": it is put back too, and rejected again.
      reference.replay("late");
      await deliverNight(deployment, reference, 3);
      const summary = await runPipeline(deployment.config);
      assert.equal(summary.state, "committed");
      assert.ok(summary.files.every(({ key }) => key.startsWith("returns_data/")));
      await assertEverything(deployment, reference, { rejects: false });
      const again = await runPipeline(deployment.config);
      assert.equal(again.state, "nothing-to-do");
      await assertEverything(deployment, reference, { rejects: false });
    });
  });
}

async function deliverNight(deployment: Deployment, reference: Reference, number: number): Promise<void> {
  const night = join(OWN_MODEL, `night-${number}`);
  for await (const feed of Deno.readDir(night)) await deployment.deliver(join(night, feed.name), feed.name);
  await reference.take(night);
}

/** What the summary says of each file: dataset, status, reason and destination. */
function assertSummary(
  { runId, files, state, rows }: Summary,
  expected: Readonly<Record<string, readonly [string, string, string | null, string]>>,
): void {
  assert.equal(state, "committed");
  const found = files.map(({ key, dataset, status, reason, destination }) => [
    key,
    [dataset, status, reason, destination?.replace(runId, "RUN")],
  ]);
  assert.deepEqual(Object.fromEntries(found), expected);
  assert.deepEqual(files.map(({ key }) => key), Object.keys(expected).sort(), "files are in key order");
  assert.equal(rows.read, rows.accepted + rows.rejected);
}

/** Every table, mart and reject, against the reference. */
async function assertEverything(
  deployment: Deployment,
  reference: Reference,
  { rejects = true }: { rejects?: boolean } = {},
): Promise<void> {
  await deployment.refresh();
  for (const [name, { columns, rows }] of Object.entries(reference.tables())) {
    const table = await readTable(deployment.database, name);
    assert.deepEqual(table.columns.toSorted(), [...columns].sort(), `columns of ${name}`);
    const order = columns.map((column) => table.columns.indexOf(column));
    assertSameRows(table.rows.map((row) => order.map((i) => row[i] ?? null)), rows, name);
  }
  const files = (await listFiles(deployment.store)).map((name) => join(deployment.store, name));
  const below = (prefix: string) =>
    files.filter((file) => file.startsWith(`${join(deployment.store, prefix)}/`));
  const mart = await readParquet(below("returns_mart"), ["return_month VARCHAR", "store_id BIGINT"]);
  assert.deepEqual(mart.columns, [
    "customer_id BIGINT",
    "store_manager_name VARCHAR",
    "reason VARCHAR",
    "return_date DATE",
    "amount DECIMAL(12,2)",
    "pieces BIGINT",
    "return_month VARCHAR",
    "store_id BIGINT",
  ]);
  assertSameRows(mart.rows, reference.mart(), "returns_mart");
  assert.equal((await readParquet(below("accepted_returns"))).rows.length, reference.returns.length);
  assert.equal((await readParquet(below("accepted_sales"))).rows.length, reference.sales.length);
  assert.deepEqual(below("_staging"), []);
  assert.deepEqual([...below("returns_data"), ...below("sales_data")], []);
  if (rejects) await assertRejects([...below("returns_data_error"), ...below("sales_data_error")], reference);
  const { source_file: ledger } = await dumpDatabase(deployment.database);
  const [key, dataset] = ["object_key", "dataset"].map((name) =>
    ledger?.columns.findIndex((column) => column.startsWith(`${name} `)) ?? -1
  );
  assert.ok(ledger && key !== undefined && dataset !== undefined && dataset >= 0);
  for (const row of ledger.rows) {
    assert.equal(
      row[dataset],
      String(row[key]).startsWith("returns_data/") ? "returns" : "sales",
      String(row[key]),
    );
  }
}

async function assertRejects(files: readonly string[], reference: Reference): Promise<void> {
  const found: Row[] = [];
  for (const file of files.filter((file) => file.includes("/rejects/"))) {
    const feed = file.includes("/sales_data_error/") ? "sales_data" : "returns_data";
    const [, name = basename(file)] = /\/rejects\/(.*)\.csv$/.exec(file) ?? [];
    for (
      const { line, reason, column } of parse(await Deno.readTextFile(file), { columns: true }) as Accepted[]
    ) {
      found.push([`${feed}/${name}`, line ?? "", reason ?? "", column || null]);
    }
  }
  assertSameRows(found, reference.rejects, "rejected rows");
}
