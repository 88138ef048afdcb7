/**
 * The way of rejected rows and files back into the marts, on any kind of store and database: a night rejects them, the
 * cause is mended, a replay puts them back, and the next night takes exactly these.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Deployment } from "../support/deployment.ts";
import { dumpDatabase, readParquet } from "../support/duckdb.ts";
import { deliverTexts, fileOf, HEADER, listed, loadCustomers, rowOf, runReplay } from "../support/replay.ts";
import { assertSameRows, type Row } from "../support/rows.ts";
import { runPipeline, runTask } from "../support/task.ts";
import { assertSameTree, listFiles, readTree } from "../support/tree.ts";

/** A customer that the dimension does not have at first. */
const LATE = 900;
/** Two files have this row. */
const TWIN = rowOf(LATE);

/** A header in another order, with further columns, one of which spans lines, and what any spreadsheet would spoil. */
const ODD_HEADER =
  'quantity,"Extra\n""note""", PRICE ,customer_id,store_id,product_name,sales_date,sales_person_id,total_cost,=more';
const ODD_ROWS = [
  `2,"a ""quoted""\r\n\nnote",1.50,${LATE},121,"sugar, brown",2023-03-01,1,3.00,"é\u{1f600}"`,
  `+2,,1.50,${LATE},121,sugar,2023-03-01,1,3.00,`,
  `\t2,'x,1.50,${LATE},121," sugar ",2023-03-01,1,3.00,end\r`,
] as const;
const ODD_GOOD = `2,x,1.50,1,121,sugar,2023-03-01,1,3.00,y`;

/** Beginnings of a raw text that are protected, and some that look as if they were. */
const NOTES = ["=1+1", "+1", "-1", "@x", "\ttab", "\rcr", "'apostrophe", "''two", "'=both", "plain'"];
const NOTES_HEADER = `note,${HEADER}`;
const NOTE_ROWS = NOTES.map((note) => `${note},${rowOf(LATE)}`);
/** So many good rows that ten bad ones are not too many. */
const GOOD_NOTE_ROWS = Array.from({ length: 100 }, (_, i) => `good ${i},${rowOf(1)}`);

const FIRST_NIGHT = {
  "a.csv": fileOf(rowOf(1), TWIN, rowOf(1, { quantity: 0 }), rowOf(2)),
  // Nothing but the faulty row: what is replayed of it is what was delivered.
  "x/b.csv": fileOf(TWIN),
  "odd.csv": `\ufeff\r\n${ODD_HEADER}\r\n${ODD_GOOD}\n${ODD_ROWS.join("\r\n\r\n")}\r\n`,
  "notes.csv": [NOTES_HEADER, ...GOOD_NOTE_ROWS, ...NOTE_ROWS, ""].join("\n"),
  "packed.CSV.gz": new Uint8Array(gzipSync(`\ufeff${fileOf(rowOf(3), rowOf(LATE, { product: "packed" }))}`)),
  "many.csv": fileOf(
    ...Array.from({ length: 13 }, (_, i) => rowOf(i > 0 ? LATE : 4, { product: `many ${i}` })),
  ),
  "lacks.csv": "customer_id\n1\n",
};

/** What is put back of these files by the reason `unknown_customer_id`, by its name. */
const PUT_BACK = {
  "a.csv": fileOf(TWIN),
  "x/b.csv": fileOf(TWIN),
  "odd.csv": `${ODD_HEADER}\n${ODD_ROWS.join("\n")}\r\n`,
  "notes.csv": [NOTES_HEADER, ...NOTE_ROWS, ""].join("\n"),
  "packed.CSV.gz.csv": fileOf(rowOf(LATE, { product: "packed" })),
};

/** customer_id, product_name, additional_column of the rows that the marts have in the end, beside the good ones. */
const LOADED: readonly Row[] = [
  [`${LATE}`, "sugar", null],
  [`${LATE}`, "sugar", null],
  [`${LATE}`, "sugar, brown", 'a "quoted"\r\n\nnote, é\u{1f600}'],
  [`${LATE}`, "sugar", null],
  [`${LATE}`, " sugar ", "'x, end\r"],
  ...NOTES.map((note): Row => [`${LATE}`, "sugar", note]),
  [`${LATE}`, "packed", null],
];
const GOOD: readonly Row[] = [
  ["1", "sugar", null],
  ["2", "sugar", null],
  ["1", "sugar", "x, y"],
  ...GOOD_NOTE_ROWS.map((_, i): Row => ["1", "sugar", `good ${i}`]),
  ["3", "sugar", null],
];
const MANY: readonly Row[] = Array.from(
  { length: 13 },
  (_, i) => [i > 0 ? `${LATE}` : "4", `many ${i}`, null],
);

/** Everything that is in accepted_sales. */
async function assertLoaded({ store }: Deployment, expected: readonly Row[]): Promise<void> {
  const files = (await listFiles(join(store, "accepted_sales"))).map((name) =>
    join(store, "accepted_sales", name)
  );
  const { columns, rows } = await readParquet(files);
  const at = ["customer_id", "product_name", "additional_column"].map((name) =>
    columns.findIndex((column) => column.startsWith(`${name} `))
  );
  assertSameRows(rows.map((row) => at.map((i) => row[i] ?? null)), expected, "accepted_sales");
}

/** Registers the case for one kind of deployment. */
export function testReplay(kind: string, open: () => Promise<Deployment>): void {
  Deno.test(`${kind}: replay puts back what was rejected, each row once, and the next night takes exactly these`, async (test) => {
    await using deployment = await open();
    const { config } = deployment;
    const temporary = join(deployment.folder, "tmp");
    await Deno.mkdir(temporary);
    await loadCustomers(deployment, []);
    await deliverTexts(deployment, FIRST_NIGHT);
    const night = await runPipeline(config);
    const readAll = async () => {
      await deployment.refresh();
      return { tree: await readTree(deployment.store), tables: await dumpDatabase(deployment.database) };
    };
    const before = await readAll();
    const byReason = ["--reason", "unknown_customer_id"];
    const rows = [
      "a.csv rows 1",
      "notes.csv rows 10",
      "odd.csv rows 3",
      "packed.CSV.gz rows 1",
      "x/b.csv rows 1",
    ];

    await test.step("a dry run says so and changes nothing", async () => {
      const dry = await runReplay(config, [...byReason, "--dry-run"], { env: { TMPDIR: temporary } });
      assert.equal(dry.state, "replayed");
      assert.equal(dry.dryRun, true);
      assert.deepEqual(listed(dry.replayed), rows);
      const after = await readAll();
      assertSameTree(after.tree, before.tree, "after a dry run");
      assert.deepEqual(after.tables, before.tables);
      assert.deepEqual(await listFiles(temporary), [], "a dry run leaves temporary files");
    });

    let first = "";
    await test.step("by reason, as they were written", async () => {
      const summary = await runReplay(config, byReason);
      first = summary.runId ?? "";
      assert.deepEqual(listed(summary.replayed), rows);
      assert.deepEqual(listed(summary.leftOut), ["many.csv file 13 whole_file_only"]);
      assert.deepEqual(summary.counts, { rows: 16, files: 0 });
      assert.ok(summary.replayed.every(({ runId }) => runId === night.runId));
      const { tree } = await readAll();
      const landed = [...tree].filter(([key]) => key.startsWith("sales_data/"))
        .map(([key, bytes]) => [key, new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes)]);
      const expected = Object.entries(PUT_BACK).map((
        [name, text],
      ) => [`sales_data/replay/${first}/${night.runId}/${name}`, text]);
      assert.deepEqual(landed, expected.sort(([a = ""], [b = ""]) => a < b ? -1 : 1));
      assert.deepEqual(
        summary.replayed.map(({ destination }) => destination).sort(),
        landed.map(([key]) => key),
      );
      const record = JSON.parse(new TextDecoder().decode(tree.get(`_runs/${first}.json`)));
      assert.deepEqual(
        record.objects.map(({ key }: { key: string }) => key).sort(),
        landed.map(([key]) => key),
      );
      for (const [key, bytes] of before.tree) assert.deepEqual(tree.get(key), bytes, `${key} was changed`);
      assert.deepEqual([...tree.keys()].filter((key) => key.startsWith("_staging/")), []);
    });

    await test.step("not again, by the same reason or by file, before and after the night that takes them", async () => {
      const again = await runReplay(config, byReason);
      assert.equal(again.state, "nothing-to-do");
      assert.deepEqual(
        listed(again.leftOut),
        [...rows.map((row) => `${row} already_replayed`), "many.csv file 13 whole_file_only"].sort(),
      );
      await loadCustomers(deployment, [LATE]);
      const second = await runPipeline(config);
      assert.deepEqual(
        second.files.map(({ key, status, rowsAccepted }) =>
          `${key.split("/").slice(4).join("/")} ${status} ${rowsAccepted}`
        ),
        [
          "a.csv accepted 1",
          "notes.csv accepted 10",
          "odd.csv accepted 3",
          "packed.CSV.gz.csv accepted 1",
          "x/b.csv accepted 1",
        ],
      );
      assert.equal(second.files.length, Object.keys(PUT_BACK).length);
      await deployment.refresh();
      await assertLoaded(deployment, [...GOOD, ...LOADED]);
      const byFile = await runReplay(config, [...byReason, "--file", "sales_data/x/b.csv"]);
      assert.deepEqual(listed(byFile.leftOut), ["x/b.csv rows 1 already_replayed"]);
    });

    await test.step("by run, the rest", async () => {
      const rest = await runReplay(config, ["--run", night.runId]);
      assert.deepEqual(listed(rest.replayed), ["a.csv rows 1", "lacks.csv file 0", "many.csv file 13"]);
      assert.deepEqual(listed(rest.leftOut), rows.map((row) => `${row} already_replayed`));
      const third = await runPipeline(config);
      assert.deepEqual(
        third.files.map((
          { key, status, reason, rowsRead },
        ) => [key.split("/").at(-1), status, reason, rowsRead]),
        [
          ["a.csv", "accepted", null, 1],
          ["lacks.csv", "rejected", "missing_columns", 0],
          ["many.csv", "accepted", null, 13],
        ],
      );
      assert.equal(third.rows.rejected, 1);
      await deployment.refresh();
      await assertLoaded(deployment, [...GOOD, ...LOADED, ...MANY]);
      const nothing = await runTask("replay", ["--config", config, "--run", night.runId]);
      assert.equal(nothing.code, 0, nothing.text);
      assert.match(nothing.stdout, /nothing to put back/);
      assert.match(nothing.stdout, /2 rows of sales_data\/a\.csv[^]*already_replayed/);
    });
  });
}
