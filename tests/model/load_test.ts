/**
 * What a model file may say. That the shipped model gives what the pipeline always gave is for the golden nights.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { applyEdits, modify } from "jsonc-parser";
import { loadConfig } from "../../lib/config/load.ts";
import { openDuckdbEngine } from "../../lib/engine/duckdb.ts";
import { ConfigError } from "../../lib/errors.ts";
import { describeModel } from "../../lib/model/describe.ts";
import { loadModel } from "../../lib/model/load.ts";
import { modelJsonSchema } from "../../lib/model/schema.ts";
import { Redactor } from "../../lib/secrets/redactor.ts";
import { REPOSITORY } from "../support/task.ts";

/** A small model that holds. */
const MODEL = {
  dimensions: {
    customer: { key: "customer_id", text: ["first_name", "city"], personal: ["first_name"] },
    region: { key: "code", text: ["code", "name"] },
  },
  datasets: {
    returns: {
      source: "returns_data/",
      columns: {
        customer_id: "integer",
        region: "text",
        return_date: "date",
        amount: "decimal(18,2)",
        fee: "decimal(9,2)",
        pieces: "integer",
      },
      keys: { customer_id: "customer", region: "region" },
      rules: { amount_positive: { check: "amount > 0", severity: "reject" } },
      lookups: { unknown_city: { column: "region", dimension: "customer", among: "city" } },
      money: "amount",
    },
  },
  marts: {
    returns_mart: { stage: "transform-sales", from: "returns", grain: "row", partitionBy: ["return_month"] },
    customer_returns: {
      stage: "transform-customer",
      from: "returns",
      grain: "totals",
      table: {
        key: ["customer_id", "return_month"],
        add: { amount: "decimal(28,2)", fees: "decimal(28,2)", return_count: "bigint" },
        latest: ["first_name"],
        types: { return_month: "char(7)" },
        incentive: { column: "bonus", of: "fees", within: ["return_month"] },
      },
    },
  },
};

const QUERIES: Readonly<Record<string, string>> = {
  "returns_mart.sql": `SELECT r.customer_id, r.amount, CAST(r.return_date AS DATE) AS return_date,
  substring(CAST(r.return_date AS STRING), 1, 7) AS return_month
FROM accepted_returns r JOIN customer c ON c.customer_id = r.customer_id;
`,
  "customer_returns.sql":
    `SELECT r.customer_id, substring(CAST(r.return_date AS STRING), 1, 7) AS return_month,
  any_value(c.first_name) AS first_name, CAST(sum(r.amount) AS DECIMAL(28, 2)) AS amount,
  CAST(sum(r.fee) AS DECIMAL(28, 2)) AS fees, CAST(count(*) AS BIGINT) AS return_count
FROM accepted_returns r JOIN customer c ON c.customer_id = r.customer_id
GROUP BY r.customer_id, substring(CAST(r.return_date AS STRING), 1, 7)
`,
};

/** A changed value of the model, or of the queries' text, by its path. */
interface Change {
  readonly path: readonly string[];
  /** `undefined` takes it out. */
  readonly value: unknown;
}

async function deployment(changes: readonly Change[], config: object = {}) {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "model-" }));
  let text = JSON.stringify(MODEL, null, 2);
  const queries = { ...QUERIES };
  for (const { path, value } of changes) {
    const [file = ""] = path;
    if (file.endsWith(".sql")) queries[file] = String(value);
    else {text = applyEdits(
        text,
        modify(text, [...path], value, { formattingOptions: { insertSpaces: true } }),
      );}
  }
  await Deno.writeTextFile(join(folder, "model.jsonc"), text);
  for (const [name, sql] of Object.entries(queries)) await Deno.writeTextFile(join(folder, name), sql);
  await Deno.writeTextFile(
    join(folder, "config.jsonc"),
    JSON.stringify({
      store: { kind: "folder", path: "store" },
      database: { kind: "duckdb", path: "warehouse.duckdb" },
      model: "model.jsonc",
      ...config,
    }),
  );
  return {
    folder,
    text,
    async load() {
      const loaded = await loadConfig(join(folder, "config.jsonc"), {
        env: () => undefined,
        redactor: new Redactor(),
      });
      const { model, fault } = await loadModel(loaded);
      await using engine = await openDuckdbEngine({ folder, resources: loaded.config.resources });
      const found = await describeModel(model, engine);
      if (found) throw fault(found.path, found.what);
      return { model, config: loaded.config };
    },
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

Deno.test("loadModel() fills in what a model leaves out, and describes its tables", async () => {
  await using place = await deployment([]);
  const { model, config } = await place.load();
  const { returns } = model.datasets;
  assert.deepEqual(
    [returns?.source, returns?.processed, returns?.error, returns?.accepted],
    ["returns_data/", "returns_data_processed/", "returns_data_error/", "accepted_returns/"],
  );
  assert.deepEqual(returns?.contract.keys, [
    {
      column: "customer_id",
      dimension: "customer",
      key: "customer_id",
      isText: false,
      reason: "unknown_customer_id",
    },
    { column: "region", dimension: "region", key: "code", isText: true, reason: "unknown_region" },
  ]);
  assert.deepEqual(model.dimensions.customer?.ids, ["customer_id"]);
  assert.deepEqual(model.dimensions.region?.ids, []);
  assert.deepEqual(model.marts.returns_mart?.files, {
    prefix: "returns_mart/",
    partitionBy: ["return_month"],
  });
  assert.deepEqual(model.marts.customer_returns?.table?.columns, {
    customer_id: "integer",
    return_month: "char(7)",
    first_name: "text",
    amount: "decimal(28,2)",
    fees: "decimal(28,2)",
    return_count: "integer",
  });
  assert.equal(model.marts.customer_returns?.money, "amount");
  assert.equal(config.prefixes.source, undefined);
});

/** What a model may not say: a change of the model above, and what the error says after file and line. */
/** A model that does not hold. */
interface Bad {
  readonly what: string;
  readonly changes: readonly Change[];
  readonly config?: object;
  readonly says: string;
}

const BAD: readonly Bad[] = [
  {
    what: "an unknown key",
    changes: [{ path: ["marts", "returns_mart", "sort"], value: 1 }],
    says: "marts.returns_mart.sort: unknown key",
  },
  {
    what: "an unknown stage",
    changes: [{ path: ["marts", "returns_mart", "stage"], value: "upload" }],
    says: "marts.returns_mart.stage: ",
  },
  {
    what: "an unknown grain",
    changes: [{ path: ["marts", "returns_mart", "grain"], value: "day" }],
    says: "marts.returns_mart.grain: ",
  },
  { what: "no dataset", changes: [{ path: ["datasets"], value: {} }], says: "datasets: must have a dataset" },
  {
    what: "a mart of an unknown dataset",
    changes: [{ path: ["marts", "returns_mart", "from"], value: "sales" }],
    says: 'marts.returns_mart.from: there is no dataset "sales"',
  },
  {
    what: "a name that is SQL",
    changes: [{ path: ["marts", 'x"; DROP'], value: MODEL.marts.returns_mart }],
    says: "must be a letter or underscore",
  },
  {
    what: "the name of an own table",
    changes: [{ path: ["dimensions", "Pipeline_Run"], value: { key: "id" } }],
    says: "dimensions.Pipeline_Run: the name Pipeline_Run is reserved",
  },
  {
    what: "the name of an own view",
    changes: [{ path: ["dimensions", "rejects"], value: { key: "id" } }],
    says: "dimensions.rejects: the name rejects is reserved",
  },
  {
    what: "a name taken twice, without case",
    changes: [{ path: ["marts", "Customer"], value: MODEL.marts.returns_mart }],
    says: "marts.Customer: the name Customer is taken by dimensions.customer",
  },
  {
    what: "a mart named as accepted rows",
    changes: [{ path: ["marts", "accepted_returns"], value: MODEL.marts.returns_mart }],
    says: "the name accepted_returns is taken by datasets.returns",
  },
  {
    what: "a key that is no column",
    changes: [{ path: ["datasets", "returns", "keys", "customer"], value: "customer" }],
    says: 'datasets.returns.keys.customer: "customer" is not among the columns',
  },
  {
    what: "a key to no dimension",
    changes: [{ path: ["datasets", "returns", "keys", "region"], value: "country" }],
    says: 'datasets.returns.keys.region: there is no dimension "country"',
  },
  {
    what: "a key of another type",
    changes: [{ path: ["datasets", "returns", "keys", "region"], value: "customer" }],
    says: '"region" must be integer, as customer.customer_id is, not text',
  },
  {
    what: "a lookup in no column",
    changes: [{ path: ["datasets", "returns", "lookups", "unknown_city", "among"], value: "town" }],
    says: 'the dimension "customer" has no column "town"',
  },
  {
    what: "a rule named as a lookup",
    changes: [{
      path: ["datasets", "returns", "rules", "unknown_city"],
      value: { check: "fee > 0", severity: "warn" },
    }],
    says: "datasets.returns.rules.unknown_city: the name is taken by a lookup",
  },
  {
    what: "a rule that does not bind",
    changes: [{ path: ["datasets", "returns", "rules", "amount_positive", "check"], value: "price > 0" }],
    says: 'datasets.returns.rules.amount_positive.check: "price > 0": price is no column',
  },
  {
    what: "money that is no column",
    changes: [{ path: ["datasets", "returns", "money"], value: "total" }],
    says: "datasets.returns.money: ",
  },
  {
    what: "money of another scale",
    changes: [{ path: ["datasets", "returns", "columns", "amount"], value: "decimal(18,3)" }],
    says: "datasets.returns.money: ",
  },
  {
    what: "a column type that there is not",
    changes: [{ path: ["datasets", "returns", "columns", "fee"], value: "double" }],
    says: "datasets.returns.columns.fee: must be integer, text, date or decimal(p,s)",
  },
  {
    what: "a column of the pipeline's own",
    changes: [{ path: ["datasets", "returns", "columns", "source_key"], value: "text" }],
    says: 'the name "source_key" is taken',
  },
  ...["constructor", "toString", "valueOf", "hasOwnProperty"].flatMap((name): Bad[] => [
    {
      what: `the mart's dataset ${name}`,
      changes: [{ path: ["marts", "returns_mart", "from"], value: name }],
      says: "marts.returns_mart.from: ",
    },
    {
      what: `the dataset ${name}`,
      changes: [{ path: ["datasets", name], value: MODEL.datasets.returns }],
      says: `datasets.${name}: is reserved`,
    },
    {
      what: `a key to the dimension ${name}`,
      changes: [{ path: ["datasets", "returns", "keys", "region"], value: name }],
      says: "datasets.returns.keys.region: is reserved",
    },
    {
      what: `the partition ${name}`,
      changes: [{ path: ["marts", "returns_mart", "partitionBy"], value: [name] }],
      says: "marts.returns_mart.partitionBy.0: is reserved",
    },
    {
      what: `the newest ${name}`,
      changes: [{ path: ["marts", "customer_returns", "table", "latest"], value: [name] }],
      says: "marts.customer_returns.table.latest.0: is reserved",
    },
  ]),
  {
    what: "a column that the path of a run hides",
    changes: [{ path: ["datasets", "returns", "columns", "RUN_ID"], value: "text" }],
    says: 'datasets.returns.columns.RUN_ID: the name "RUN_ID" is taken',
  },
  {
    what: "a query that gives such a column",
    changes: [
      { path: ["marts", "returns_mart", "partitionBy"], value: undefined },
      { path: ["returns_mart.sql"], value: "SELECT amount, region AS Run_id FROM accepted_returns" },
    ],
    says: "marts.returns_mart: its query: it gives a column Run_id, which the run's id",
  },
  {
    what: "a partition by money",
    changes: [{ path: ["marts", "returns_mart", "partitionBy"], value: ["amount"] }],
    says: "marts.returns_mart: its query: it is partitioned by amount, its money",
  },
  {
    what: "no ids, and the key not among the texts",
    changes: [{ path: ["dimensions", "customer", "ids"], value: [] }],
    says: 'dimensions.customer.key: "customer_id" must be among ids or text',
  },
  ...["é".repeat(128) + "/", "a/".repeat(257), "b".repeat(256) + "/c/"].map((prefix, index): Bad => ({
    what: `prefix ${index} that no key can begin with`,
    changes: [{ path: ["marts", "returns_mart", "prefix"], value: prefix }],
    says: "marts.returns_mart.prefix: must have at most 512 bytes, and 255 in a segment",
  })),
  {
    what: "a query that calls a function by its name",
    changes: [{
      path: ["returns_mart.sql"],
      value:
        "SELECT amount, list_aggregate([1], 'reservoir_quantile', 0.5) AS return_month FROM accepted_returns",
    }],
    says: "it may not call list_aggregate",
  },
  {
    what: "personal columns that are none",
    changes: [{ path: ["dimensions", "customer", "personal"], value: ["phone"] }],
    says: 'dimensions.customer.personal: "phone" is not among the columns',
  },
  {
    what: "a dimension's key that is no column",
    changes: [{ path: ["dimensions", "customer", "ids"], value: ["number"] }],
    says: 'dimensions.customer.key: "customer_id" must be among ids or text',
  },
  {
    what: "a column twice",
    changes: [{ path: ["dimensions", "customer", "text"], value: ["city", "City"] }],
    says: 'dimensions.customer.text: "City" is there twice',
  },
  {
    what: "prefixes within each other",
    changes: [{ path: ["marts", "returns_mart", "prefix"], value: "returns_data/mart/" }],
    says:
      'marts.returns_mart.prefix: "returns_data/mart/" lies within "returns_data/" (datasets.returns.source)',
  },
  {
    what: "a prefix of the pipeline's own",
    changes: [{ path: ["datasets", "returns", "accepted"], value: "_staging/" }],
    says: '"_staging/" lies within',
  },
  {
    what: "a prefix without a slash",
    changes: [{ path: ["datasets", "returns", "source"], value: "returns" }],
    says: 'datasets.returns.source: must end in "/"',
  },
  {
    what: "a table of a mart of rows",
    changes: [{ path: ["marts", "returns_mart", "table"], value: MODEL.marts.customer_returns.table }],
    says: "marts.returns_mart.table: a mart of grain row has no table",
  },
  {
    what: "a mart of totals without a table",
    changes: [{ path: ["marts", "customer_returns", "table"], value: undefined }],
    says: "marts.customer_returns: a mart of grain totals needs a table",
  },
  {
    what: "partitions of totals",
    changes: [{ path: ["marts", "customer_returns", "partitionBy"], value: ["return_month"] }],
    says: "marts.customer_returns.partitionBy: a mart of grain totals has no Parquet",
  },
  {
    what: "a column that is key and latest",
    changes: [{ path: ["marts", "customer_returns", "table", "latest"], value: ["customer_id"] }],
    says: 'marts.customer_returns.table: "customer_id" is there twice',
  },
  {
    what: "an incentive of no column",
    changes: [{ path: ["marts", "customer_returns", "table", "incentive", "of"], value: "return_count" }],
    says: '"return_count" must be in add, as a decimal(p,2)',
  },
  {
    what: "an incentive within no key",
    changes: [{ path: ["marts", "customer_returns", "table", "incentive", "within"], value: ["city"] }],
    says: '"city" is not in the key',
  },
  {
    what: "money that could be either",
    changes: [{
      path: ["marts", "customer_returns", "table", "add"],
      value: { a: "decimal(28,2)", fees: "decimal(28,2)" },
    }],
    says: 'marts.customer_returns: must say which column of "add" is its money',
  },
  {
    what: "a query that is not there",
    changes: [{ path: ["marts", "returns_mart", "sql"], value: "other.sql" }],
    says: "marts.returns_mart.sql: cannot read the query",
  },
  {
    what: "a query that does not bind",
    changes: [{ path: ["returns_mart.sql"], value: "SELECT nothing AS amount FROM accepted_returns" }],
    says: "marts.returns_mart: its query: ",
  },
  {
    what: "a query that reads another table",
    changes: [{ path: ["returns_mart.sql"], value: "SELECT * FROM accepted_sales" }],
    says: "marts.returns_mart: its query: ",
  },
  {
    what: "a query that reads a file",
    changes: [{ path: ["returns_mart.sql"], value: "SELECT * FROM read_csv('/etc/passwd')" }],
    says: "marts.returns_mart: its query: ",
  },
  {
    what: "a query that is not one",
    changes: [{ path: ["returns_mart.sql"], value: "DROP TABLE customer" }],
    says: "marts.returns_mart: its query: ",
  },
  {
    what: "a query without its partitions",
    changes: [{ path: ["marts", "returns_mart", "partitionBy"], value: ["store_id"] }],
    says: "its query: it gives no column store_id, by which it is partitioned",
  },
  {
    what: "a query without its money",
    changes: [{ path: ["marts", "returns_mart", "money"], value: "total" }],
    says: "its query: it gives no column total as DECIMAL(p,2)",
  },
  {
    what: "a query that gives floating point",
    changes: [{
      path: ["returns_mart.sql"],
      value: "SELECT amount, amount / 3 AS third, 'x' AS return_month FROM accepted_returns",
    }],
    says: "its query: it gives third as DOUBLE; cast it",
  },
  {
    what: "a query that lacks a column of the table",
    changes: [{ path: ["marts", "customer_returns", "table", "latest"], value: ["first_name", "city"] }],
    says: "its query: it gives no column city, which the table has",
  },
  {
    what: "a query with more columns than the table",
    changes: [{ path: ["marts", "customer_returns", "table", "latest"], value: [] }],
    says: "its query: it gives first_name, which the table does not have",
  },
  {
    what: "a query with another type than the table",
    changes: [{ path: ["marts", "customer_returns", "table", "add", "fees"], value: "decimal(20,2)" }],
    says: "its query: it gives fees as DECIMAL(28,2); the table has it as decimal(20,2)",
  },
  {
    what: "a prefix of the configuration for a mart that there is not",
    changes: [],
    config: { prefixes: { salesMart: "x/" } },
    says: 'prefixes.salesMart: the model has no mart "sales_data_mart"',
  },
  {
    what: "columns of the configuration for a dataset that there is not",
    changes: [],
    config: { contract: { columns: {} } },
    says: 'contract.columns: the model has no dataset "sales"',
  },
];

const COLUMNS = Object.keys(MODEL.datasets.returns.columns);

/** Sources that a model may not have: further keys of one that has only a pattern, and what the error says of it. */
const BAD_SOURCES: readonly (readonly [what: string, source: object, says: string])[] = [
  ["an unknown key", { datumFormat: "" }, ".datumFormat: unknown key"],
  ["no pattern", { match: undefined }, ".match: "],
  ["a pattern that means nothing", { match: "north/[a]" }, '.match: may not have "["'],
  ["an unknown encoding", { encoding: "latin1" }, ".encoding: "],
  ["an unknown directive", { dateFormat: "%d.%b.%Y" }, ".dateFormat: does not know %b"],
  [
    "two digits of a year",
    { dateFormat: "%d.%m.%y" },
    ".dateFormat: does not know %y: two digits say no year",
  ],
  ["no day", { dateFormat: "%m/%Y" }, ".dateFormat: must have %d or %-d"],
  ["no month", { dateFormat: "%d/%Y" }, ".dateFormat: must have %m or %-m"],
  ["no year", { dateFormat: "%d/%m" }, ".dateFormat: must have %Y"],
  ["a day that runs into the month", { dateFormat: "%-d%m%Y" }, ".dateFormat: needs a character after"],
  ["the decimal comma for thousands", { decimalComma: true, thousands: "," }, ".thousands: must differ from"],
  [
    "the decimal point for thousands",
    { thousands: "." },
    '.thousands: must differ from the decimal mark, which is "."',
  ],
  ["a mark for thousands that nobody writes", { thousands: "x" }, ".thousands: "],
  ["a delimiter of two characters", { delimiter: ";;" }, ".delimiter: must be one ASCII character"],
  ["a delimiter that values have", { delimiter: "." }, ".delimiter: may not be a character that values have"],
  ["a quote that values have", { quote: "0" }, ".quote: may not be a character that values have"],
  [
    "a delimiter that is its quote",
    { delimiter: ";", quote: ";" },
    ".quote: delimiter and quote must differ",
  ],
  [
    "a delimiter that is the configured quote",
    { delimiter: '"' },
    ".delimiter: delimiter and quote must differ; what",
  ],
  [
    "a quote that is the configured delimiter",
    { quote: "," },
    ".quote: delimiter and quote must differ; what",
  ],
  ["half a skipped line", { skipLines: 0.5 }, ".skipLines: "],
  ["fewer skipped lines than none", { skipLines: -1 }, ".skipLines: "],
  [
    "a header that lacks columns",
    { header: COLUMNS.slice(2) },
    ".header: lacks customer_id, region of the dataset's",
  ],
  ["a header with a column twice", { header: [...COLUMNS, " FEE"] }, '.header: has "fee" more than once'],
  ["a header of nothing", { header: [] }, ".header: "],
  [
    "a header and a rename",
    { header: COLUMNS, rename: { Kunde: "customer_id" } },
    ".rename: has nothing to rename",
  ],
  ["a rename to no column", { rename: { Kunde: "kunde_id" } }, '.rename.Kunde: "kunde_id" is not among'],
  [
    "a rename to the name that objects have",
    { rename: { Kunde: "constructor" } },
    '.rename.Kunde: "constructor" is',
  ],
  [
    "a rename of one name twice",
    { rename: { Kunde: "region", "kunde ": "fee" } },
    ".rename.kunde : is there twice",
  ],
  ["a rename of no name", { rename: { " ": "fee" } }, ".rename. : must be a name"],
  ["a rename to no text", { rename: { Kunde: 1 } }, ".rename.Kunde: "],
];

for (const [what, source, says] of BAD_SOURCES) {
  Deno.test(`loadModel() names file, line and key, when a source has ${what}`, async () => {
    const sources = [{ match: "north/**" }, { match: "south/**", ...source }];
    await using place = await deployment([{ path: ["datasets", "returns", "sources"], value: sources }]);
    await assert.rejects(place.load(), (error) => {
      assert.ok(error instanceof ConfigError, String(error));
      assert.match(error.message, new RegExp(`^${place.folder}/model.jsonc:\\d+: `));
      assert.ok(
        error.message.includes(`: datasets.returns.sources.1${says}`),
        `${error.message}\ndoes not say: ${says}`,
      );
      return true;
    });
  });
}

Deno.test("loadModel() names the source that never counts, since another one comes before it", async () => {
  for (const [first, second] of [["**", "a/**"], ["*", "a.csv"], ["North/**", "north/**"]]) {
    const sources = [{ match: first }, { match: second }];
    await using place = await deployment([{ path: ["datasets", "returns", "sources"], value: sources }]);
    await assert.rejects(place.load(), { message: /sources\.1\.match: never counts: "/ });
  }
});

Deno.test("loadModel() compares a declared header with the columns that the configuration gives", async () => {
  await using place = await deployment([
    { path: ["datasets", "sales"], value: { ...MODEL.datasets.returns, source: "sales_data/" } },
    { path: ["datasets", "sales", "sources"], value: [{ match: "a/**", header: COLUMNS }] },
  ], { contract: { columns: { ...MODEL.datasets.returns.columns, note: "text" } } });
  await assert.rejects(place.load(), { message: /datasets\.sales\.sources\.0\.header: lacks note of/ });
});

Deno.test("loadModel() fills in what a source leaves out", async () => {
  const sources = [
    { match: "north/**", delimiter: ";", encoding: "windows-1252", decimalComma: true, thousands: "." },
    { match: "**", skipLines: 2, rename: { Kunde: "customer_id" }, dateFormat: "%d/%m/%Y", quote: "'" },
  ];
  await using place = await deployment([{ path: ["datasets", "returns", "sources"], value: sources }]);
  const { model } = await place.load();
  const left = { encoding: "utf-8", decimalComma: false, skipLines: 0, rename: {} };
  assert.deepEqual(model.datasets.returns?.sources, sources.map((source) => ({ ...left, ...source })));
});

for (const { what, changes, config, says } of BAD) {
  Deno.test(`loadModel() names file, line and key, when a model has ${what}`, async () => {
    await using place = await deployment(changes, config);
    await assert.rejects(place.load(), (error) => {
      assert.ok(error instanceof ConfigError, String(error));
      assert.equal(error.code, "invalid_config");
      assert.match(error.message, new RegExp(`^${place.folder}/(model|config).jsonc:\\d+: `));
      assert.ok(error.message.includes(says), `${error.message}\ndoes not say: ${says}`);
      return true;
    });
  });
}

Deno.test("loadModel() names file, line and key, when a model has the name that JavaScript loses", async () => {
  await using place = await deployment([]);
  const path = join(place.folder, "model.jsonc");
  await Deno.writeTextFile(path, place.text.replace('"returns": {', '"__proto__": {}, "returns": {'));
  await assert.rejects(place.load(), /model\.jsonc:\d+: __proto__: is reserved$/);
});

Deno.test("loadModel() names the query, when it is not UTF-8", async () => {
  await using place = await deployment([]);
  const bytes = new TextEncoder().encode("SELECT amount, 'K\u00e4se' AS return_month FROM accepted_returns");
  await Deno.writeFile(join(place.folder, "returns_mart.sql"), bytes.filter((byte) => byte !== 0xc3));
  await assert.rejects(place.load(), /marts\.returns_mart: the query .*returns_mart\.sql is not UTF-8/);
});

Deno.test("loadModel() says the line of the entry, when it is at fault", async () => {
  await using place = await deployment([{
    path: ["datasets", "returns", "keys", "region"],
    value: "country",
  }]);
  const line = place.text.slice(0, place.text.indexOf('"region": "country"')).split("\n").length;
  await assert.rejects(place.load(), {
    message:
      `${place.folder}/model.jsonc:${line}: datasets.returns.keys.region: there is no dimension "country"`,
  });
});

Deno.test("config/model.schema.json is current", async () => {
  const file = join(REPOSITORY, "config", "model.schema.json");
  assert.equal(
    await Deno.readTextFile(file),
    modelJsonSchema(),
    "write what modelJsonSchema() gives into it",
  );
});
