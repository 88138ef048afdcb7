/**
 * Replays of files that are in a sender's own form: the rows come back in that form, byte for byte, and the next night
 * reads them as it read the file.
 *
 * @module
 */
import { parse } from "jsonc-parser";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { encoderOf } from "../../lib/csv/encoding.ts";
import { createEmbedded, type Deployment } from "../support/deployment.ts";
import { readParquet } from "../support/duckdb.ts";
import { deliverTexts, HEADER, listed, loadCustomers, runReplay } from "../support/replay.ts";
import { REPOSITORY, runPipeline, type Summary } from "../support/task.ts";
import { listFiles } from "../support/tree.ts";

/** Customers that the dimension does not have at first. */
const LATE = 900;

const SEMICOLONS = { delimiter: ";", dateFormat: "%d/%m/%Y", decimalComma: true, thousands: "." };
const SOURCES = [
  {
    match: "north/**",
    encoding: "windows-1252",
    ...SEMICOLONS,
    skipLines: 2,
    rename: { Kunde: "customer_id" },
  },
  { match: "le/**", encoding: "utf-16le", delimiter: "\t" },
  { match: "be/**", encoding: "utf-16be", header: HEADER.split(",") },
  { match: "*.csv.gz", ...SEMICOLONS, header: HEADER.split(",") },
  { match: "titled.csv", skipLines: 1, quote: "'" },
  { match: "bare.csv", header: ["note", ...HEADER.split(",")] },
];

/** The shipped model, whose sales have sources. */
async function withSources(sources: readonly object[]): Promise<Deployment> {
  const deployment = await createEmbedded({ model: "model.jsonc", contract: { maxRejectedShare: 1 } });
  const model = parse(await Deno.readTextFile(join(REPOSITORY, "config", "model.jsonc")));
  model.datasets.sales.sources = sources;
  for (const mart of Object.values<{ sql: string }>(model.marts)) {
    mart.sql = join(REPOSITORY, "config", mart.sql);
  }
  await Deno.writeTextFile(join(deployment.folder, "model.jsonc"), JSON.stringify(model));
  return deployment;
}

const encode = (encoding: Parameters<typeof encoderOf>[0], text: string) =>
  Buffer.from(encoderOf(encoding)(text) ?? assert.fail());
const semicolons = (id: number, product: string, date = "01/03/2023") =>
  `${id};121;${product};${date};1;1.000,50;2;2.001,00`;
const plain = (id: number, product: string, delimiter = ",") =>
  [id, 121, product, "2023-03-01", 1, "1.50", 2, "3.00"].join(delimiter);
const NORTH_HEADER = `${HEADER.replace("customer_id", "Kunde").replaceAll(",", ";")};Größe`;
const TITLES = `Umsätze in € "heute\r\n\n`;

/** Each file as it is delivered, and what a replay of its rows puts back under which name. */
const FILES: Readonly<Record<string, { delivered: Uint8Array; name?: string; back: Uint8Array }>> = {
  "north/ä.csv": {
    delivered: encode(
      "windows-1252",
      `${TITLES}${NORTH_HEADER}\r\n${semicolons(1, "sugar")};M\r\n${
        semicolons(LATE, '"5 €\nü"')
      };"L\r\n"\r\n`,
    ),
    back: encode("windows-1252", `${TITLES}${NORTH_HEADER}\n${semicolons(LATE, '"5 €\nü"')};"L\r\n"\n`),
  },
  "le/mark.csv": {
    delivered: encode("utf-16le", `\ufeff${HEADER.replaceAll(",", "\t")}\r\n${plain(LATE, "😀", "\t")}`),
    back: encode("utf-16le", `\ufeff${HEADER.replaceAll(",", "\t")}\n${plain(LATE, "😀", "\t")}\n`),
  },
  "le/none.csv": {
    delivered: encode("utf-16le", `\n${HEADER.replaceAll(",", "\t")}\n${plain(LATE, "none", "\t")}\n`),
    back: encode("utf-16le", `${HEADER.replaceAll(",", "\t")}\n${plain(LATE, "none", "\t")}\n`),
  },
  "be/mark.csv": {
    delivered: encode("utf-16be", `\ufeff${plain(1, "pear")}\n${plain(LATE, "ä")}\n`),
    back: encode("utf-16be", `\ufeff${plain(LATE, "ä")}\n`),
  },
  "be/none.csv": {
    delivered: encode("utf-16be", `${plain(LATE, "ö")}\n${plain(1, "pear")}\n`),
    back: encode("utf-16be", `${plain(LATE, "ö")}\n`),
  },
  "packed.csv.gz": {
    delivered: gzipSync(`${semicolons(1, "salt")}\n${semicolons(LATE, "packed")}\n`),
    name: "packed.csv.gz.csv",
    back: encode("utf-8", `${semicolons(LATE, "packed")}\n`),
  },
  "titled.csv": {
    delivered: encode("utf-8", `\ufefftitle, 'open\n\n${HEADER}\n${plain(LATE, "'a,\n''b'''")}\n`),
    back: encode("utf-8", `\ufefftitle, 'open\n${HEADER}\n${plain(LATE, "'a,\n''b'''")}\n`),
  },
  // The second row begins with what would be taken for a mark if it came first.
  "bare.csv": {
    delivered: encode("utf-8", `x,${plain(1, "pear")}\n\ufeffnote,${plain(LATE, "bare")}\n`),
    back: encode("utf-8", `\ufeff\ufeffnote,${plain(LATE, "bare")}\n`),
  },
};

function statuses({ files }: Summary): string[] {
  return files.map(({ key, status, reason, rowsAccepted, rowsRejected }) =>
    `${
      key.replace(/^sales_data\/(replay\/[^/]+\/[^/]+\/)?/, "")
    } ${status} ${reason} ${rowsAccepted}+${rowsRejected}`
  ).sort();
}

/** Product, price, date and further columns of the late customer's accepted rows. */
async function loaded({ store }: Deployment): Promise<string[]> {
  const folder = join(store, "accepted_sales");
  const files = (await listFiles(folder)).map((name) => join(folder, name));
  const { columns, rows } = await readParquet(files);
  const at = ["customer_id", "product_name", "price", "sales_date", "additional_column"].map((name) =>
    columns.findIndex((column) => column.startsWith(`${name} `))
  );
  return rows.map((row) => at.map((i) => row[i] ?? null)).filter(([id]) => id === String(LATE))
    .map((row) => JSON.stringify(row.slice(1))).sort();
}

Deno.test("replay puts rows back in the sender's own form, and the next night takes them", async (test) => {
  await using deployment = await withSources(SOURCES);
  const { config, store } = deployment;
  await loadCustomers(deployment, []);
  await deliverTexts(
    deployment,
    Object.fromEntries(Object.entries(FILES).map(([name, { delivered }]) => [name, delivered])),
  );
  const night = await runPipeline(config);
  const byReason = ["--reason", "unknown_customer_id"];

  await test.step("all that were rejected for their customer", async () => {
    assert.deepEqual(statuses(night).filter((status) => !/ accepted null [01]\+1$/.test(status)), []);
    assert.equal(night.files.length, Object.keys(FILES).length);
    const replay = await runReplay(config, byReason);
    assert.deepEqual(listed(replay.leftOut), []);
    for (const [name, { back, name: given = name }] of Object.entries(FILES)) {
      const path = join(store, "sales_data", "replay", replay.runId ?? "", night.runId ?? "", given);
      assert.deepEqual(Buffer.from(await Deno.readFile(path)), Buffer.from(back), name);
    }
  });

  await test.step("also when the next night rejects them again", async () => {
    const again = await runPipeline(config);
    assert.deepEqual(statuses(again).filter((status) => !/ accepted null 0\+1$/.test(status)), []);
    const replay = await runReplay(config, byReason);
    assert.deepEqual(listed(replay.leftOut).filter((text) => !text.endsWith("already_replayed")), []);
    for (const [name, { back, name: given = name }] of Object.entries(FILES)) {
      const path = join(store, "sales_data", "replay", replay.runId ?? "", night.runId ?? "", given);
      assert.deepEqual(Buffer.from(await Deno.readFile(path)), Buffer.from(back), name);
    }
  });

  await test.step("with the values that were delivered", async () => {
    await loadCustomers(deployment, [LATE]);
    const last = await runPipeline(config);
    assert.deepEqual(statuses(last).filter((status) => !/ accepted null 1\+0$/.test(status)), []);
    assert.deepEqual(
      await loaded(deployment),
      [
        ["5 €\nü", "1000.50", "2023-03-01", "L\r\n"],
        ["a,\n'b'", "1.50", "2023-03-01", null],
        // The driver that reads it drops what its text begins with; the bytes above have it.
        ["bare", "1.50", "2023-03-01", "note"],
        ["none", "1.50", "2023-03-01", null],
        ["packed", "1000.50", "2023-03-01", null],
        ["ä", "1.50", "2023-03-01", null],
        ["ö", "1.50", "2023-03-01", null],
        ["😀", "1.50", "2023-03-01", null],
      ].map((row) => JSON.stringify(row)).sort(),
    );
  });
});

Deno.test("replay takes a whole file back that a source was missing for, and reads it by the new one", async () => {
  await using deployment = await withSources([]);
  await loadCustomers(deployment, []);
  const content = FILES["north/ä.csv"]?.delivered ?? "";
  await deliverTexts(deployment, { "north/a.csv": content });
  assert.deepEqual(statuses(await runPipeline(deployment.config)), ["north/a.csv rejected not_utf8 0+0"]);
  const model = parse(await Deno.readTextFile(join(deployment.folder, "model.jsonc")));
  model.datasets.sales.sources = SOURCES;
  await Deno.writeTextFile(join(deployment.folder, "model.jsonc"), JSON.stringify(model));
  await runReplay(deployment.config, ["--reason", "not_utf8"]);
  assert.deepEqual(statuses(await runPipeline(deployment.config)), ["north/a.csv accepted null 1+1"]);
});

Deno.test("replay leaves out what another source would read under the name that it gets", async () => {
  await using deployment = await withSources(SOURCES);
  await loadCustomers(deployment, []);
  // Too long a name for a file of rows behind the replay's own folders.
  const folder = `north/${"x/".repeat(300)}`;
  const name = `${folder}${"y".repeat(200)}/${"z".repeat(200)}.csv`;
  await deliverTexts(deployment, { [name]: FILES["north/ä.csv"]?.delivered ?? "" });
  await runPipeline(deployment.config);
  const replay = await runReplay(deployment.config, ["--reason", "unknown_customer_id"]);
  assert.deepEqual(replay.replayed, []);
  assert.deepEqual(listed(replay.leftOut), [`${name} rows 1 other_source`]);
});
