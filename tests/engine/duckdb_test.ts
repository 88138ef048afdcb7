import { DuckDBConnection } from "@duckdb/node-api";
import assert from "node:assert/strict";
import { join } from "node:path";
import { salesContract } from "../support/model.ts";
import { contractSqlTypes } from "../../lib/contract/header.ts";
import { openDuckdbEngine } from "../../lib/engine/duckdb.ts";
import type { WriteTarget, Written } from "../../lib/engine/engine.ts";
import { InterruptedError } from "../../lib/errors.ts";
import { readParquet, select, sqlText, withDuckdb } from "../support/duckdb.ts";
import { end, removeAtEnd } from "../support/ending.ts";
import { assertSameRows } from "../support/rows.ts";
import { listFiles } from "../support/tree.ts";
import { finished } from "../support/waiting.ts";

/** An engine locked to the folder `run` of a new temporary folder, which goes when the engine does. */
async function openTemporary(signal?: AbortSignal) {
  const outside = await Deno.realPath(await Deno.makeTempDir({ prefix: "duckdb-engine-" }));
  const folder = join(outside, "run");
  await Deno.mkdir(folder);
  const resources = { memoryLimit: "auto", threads: "auto" } as const;
  const engine = await openDuckdbEngine({ folder, resources, ...(signal ? { signal } : {}) });
  return {
    outside,
    folder,
    engine,
    async [Symbol.asyncDispose]() {
      await end(() => engine[Symbol.asyncDispose]());
      await removeAtEnd(outside);
    },
  };
}

Deno.test("openDuckdbEngine() reads, attaches and writes nothing outside its folder", async () => {
  await using under = await openTemporary();
  const { outside, folder, engine } = under;
  await Deno.mkdir(`${folder}-of-another`);
  for (const path of [folder, outside, `${folder}-of-another`]) {
    await Deno.writeTextFile(join(path, "some.csv"), "a\n1\n");
  }
  await Deno.symlink(join(outside, "some.csv"), join(folder, "link.csv"));
  await Deno.symlink(outside, join(folder, "linked"));
  const attempts = [
    ...[
      join(outside, "some.csv"),
      `${folder}/../some.csv`,
      `${folder}-of-another/some.csv`,
      join(folder, "link.csv"),
      join(folder, "linked", "some.csv"),
      "/etc/passwd",
      "https://example.invalid/some.csv",
    ].flatMap((file) => [`SELECT * FROM read_csv('${file}')`, `SELECT * FROM '${file}'`]),
    `SELECT * FROM read_text('${outside}/*')`,
    `SELECT * FROM glob('${outside}/*')`,
    `ATTACH '${outside}/other.duckdb' AS other`,
    `COPY (SELECT 1) TO '${outside}/written.csv'`,
    `COPY (SELECT 1) TO '${folder}/../written.csv'`,
    `COPY (SELECT 1) TO '${folder}/linked/written.csv'`,
    `EXPORT DATABASE '${outside}/exported'`,
    "INSTALL httpfs",
    "LOAD httpfs",
  ];
  const before = (await listFiles(outside)).sort();
  for (const sql of attempts) await assert.rejects(engine.query(sql), /disabled|not exist/, sql);
  assert.deepEqual((await listFiles(outside)).sort(), before, "something was written");
  assert.deepEqual(await engine.query(`SELECT * FROM read_csv('${folder}/some.csv')`), [{ a: "1" }]);
});

Deno.test("openDuckdbEngine() lets no query change a setting", async () => {
  await using under = await openTemporary();
  const attempts = [
    "SET enable_external_access = true",
    "SET lock_configuration = false",
    `SET allowed_directories = ['/']`,
    "RESET allowed_directories",
    `SET GLOBAL temp_directory = '/tmp'`,
    "PRAGMA threads = 1",
    "SET memory_limit = '1GiB'",
  ];
  for (const sql of attempts) await assert.rejects(under.engine.query(sql), /locked/, sql);
});

/** Expressions that may be rules. */
const GOOD_RULES = [
  "quantity > 0",
  "total_cost = price * quantity",
  'QUANTITY > 0 AND "Quantity" < 10',
  "NOT (quantity > 1 OR price < 2)",
  "product_name LIKE 'a%' OR product_name NOT LIKE '%; DROP TABLE x -- %'",
  "product_name IS NOT NULL",
  "quantity IN (1, 2, 3)",
  "quantity BETWEEN 1 AND 5",
  "sales_date >= DATE '2000-01-01'",
  "year(sales_date) >= 2000",
  "age(sales_date, DATE '2000-01-01') > INTERVAL 1 DAY",
  "length(trim(product_name)) > 0",
  "regexp_matches(product_name, '^[a-z]+$')",
  "coalesce(quantity, 0) % 2 = 0",
  "CASE WHEN quantity > 0 THEN TRUE ELSE price = 0 END",
  "CAST(quantity AS VARCHAR) = '1'",
  "(quantity > 0) IS TRUE",
  "round(price, 1) = price",
  "abs(total_cost) < 1000000",
  "quantity /* pieces */ > 0",
  "TRUE",
] as const;

/** Expressions that may not, with a word of what is said about them. */
const BAD_RULES: Readonly<Record<string, RegExp>> = {
  // More than an expression, or less.
  "": /./,
  " ": /./,
  "quantity >": /./,
  "quantity > 0 -- positive": /./,
  "-- nothing": /./,
  "1; DROP TABLE customer": /./,
  "quantity > 0; SELECT TRUE": /./,
  "quantity > 0 FROM customer": /./,
  "quantity > 0 AS passed": /./,
  "x) OR (1=1": /./,
  "quantity > 0) OR (1=1": /./,
  "TRUE) FROM customer WHERE (TRUE": /./,
  "quantity > 0) --": /./,
  "quantity > 0, TRUE": /./,
  "quantity > ?": /parameter/,
  "quantity > $1": /parameter/,
  "quantity > 1e400": /./,
  // Not about the row alone.
  "EXISTS (SELECT 1)": /subquery/,
  "quantity > (SELECT 1)": /subquery/,
  "customer_id IN (SELECT customer_id FROM customer)": /subquery/,
  "quantity > ALL (SELECT 1)": /subquery/,
  "count(*) > 1": /./,
  "sum(quantity) > 1": /./,
  "max(price) > 1": /./,
  "any_value(quantity) > 0": /./,
  "count(*) FILTER (WHERE quantity > 0) > 1": /./,
  "row_number() OVER () > 1": /window/,
  "sum(quantity) OVER () > 1": /window/,
  "unnest([TRUE, FALSE])": /./,
  "list_filter([1], lambda x: x > quantity) = []": /lambda/,
  "list_filter([1], x -> x > quantity) = []": /lambda/,
  "* > 1": /star/,
  "COLUMNS(*) > 0": /star/,
  "customer.quantity > 0": /customer/,
  // Not the same answer every time.
  "random() < 0.5": /random/,
  "now() > sales_date": /now/,
  "today() > sales_date": /today/,
  "current_date > sales_date": /current_date/,
  "current_timestamp > sales_date": /current_timestamp/,
  "localtimestamp > sales_date": /localtimestamp/,
  "current_localtimestamp() > sales_date": /current_localtimestamp/,
  "age(sales_date) > INTERVAL 1 DAY": /age/,
  "current_user = 'root'": /current_user/,
  "uuid() = product_name": /uuid/,
  "nextval('pending_move_id') > 1": /nextval/,
  // Beyond the row.
  "read_csv('/etc/passwd') = 1": /read_csv/,
  "read_text('/etc/passwd') = 'x'": /read_text/,
  "getenv('HOME') = 'x'": /getenv/,
  "getvariable('x') = 1": /getvariable/,
  "current_setting('memory_limit') = 'x'": /current_setting/,
  "query('SELECT 1') = 1": /query/,
  "error('stop')": /error/,
  "sleep_ms(100000) IS NULL": /sleep_ms/,
  // Does not bind, or is not boolean.
  "quantty > 0": /quantty/,
  "additional_column = 'x'": /additional_column/,
  "no_such_function(quantity) = 1": /no_such_function/,
  "quantity": /BIGINT/,
  "quantity + 1": /BIGINT/,
  "'true'": /VARCHAR/,
  "1": /INTEGER/,
  "NULL": /BOOLEAN/,
};

const CONTRACT_TYPES = contractSqlTypes(salesContract({ rules: {} }));

Deno.test("checkExpression() says nothing, when it is an expression over the columns", async () => {
  await using under = await openTemporary();
  for (const rule of GOOD_RULES) {
    assert.equal(await under.engine.checkExpression(rule, CONTRACT_TYPES), null, rule);
  }
});

Deno.test("checkExpression() says what is wrong, when it is something else", async (test) => {
  await using under = await openTemporary();
  for (const [rule, says] of Object.entries(BAD_RULES)) {
    await test.step(JSON.stringify(rule), async () => {
      const fault = await under.engine.checkExpression(rule, CONTRACT_TYPES);
      assert.ok(fault !== null, "it is allowed");
      assert.match(fault, says);
    });
  }
});

Deno.test("checkExpression() allows only what can filter rows", async () => {
  // The stages put a rule between these words.
  await using under = await openTemporary();
  await under.engine.nameValues("typed", CONTRACT_TYPES, []);
  for (const rule of [...GOOD_RULES, ...Object.keys(BAD_RULES)]) {
    if (await under.engine.checkExpression(rule, CONTRACT_TYPES) !== null) continue;
    const rows = await under.engine.query(`SELECT 1 FROM typed WHERE coalesce(TRY((${rule})), FALSE)`);
    assert.deepEqual(rows, [], rule);
  }
});

Deno.test("nameValues() keeps values exact, also beyond what a JavaScript number holds", async () => {
  await using under = await openTemporary();
  const columns = {
    id: "BIGINT",
    money: "DECIMAL(28,2)",
    day: "DATE",
    text: "VARCHAR",
    sure: "BOOLEAN",
    "a \"b\" 'c'": "VARCHAR",
  };
  const rows = [
    {
      id: "9223372036854775807",
      money: "99999999999999999999999999.99",
      day: "0001-01-01",
      text: `it's "x"\n\u{1f600}\\`,
      sure: true,
      "a \"b\" 'c'": "",
    },
    {
      id: "-9223372036854775808",
      money: "-0.01",
      day: "9999-12-31",
      text: "null",
      sure: false,
      "a \"b\" 'c'": " ",
    },
    { id: null, money: null, day: null, text: null, sure: null, "a \"b\" 'c'": null },
  ];
  await under.engine.nameValues("given", columns, rows);
  assert.deepEqual(await under.engine.query("SELECT * FROM given ORDER BY day NULLS LAST"), rows);
  await under.engine.nameValues("given", { id: "BIGINT" }, []);
  assert.deepEqual(await under.engine.query("SELECT * FROM given"), [], "naming again replaces");
  const [sum] = await under.engine.query(
    "SELECT CAST(sum(x) AS DECIMAL(28, 2)) AS total FROM (VALUES (0.10::DECIMAL(18,2)), (0.20), (9007199254740993.00)) t(x)",
  );
  assert.deepEqual(sum, { total: "9007199254740993.30" });
});

Deno.test("nameText() reads fields as they are, with the file that each row is from", async () => {
  await using under = await openTemporary();
  const { engine, folder } = under;
  const files = [join(folder, "2.csv"), join(folder, "1.csv")];
  await Deno.writeTextFile(files[0]!, 'a;b\n007; x \n;\n"q";\'\n');
  await Deno.writeTextFile(files[1]!, "a;b\n1.0;last");
  const source = { files, delimiter: ";", columns: ["@0", "@1"], skipLines: 1, maxLineBytes: 100 };
  await engine.nameText("given", source);
  const rows = await engine.query(`SELECT filename, "@0", "@1" FROM given ORDER BY ALL NULLS FIRST`);
  assert.deepEqual(rows.map((row) => Object.values(row)), [
    [files[1], "1.0", "last"],
    [files[0], null, null],
    [files[0], '"q"', "'"],
    [files[0], "007", " x "],
  ]);
});

/** Writes `SELECT` and gives the result with file names relative to the folder. */
async function write(
  { engine, folder }: Awaited<ReturnType<typeof openTemporary>>,
  sql: string,
  target: Partial<WriteTarget> = {},
): Promise<Written> {
  const out = join(folder, "out");
  const written = await engine.write(sql, {
    folder: out,
    format: "parquet",
    fileName: "part-{i}",
    ...target,
  });
  assert.deepEqual(
    written.files.map((file) => file.slice(out.length + 1)).sort(),
    (await listFiles(out)).sort(),
  );
  return { ...written, files: written.files.map((file) => file.slice(out.length + 1)) };
}

Deno.test("write() gives the files and the number of rows", async () => {
  await using under = await openTemporary();
  const sql = "SELECT CAST(range AS BIGINT) AS id, CAST(0.10 AS DECIMAL(18, 2)) AS money FROM range(100000)";
  const { rowCount, files } = await write(under, sql);
  assert.equal(rowCount, 100_000);
  assert.ok(files.length > 0 && files.every((file) => /^part-\d+\.parquet$/.test(file)), `${files}`);
  const { columns, rows } = await readParquet(files.map((file) => join(under.folder, "out", file)));
  assert.deepEqual(columns, ["id BIGINT", "money DECIMAL(18,2)"]);
  assert.equal(rows.length, 100_000);
});

Deno.test("write() leaves nothing, when there are no rows, and nothing of the last time, when it is repeated", async () => {
  await using under = await openTemporary();
  const sql = "SELECT range AS id, range % 3 AS kind FROM range(9)";
  await write(under, `${sql} ORDER BY kind`, { partitionBy: ["kind"] });
  const { rowCount, files } = await write(under, `${sql} WHERE id < 2`);
  assert.equal(rowCount, 2);
  assert.equal(files.length, 1);
  const none = await under.engine.write(`${sql} WHERE id < 0`, {
    folder: join(under.folder, "out"),
    format: "parquet",
    fileName: "part-{i}",
  });
  assert.deepEqual(none, { rowCount: 0, files: [] });
});

Deno.test("write() puts partitions into the path, each in one file, when the query is ordered by them", async () => {
  await using under = await openTemporary();
  const sql = `SELECT range AS id, '2023-0' || (1 + range % 2) AS sales_month, 121 + range % 3 AS store_id
    FROM range(60) ORDER BY sales_month, store_id`;
  const { rowCount, files } = await write(under, sql, {
    fileName: "RUN-{i}",
    partitionBy: ["sales_month", "store_id"],
  });
  assert.equal(rowCount, 60);
  assert.deepEqual(
    files.map((file) => file.replace(/-\d+\.parquet$/, "")),
    ["2023-01", "2023-02"].flatMap((month) =>
      [121, 122, 123].map((store) => `sales_month=${month}/store_id=${store}/RUN`)
    ),
  );
  const { columns, rows } = await readParquet([join(under.folder, "out", files[0]!)]);
  assert.deepEqual(columns, ["id BIGINT"]);
  assert.equal(rows.length, 10);
});

Deno.test("write() notes in each Parquet file that its dates have one calendar, with partitions and without", async () => {
  await using under = await openTemporary();
  const sql = "SELECT DATE '0023-03-05' AS day, range % 2 AS kind FROM range(4) ORDER BY kind";
  for (const target of [{}, { partitionBy: ["kind"] }]) {
    const { files } = await write(under, sql, target);
    for (const file of files) {
      const { rows } = await withDuckdb(":memory:", (connection) =>
        select(
          connection,
          `SELECT decode(key), decode(value) FROM parquet_kv_metadata(${
            sqlText(join(under.folder, "out", file))
          })`,
        ));
      assert.deepEqual(rows, [["org.apache.spark.version", "3.0.0"]]);
    }
  }
});

Deno.test("write() writes CSV that quotes what needs it", async () => {
  await using under = await openTemporary();
  const sql =
    `SELECT * FROM (VALUES (1, 'a,b', NULL, 'it''s "x"'), (2, 'line' || chr(10) || 'end', '', ' ')) t(id, a, b, c)
    ORDER BY id`;
  const { rowCount, files } = await write(under, sql, { format: "csv", fileName: "rejects" });
  assert.equal(rowCount, 2);
  assert.deepEqual(files, ["rejects.csv"]);
  assert.equal(
    await Deno.readTextFile(join(under.folder, "out", files[0]!)),
    'id,a,b,c\n1,"a,b",,"it\'s ""x"""\n2,"line\nend","", \n',
  );
});

Deno.test("nameParquet() and nameQuery() name what write() wrote, and replace an older view", async () => {
  await using under = await openTemporary();
  const { engine, folder } = under;
  for (const count of [3, 2]) {
    const { files } = await write(under, `SELECT range AS id FROM range(${count})`);
    await engine.nameParquet("sales", files.map((file) => join(folder, "out", file)));
    await engine.nameQuery("large", "SELECT id FROM sales WHERE id > 0");
    assertSameRows(
      (await engine.query("SELECT id FROM large")).map((row) => [String(row.id)]),
      Array.from({ length: count - 1 }, (_, i) => [String(i + 1)]),
      "large",
    );
  }
});

/** Resolves when a statement with this text has been handed over to DuckDB. */
function handedOver(text: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { runAndReadAll } = DuckDBConnection.prototype;
  DuckDBConnection.prototype.runAndReadAll = function (...args) {
    const answer = runAndReadAll.apply(this, args);
    if (args[0].includes(text)) {
      DuckDBConnection.prototype.runAndReadAll = runAndReadAll;
      resolve();
    }
    return answer;
  };
  return promise;
}

Deno.test("query() and write() stop with the signal's reason, when it comes as they begin, and while they run", async (test) => {
  const endless =
    "SELECT count(*) AS n FROM range(10000000) a, range(10000000) b WHERE hash(a.range, b.range) = 1";
  for (const what of ["query", "write"] as const) {
    for (const delayMs of [null, 100]) {
      await test.step(`${what}, ${delayMs === null ? "as it begins" : "while it runs"}`, async () => {
        const controller = new AbortController();
        await using under = await openTemporary(controller.signal);
        const begun = handedOver(endless);
        const running = what === "query" ? under.engine.query(endless) : under.engine.write(endless, {
          folder: join(under.folder, "out"),
          format: "parquet",
          fileName: "part-{i}",
        });
        const reason = new InterruptedError("SIGTERM");
        const stopped = assert.rejects(running, reason);
        await begun;
        if (delayMs !== null) await new Promise((done) => setTimeout(done, delayMs));
        controller.abort(reason);
        await finished(what, stopped);
        await assert.rejects(under.engine.query("SELECT 1"), reason, "no further query is begun");
      });
    }
  }
});
