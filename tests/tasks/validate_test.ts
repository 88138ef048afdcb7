/**
 * The validate stage on a run's folder: twins, the CSV files of rejected rows, and what it leaves alone.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { parse } from "csv-parse/sync";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { SALES_COLUMNS, salesContract, shipped } from "../support/model.ts";
import { sourceSchema } from "../../lib/contract/form.ts";
import { openDuckdbEngine } from "../../lib/engine/duckdb.ts";
import type { Engine } from "../../lib/engine/engine.ts";
import { DataError } from "../../lib/errors.ts";
import { type Manifest, newManifest } from "../../lib/run/manifest.ts";
import { NO_TELEMETRY } from "../../lib/telemetry/telemetry.ts";
import { validate } from "../../tasks/validate.ts";
import { PARQUET_DATASETS } from "../support/datasets.ts";
import { readParquet } from "../support/duckdb.ts";
import {
  newSourceFile,
  type SourceFile,
  sourceFileSchema,
  withCopies,
  withLineage,
} from "../../lib/source_file.ts";
import { removeAtEnd } from "../support/ending.ts";

const HEADER = `${Object.keys(SALES_COLUMNS)}\n`;
const GOOD = "1,121,apple,2023-03-01,1,1.50,2,3.00\n";
const UNKNOWN = "9,121,apple,2023-03-01,1,1.50,2,3.00\n";

/** What a file is beside its key: its text, or what download has found out without one. */
type Given = string | Partial<SourceFile>;

/** A run after its download. */
interface Run {
  readonly manifest: Manifest;
  readonly runFolder: string;
  validate(): Promise<void>;
  /** By key. */
  file(key: string): SourceFile;
  /** The rows of a file's rejects, header included; `null` where it has none. */
  rejects(key: string): Promise<string[][] | null>;
}

/** Runs with a run that has downloaded the given files, in this order. */
async function withRun(
  given: Readonly<Record<string, Given>>,
  contract: Readonly<Record<string, unknown>>,
  use: (run: Run) => Promise<void>,
): Promise<void> {
  const runFolder = await Deno.realPath(await Deno.makeTempDir({ prefix: "validate-" }));
  try {
    // One thread, so that what DuckDB does only with many rows in each thread needs no more of them.
    const resources = { memoryLimit: "1GiB", threads: 1 };
    await using engine = await openDuckdbEngine({ folder: runFolder, resources });
    const { config, model } = await shipped();
    Object.assign(model.datasets.sales!, { contract: salesContract(contract) });
    const runId = "20230401T020000Z-7f3a";
    const manifest = newManifest({
      runId,
      dryRun: false,
      config,
      model,
      token: 1,
      attempt: 1,
      leftovers: [],
    });
    manifest.work = "files";
    manifest.dimensions = await writeDimensions(engine, runFolder);
    manifest.files = await writeFiles(runFolder, given);
    const file = (key: string) => manifest.files.find((file) => file.key === key) ?? assert.fail(key);
    const step = { advance() {}, update() {}, [Symbol.dispose]() {} };
    await use({
      manifest,
      runFolder,
      file,
      validate: () =>
        validate({
          manifest,
          runFolder,
          engine,
          log: getLogger(["validate-test"]),
          progress: { step: () => step },
          telemetry: NO_TELEMETRY,
          signal: new AbortController().signal,
        }),
      async rejects(key) {
        const { rejectsFile } = file(key);
        return rejectsFile === null ? null : parse(await Deno.readFile(join(runFolder, rejectsFile)));
      },
    });
  } finally {
    await removeAtEnd(runFolder);
  }
}

/** Customer 1, store 121, sales person 1, product apple. */
async function writeDimensions(engine: Engine, runFolder: string): Promise<Manifest["dimensions"]> {
  const rows = {
    customer: "SELECT 1::BIGINT AS customer_id",
    store: "SELECT 121::BIGINT AS id",
    sales_team: "SELECT 1::BIGINT AS id",
    product: "SELECT 'apple' AS name",
  };
  const dimensions: Record<string, string> = {};
  for (const [name, sql] of Object.entries(rows)) {
    const folder = join(runFolder, "dimensions", name);
    await engine.write(sql, { folder, format: "parquet", fileName: "snapshot-{i}" });
    dimensions[name] = `dimensions/${name}/snapshot-0.parquet`;
  }
  return dimensions;
}

async function writeFiles(runFolder: string, given: Readonly<Record<string, Given>>): Promise<SourceFile[]> {
  await Deno.mkdir(join(runFolder, "files"));
  return await Promise.all(
    Object.entries(given).map(async ([key, what], i): Promise<SourceFile> => {
      const content = typeof what === "string" ? `files/${i + 1}.csv` : null;
      if (content !== null) await Deno.writeFile(join(runFolder, content), Buffer.from(String(what)));
      const delivery = {
        key,
        dataset: "sales",
        etag: `etag of ${key}`,
        sizeBytes: 0,
        lastModified: "2023-04-01T00:00:00Z",
      };
      const sha256 = createHash("sha256").update(String(what)).digest("hex");
      const file = withCopies(newSourceFile(i + 1, delivery), { content, original: content, sha256 });
      return sourceFileSchema.parse({ ...file, ...(typeof what === "string" ? {} : what) });
    }),
  );
}

/** What became of a file: status, reason, rows read, accepted, rejected. */
function fate({ status, reason, rowsRead, rowsAccepted, rowsRejected }: SourceFile): unknown[] {
  return [status, reason, rowsRead, rowsAccepted, rowsRejected];
}

Deno.test("validate() loads one of several files of the same content, when the first is accepted", async (test) => {
  const tooMany = HEADER + UNKNOWN.repeat(10);
  const cases: readonly (readonly [string, string, unknown[], unknown[]])[] = [
    ["accepted", HEADER + GOOD, ["accepted", null, 1, 1, 0], ["duplicate", "same_content", 0, 0, 0]],
    ["accepted with rejects only", HEADER + UNKNOWN, ["accepted", null, 1, 0, 1], [
      "duplicate",
      "same_content",
      0,
      0,
      0,
    ]],
    ["too many rejects", tooMany, ["rejected", "too_many_rejects", 10, 0, 10], [
      "rejected",
      "too_many_rejects",
      10,
      0,
      10,
    ]],
    ["without a header", "\n", ["rejected", "empty_file", 0, 0, 0], ["rejected", "empty_file", 0, 0, 0]],
    ["header only", HEADER, ["accepted", null, 0, 0, 0], ["accepted", null, 0, 0, 0]],
    ["irregular", `${HEADER}${GOOD}\n`, ["accepted", null, 1, 1, 0], ["duplicate", "same_content", 0, 0, 0]],
  ];
  for (const [what, content, first, others] of cases) {
    await test.step(what, async () => {
      const given = {
        "s/a.csv": content,
        "s/b.csv": HEADER + GOOD.repeat(2),
        "s/c.csv": content,
        "s/d.csv": content,
      };
      await withRun(given, {}, async (run) => {
        await run.validate();
        assert.deepEqual(["s/a.csv", "s/c.csv", "s/d.csv"].map((key) => fate(run.file(key))), [
          first,
          others,
          others,
        ]);
        assert.deepEqual(fate(run.file("s/b.csv")), ["accepted", null, 2, 2, 0]);
        if (others[0] === "duplicate") assert.match(run.file("s/d.csv").detail ?? "", /s\/a\.csv/);
        const rows = run.manifest.files.reduce((sum, file) => sum + file.rowsAccepted, 0);
        assert.equal(run.manifest.accepted.sales?.rowCount ?? 0, rows);
      });
    });
  }
});

Deno.test("validate() loads every file that a replay has put back, and a delivery of the same content not", async () => {
  const content = HEADER + GOOD;
  await withRun(
    { "s/a.csv": content, "s/r/1.csv": content, "s/r/2.csv": content, "s/z.csv": content },
    {},
    async (run) => {
      const { manifest } = run;
      manifest.files = manifest.files.map((file) => file.key.startsWith("s/r/") ? withLineage(file) : file);
      await run.validate();
      const duplicate = ["duplicate", "same_content", 0, 0, 0], accepted = ["accepted", null, 1, 1, 0];
      assert.deepEqual(run.manifest.files.map(fate), [duplicate, accepted, accepted, duplicate]);
      assert.equal(run.manifest.accepted.sales?.rowCount ?? 0, 2);
    },
  );
});

Deno.test("validate() leaves a file as download left it, when there is nothing to check", async () => {
  const given: Record<string, Partial<SourceFile>> = {
    "s/skipped.csv": { status: "skipped", reason: "changed", detail: "d", content: "files/gone.csv" },
    "s/known.csv": {
      status: "duplicate",
      reason: "same_content",
      detail: "d",
      content: "files/x.csv",
      knownContent: true,
    },
    "s/large.csv": { status: "rejected", reason: "too_large", detail: "d" },
    "s/notes.txt": { status: "rejected", reason: "unsupported_type", detail: "d", sha256: null },
  };
  await withRun({ ...given, "s/a.csv": HEADER + GOOD }, {}, async (run) => {
    const before = structuredClone(run.manifest.files.slice(0, -1));
    await run.validate();
    assert.deepEqual(run.manifest.files.slice(0, -1), before);
    assert.deepEqual(fate(run.file("s/a.csv")), ["accepted", null, 1, 1, 0]);
  });
});

Deno.test("validate() writes the accepted rows with the promised columns, when files are regular or not", async () => {
  const given = {
    "s/a.csv": HEADER + GOOD,
    "s/b.csv": `${HEADER}${GOOD.trimEnd()}\r\n`,
    "s/c.csv": HEADER + UNKNOWN,
  };
  await withRun(given, {}, async ({ validate, manifest, runFolder }) => {
    await validate();
    const { columns, rows } = await readParquet(
      (manifest.accepted.sales?.files ?? []).map((file) => join(runFolder, file)),
    );
    assert.deepEqual(columns, PARQUET_DATASETS.accepted_sales);
    const values = ["1", "121", "apple", "2023-03-01", "1", "1.50", "2", "3.00", null];
    assert.deepEqual(rows.toSorted(), [[...values, "s/a.csv"], [...values, "s/b.csv"]]);
    assert.equal(manifest.accepted.sales?.rowCount, 2);
  });
});

Deno.test("validate() has no dataset and no rejects, when no row is accepted or rejected", async () => {
  await withRun({ "s/a.csv": HEADER, "s/b.csv": "" }, {}, async (run) => {
    await run.validate();
    assert.deepEqual(run.manifest.accepted, {});
    assert.deepEqual([await run.rejects("s/a.csv"), await run.rejects("s/b.csv")], [null, null]);
  });
});

Deno.test("validate() puts an apostrophe before what a spreadsheet would run, when raw text begins with it", async () => {
  // As it stands in the file, and with what it begins in the rejects.
  const raws: readonly (readonly [string, string])[] = [
    ["=1+1", "'=1+1"],
    ["+1", "'+1"],
    ["-1", "'-1"],
    ["@sum(a1)", "'@sum(a1)"],
    ["\tx", "'\tx"],
    ["\rx", "'\rx"],
    ["'x", "''x"],
    ["''", "'''"],
    ["=", "'="],
    [" =1", " =1"],
    ["1=1", "1=1"],
    ['"=1"', '"=1"'],
    ['"a""b\nc\r\nd",e', '"a""b\nc\r\nd",e'],
    ["ä,😀;x", "ä,😀;x"],
    ["\0x\x1f\x10", "\0x\x1f\x10"],
    ["#x", "#x"],
    ["NULL", "NULL"],
    ["\ufeffx", "\ufeffx"],
  ];
  const content = HEADER + raws.map(([raw]) => `${raw}\n`).join("") + GOOD;
  const plain = raws.filter(([raw]) => !['"', "\r", "\0"].some((character) => raw.includes(character)));
  const regular = HEADER + plain.map(([raw]) => `${raw}\n`).join("");
  await withRun(
    { "s/a.csv": content, "s/b.csv": regular, "s/c.csv": HEADER + GOOD },
    { maxRejectedShare: 1 },
    async (run) => {
      await run.validate();
      for (const [key, expected] of [["s/a.csv", raws], ["s/b.csv", plain]] as const) {
        const [header, ...rows] = await run.rejects(key) ?? [];
        assert.deepEqual(header, ["line", "reason", "column", "detail", "raw"]);
        const found = rows.toSorted(([a], [b]) => Number(a) - Number(b)).map((
          [, reason, column, , raw],
        ) => [reason, column, raw]);
        assert.deepEqual(found, expected.map(([, written]) => ["field_count", "", written]));
      }
      assert.equal(await run.rejects("s/c.csv"), null);
    },
  );
});

Deno.test("validate() writes the faulty rows only, when a file has too many rejects", async () => {
  await withRun({ "s/a.csv": HEADER + GOOD + UNKNOWN.repeat(10) + GOOD }, {}, async (run) => {
    await run.validate();
    assert.deepEqual(fate(run.file("s/a.csv")), ["rejected", "too_many_rejects", 12, 0, 12]);
    const [, ...rows] = await run.rejects("s/a.csv") ?? [];
    assert.deepEqual(
      rows.map(([line, reason, column]) => `${line} ${reason} ${column}`).toSorted(),
      Array.from({ length: 10 }, (_, i) => `${i + 3} unknown_customer_id customer_id`).toSorted(),
    );
    assert.equal(run.manifest.accepted.sales?.rowCount ?? 0, 0);
  });
});

Deno.test("validate() writes one CSV for each file, when many files have many rejects", async () => {
  // More of both than DuckDB writes with every file kept open: 100 files and 524,288 rows.
  const fileCount = 110, rowCount = 5000;
  const given = Object.fromEntries(
    Array.from(
      { length: fileCount },
      (_, i) => [`s/${i}.csv`, `${HEADER}${"bad\n".repeat(rowCount - 1)}${i}\n`],
    ),
  );
  await withRun(given, { maxRejectedShare: 1 }, async (run) => {
    await run.validate();
    for (const i of [0, 57, 99, 100, 109]) {
      const key = `s/${i}.csv`;
      assert.deepEqual(fate(run.file(key)), ["accepted", null, rowCount, 0, rowCount]);
      const [, ...rows] = await run.rejects(key) ?? [];
      assert.deepEqual(
        rows.map(([line]) => Number(line)),
        Array.from({ length: rowCount }, (_, i) => i + 2),
        key,
      );
      assert.equal(rows.at(-1)?.at(-1), String(i));
    }
    assert.equal(new Set(run.manifest.files.map(({ rejectsFile }) => rejectsFile)).size, fileCount);
  });
});

Deno.test("validate() stops the run for an unknown key, when unknownKeys is fail and the row is otherwise good", async (test) => {
  const cases: readonly (readonly [string, string, string, RegExp | null])[] = [
    ["an unknown customer", UNKNOWN, "fail", /1 rows.*s\/a.*unknown_customer_id/],
    ["an unknown store", GOOD.replace("121", "122").repeat(2), "fail", /2 rows.*s\/a.*unknown_store_id/],
    ["an unknown sales person", GOOD.replace("-01,1,", "-01,2,"), "fail", /unknown_sales_person_id/],
    ["in a file with too many of them", UNKNOWN.repeat(10), "fail", /10 rows.*unknown_customer_id/],
    ["an unknown customer, and unknownKeys is reject", UNKNOWN, "reject", null],
    ["an unknown customer in a row with another fault", UNKNOWN.replace(",2,", ",0,"), "fail", null],
    ["other faults", GOOD.replace("1.50", "x"), "fail", null],
    ["no faults", GOOD, "fail", null],
  ];
  for (const [what, row, unknownKeys, message] of cases) {
    await test.step(
      what,
      () =>
        withRun(
          { "s/a\x1b.csv": HEADER + GOOD + row, "s/b.csv": HEADER },
          { unknownKeys },
          async ({ validate }) => {
            if (message === null) return await validate();
            await assert.rejects(validate(), (error) => {
              assert.ok(error instanceof DataError);
              assert.deepEqual([error.code, error.exitCode], ["unknown_key", 65]);
              assert.match(error.message, message);
              assert.doesNotMatch(error.message, /\p{Cc}/u, "a control character of the key");
              return true;
            });
          },
        ),
    );
  }
});

Deno.test("validate() gives the same result again, when it runs twice", async () => {
  const given: Record<string, Given> = {
    "s/a.csv": HEADER + GOOD + UNKNOWN,
    "s/b.csv": HEADER + GOOD + UNKNOWN,
    "s/c.csv": HEADER + UNKNOWN.repeat(10),
    "s/d.csv": HEADER + UNKNOWN.repeat(10),
    "s/e.csv": `${HEADER}"`,
    "s/f.csv": "x,x\n",
    "s/g.csv": `${HEADER}${GOOD.replace("3.00", "4")}\n`,
    "s/h.csv": { status: "rejected", reason: "too_large", detail: "d" },
  };
  await withRun(given, {}, async (run) => {
    await run.validate();
    const first = structuredClone(run.manifest);
    const rejects = await run.rejects("s/a.csv");
    assert.deepEqual(first.files.map(({ status }) => status), [
      ...["accepted", "duplicate", "rejected", "rejected", "rejected", "rejected", "accepted", "rejected"],
    ]);
    await run.validate();
    assert.deepEqual(run.manifest, first);
    assert.deepEqual(await run.rejects("s/a.csv"), rejects);
  });
});

Deno.test("validate() forgets what it found before, when the contract of the run was mended", async () => {
  await withRun({ "s/a.csv": HEADER + UNKNOWN.repeat(10) + GOOD, "s/b.csv": "x,x\n" }, {}, async (run) => {
    await run.validate();
    assert.deepEqual(fate(run.file("s/a.csv")), ["rejected", "too_many_rejects", 11, 0, 11]);
    run.manifest.model.datasets.sales!.contract.maxRejectedShare = 1;
    await Deno.writeTextFile(join(run.runFolder, "files/2.csv"), HEADER + GOOD);
    await run.validate();
    assert.deepEqual(fate(run.file("s/a.csv")), ["accepted", null, 11, 1, 10]);
    assert.deepEqual(run.file("s/a.csv").rejects, { unknown_customer_id: 10 });
    const second = run.file("s/b.csv");
    assert.ok(!("columns" in second));
    assert.deepEqual([second.detail, second.status, second.rowsAccepted], [null, "accepted", 1]);
  });
});

Deno.test("validate() reads each file by the first source that matches it, and counts their rows together", async () => {
  const north = "customer_id;store_id;product_name;sales_date;sales_person_id;price;quantity;total_cost\n";
  const row = "1;121;apple;01/03/2023;1;1,50;2;3,00\n";
  await withRun(
    {
      "sales_data/a.csv": HEADER + GOOD,
      "sales_data/north/a.csv": north + row + row.replace("01/03", "31/02"),
      "sales_data/north/old/a.csv": HEADER + GOOD.replace("apple", "pear") + UNKNOWN,
      "sales_data/north/twin.csv": north + row + row.replace("01/03", "31/02"),
      "sales_data/south.csv": north + row,
    },
    { maxRejectedShare: 1 },
    async (run) => {
      Object.assign(run.manifest.model.datasets.sales!, {
        sources: [
          sourceSchema.parse({ match: "north/old/**" }),
          sourceSchema.parse({
            match: "north/**",
            delimiter: ";",
            dateFormat: "%d/%m/%Y",
            decimalComma: true,
          }),
        ],
      });
      for (let time = 0; time < 2; time++) {
        await run.validate();
        const states = run.manifest.files.map(({ status, reason, rowsAccepted, rowsRejected }) => [
          ...[status, reason, rowsAccepted, rowsRejected],
        ]);
        assert.deepEqual(states, [
          ["accepted", null, 1, 0],
          ["accepted", null, 1, 1],
          ["accepted", null, 1, 1],
          ["duplicate", "same_content", 0, 0],
          ["rejected", "missing_columns", 0, 0],
        ]);
        assert.equal(run.manifest.accepted.sales?.rowCount, 3);
        assert.deepEqual((await run.rejects("sales_data/north/a.csv"))?.at(-1), [
          "3",
          "invalid_value",
          "sales_date",
          'sales_date: "31/02/2023" is not a date of the form %d/%m/%Y',
          "1;121;apple;31/02/2023;1;1,50;2;3,00",
        ]);
        assert.equal((await run.rejects("sales_data/north/old/a.csv"))?.at(-1)?.[1], "unknown_customer_id");
      }
    },
  );
});

Deno.test("validate() counts the same content once, whichever sources its files are of", async () => {
  const content = "customer_id;store_id;product_name;sales_date;sales_person_id;price;quantity;total_cost\n" +
    "1;121;apple;2023-03-01;1;1.50;2;3.00\n";
  const names = ["a", "b", "north/c", "d", "north/e", "south/f", "z"];
  await withRun(
    Object.fromEntries(names.map((name) => [`sales_data/${name}.csv`, content])),
    {},
    async (run) => {
      Object.assign(run.manifest.model.datasets.sales!, {
        sources: [
          sourceSchema.parse({ match: "north/**", delimiter: ";" }),
          sourceSchema.parse({ match: "south/**", delimiter: ";" }),
        ],
      });
      await run.validate();
      assert.deepEqual(run.manifest.files.map(({ reason, rowsAccepted }) => [reason, rowsAccepted]), [
        ["missing_columns", 0],
        ["missing_columns", 0],
        [null, 1],
        ...Array(4).fill(["same_content", 0]),
      ]);
    },
  );
});
