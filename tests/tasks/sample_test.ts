/**
 * `deno task sample`: what it says of files in the default form and in others, and that the entry that it suggests takes
 * the file when it stands in the model.
 *
 * @module
 */
import { parse } from "jsonc-parser";
import assert from "node:assert/strict";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { encoderOf, type Encoding } from "../../lib/csv/encoding.ts";
import { REPOSITORY, runTask, type TaskResult } from "../support/task.ts";
import { createWorkspace, type Workspace } from "../support/workspace.ts";
import { until } from "../support/waiting.ts";

const HEADER = "customer_id,store_id,product_name,sales_date,sales_person_id,price,quantity,total_cost";
const ROW = "1,121,apple,2023-03-25,1,1.50,2,3.00";

/** A workspace without a database, whose store needs a secret that is not there. */
async function openSample(sources: readonly object[] = []): Promise<Workspace> {
  const workspace = await createWorkspace({
    store: {
      kind: "s3",
      bucket: "b",
      region: "r",
      secretAccessKey: "${NOT_THERE}",
      accessKeyId: "${NOT_THERE}",
    },
    model: "model.jsonc",
  });
  const folder = join(REPOSITORY, "config");
  const model = parse(await Deno.readTextFile(join(folder, "model.jsonc")));
  model.datasets.sales.sources = sources;
  for (const mart of Object.values<{ sql: string }>(model.marts)) mart.sql = join(folder, mart.sql);
  await Deno.writeTextFile(join(workspace.folder, "model.jsonc"), JSON.stringify(model));
  return workspace;
}

async function runSample(
  workspace: Workspace,
  content: string | Uint8Array,
  { name = "a.csv", flags = [] }: { name?: string; flags?: readonly string[] } = {},
): Promise<TaskResult> {
  const path = join(workspace.folder, name);
  await Deno.writeFile(path, typeof content === "string" ? new TextEncoder().encode(content) : content);
  return await runTask("sample", [path, "--config", workspace.config, ...flags]);
}

async function report(...args: Parameters<typeof runSample>) {
  const [workspace, content, options = {}] = args;
  const result = await runSample(workspace, content, {
    ...options,
    flags: [...options.flags ?? [], "--json"],
  });
  assert.equal(result.code, 0, result.text);
  return JSON.parse(result.stdout);
}

/** Files with the entry that takes them, but for its pattern. */
const SENDERS: readonly (readonly [what: string, encoding: Encoding, text: string, source: object])[] = [
  [
    "semicolons and a decimal comma",
    "windows-1252",
    [
      HEADER.replaceAll(",", ";").replace("price", "Price"),
      "1;121;5 € für;25/03/2023;1;1.000,50;2;2.001,00",
      "1;121;x;01/03/2023;1;2,50;2;5,00",
    ].join("\r\n"),
    {
      ...{ delimiter: ";", encoding: "windows-1252", decimalComma: true, thousands: "." },
      dateFormat: "%d/%m/%Y",
    },
  ],
  [
    "UTF-16 with tabs and title lines",
    "utf-16le",
    `\ufeffSales\n\n${HEADER}\n${ROW}\n`.replaceAll(",", "\t"),
    {
      ...{ delimiter: "\t", encoding: "utf-16le", skipLines: 2 },
    },
  ],
  ["UTF-16 without a mark", "utf-16be", `${HEADER}\n${ROW}\n`, { encoding: "utf-16be" }],
  ["no header", "utf-8", `${ROW},x\n${ROW},\n`, { header: [...HEADER.split(","), ""] }],
  ["names that are spelled otherwise", "utf-8", `${HEADER.replaceAll("_", " ").toUpperCase()}\n${ROW}\n`, {
    rename: {
      "CUSTOMER ID": "customer_id",
      "STORE ID": "store_id",
      "PRODUCT NAME": "product_name",
      "SALES DATE": "sales_date",
      "SALES PERSON ID": "sales_person_id",
      "TOTAL COST": "total_cost",
    },
  }],
  ["one name in another language", "iso-8859-15", `${HEADER.replace("price", "Preis in €")}\n${ROW}\n`, {
    encoding: "iso-8859-15",
    rename: { "Preis in €": "price" },
  }],
  [
    "a header in other words",
    "utf-8",
    `Kunde|Filiale|Artikel|Tag|Wer|Preis|Menge|Summe\n${ROW.replaceAll(",", "|")}\n`,
    {
      delimiter: "|",
      rename: {
        Kunde: "customer_id",
        Filiale: "store_id",
        Artikel: "product_name",
        Tag: "sales_date",
        Wer: "sales_person_id",
        Preis: "price",
        Menge: "quantity",
        Summe: "total_cost",
      },
    },
  ],
  ["American dates", "utf-8", `${HEADER}\n${ROW.replace("2023-03-25", "3/25/2023")}\n`, {
    dateFormat: "%-m/%-d/%Y",
  }],
];

Deno.test("sample suggests the source that takes a file, and says that it does once the model has it", async (test) => {
  await using workspace = await openSample();
  for (const [what, encoding, text, source] of SENDERS) {
    await test.step(what, async () => {
      const content = encoderOf(encoding)(text) ?? "";
      const found = await report(workspace, content, { flags: ["--as", "north/a.csv"] });
      assert.equal(found.source, null);
      assert.equal(found.result.rowsGood, 0);
      assert.deepEqual(found.suggestion?.source, { match: "north/**", ...source });
      const { result } = found.suggestion;
      assert.deepEqual([result.status, result.rowsGood], ["accepted", result.rowsRead]);
      await using mended = await openSample([found.suggestion.source]);
      const again = await report(mended, content, { flags: ["--as", "north/a.csv"] });
      assert.equal(again.source, "north/**");
      assert.equal(again.suggestion, null);
      assert.deepEqual(again.result, result);
    });
  }
});

Deno.test("sample says that a file is taken as it is, packed or not", async () => {
  await using workspace = await openSample();
  for (
    const [name, content] of [["a.csv", `${HEADER}\n${ROW}\n`], [
      "a.csv.gz",
      gzipSync(`${HEADER}\n${ROW}\n`),
    ]] as const
  ) {
    const found = await report(workspace, content, { name });
    assert.deepEqual([found.suggestion, found.result.status, found.result.rowsRead], [null, "accepted", 1]);
    assert.equal(found.columns.at(-1).name, "total_cost");
  }
});

Deno.test("sample shows people the first rejects and an entry to paste, without what no eye sees", async () => {
  await using workspace = await openSample();
  const text =
    `${HEADER.replaceAll(",", ";")}\n${ROW.replaceAll(",", ";").replace("1.50", "1\u00a0000.50")}\n` +
    "1;121;\x1b[31m;2023-02-30;1;1.50;2;3.00\n";
  const { code, stdout, text: all } = await runSample(workspace, text, { name: "till_20230301-1.csv" });
  assert.equal(code, 0, all);
  assert.match(stdout, /^Result {4}rejected as missing_columns: the header lacks customer_id, /m);
  assert.match(stdout, /would take 1 row:/);
  assert.match(stdout, /"match": "till_\*\.csv",\n {2}"delimiter": ";",\n {2}"thousands": "\\u00a0"\n/);
  assert.match(stdout, /line 3 {2}invalid_value: sales_date: "2023-02-30" is not a date/);
  assert.match(stdout, /<U\+001B>/);
  for (const unseen of ["\x1b", "\u00a0"]) assert.ok(!stdout.includes(unseen));
});

Deno.test("sample says what it cannot know: dates that may be either, and names that it does not find", async () => {
  await using workspace = await openSample();
  const either = await report(workspace, `${HEADER}\n${ROW.replace("2023-03-25", "03/04/2023")}\n`);
  assert.equal(either.suggestion.source.dateFormat, "%d/%m/%Y");
  assert.match(either.suggestion.notes.join(), /may be %d\/%m\/%Y or %m\/%d\/%Y: ask the sender/);
  const names = await report(
    workspace,
    `${HEADER.replace("price", "a").replace("quantity", "b")}\n${ROW}\n`,
  );
  assert.equal(names.suggestion, null);
  assert.match(names.notes.join(), /which of "a", "b" is price, quantity\?/);
});

Deno.test("sample goes on with files that are no CSV files at all", async () => {
  await using workspace = await openSample();
  const contents: readonly (readonly [Uint8Array | string, string])[] = [
    ["", "empty_file"],
    ["\n\n", "empty_file"],
    [new Uint8Array(300), "missing_columns"],
    [Uint8Array.of(0xff, 0xfe), "not_utf8"],
    [Uint8Array.from({ length: 70_000 }, (_, i) => (i * 7919) % 251), "not_utf8"],
    ["<html>\n", "missing_columns"],
    ['"', "malformed_csv"],
  ];
  for (const [content, reason] of contents) {
    const found = await report(workspace, content);
    assert.equal(found.result.reason, reason);
    assert.equal(found.suggestion, null, JSON.stringify(found.suggestion));
  }
  const packed = await report(workspace, "no gzip", { name: "a.csv.gz" });
  assert.equal(packed.result.reason, "bad_gzip");
});

Deno.test("sample says what is wrong with its arguments and leaves nothing behind", async () => {
  await using workspace = await openSample();
  await runSample(workspace, `${HEADER}\n${ROW}\n`);
  const config = ["--config", workspace.config];
  const cases: readonly (readonly [string[], number, RegExp])[] = [
    [[], 64, /missing required argument/],
    [[workspace.folder, ...config], 64, /it is no file/],
    [[join(workspace.folder, "none.csv"), ...config], 64, /it is no file/],
    [
      [join(workspace.folder, "a.csv"), "--dataset", "returns", ...config],
      64,
      /--dataset must be one of .*: sales/,
    ],
    [["a.csv", "b.csv", ...config], 64, /more arguments/],
    [[join(workspace.folder, "a.csv"), "--config", "none.jsonc"], 78, /Cannot read the configuration/],
  ];
  for (const [args, code, says] of cases) {
    const result = await runTask("sample", args);
    assert.equal(result.code, code, result.text);
    assert.match(result.stderr, says);
  }
  // Another process may have one meanwhile, but not for long.
  const left = [...Deno.readDirSync("/tmp")].filter(({ name }) => name.startsWith("nightly-marts-sample-"));
  for (const { name } of left) {
    const isGone = () => Deno.stat(`/tmp/${name}`).then(() => false, () => true);
    await until(`${name} is gone`, isGone);
  }
});
