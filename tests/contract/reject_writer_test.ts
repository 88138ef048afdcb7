/**
 * The CSVs of rejected rows: one for each file, each in the order of the file's lines, of whatever size.
 *
 * @module
 */
import { parse } from "csv-parse/sync";
import assert from "node:assert/strict";
import { join } from "node:path";
import { openDuckdbEngine } from "../../lib/engine/duckdb.ts";
import { REJECTS_HEADER } from "../../lib/contract/reject_reader.ts";
import { writeRejectFiles } from "../../lib/contract/reject_writer.ts";
import { removeAtEnd } from "../support/ending.ts";
import rejectsCsv from "../../tasks/sql/rejects.sql" with { type: "text" };

/** By file, how many rejects it has. */
const COUNTS = [1, 0, 63, 64, 65, 500, 1400, 2000, 500, 2047, 1, 2030, 400, 5000, 0, 12_000, 2, 2];
/** Between the rejects of a file, so that there are none in every other part of its lines. */
const GAP = 1500;

for (
  const [what, lineOf, sortedRows] of [
    ["all are sorted at once", (n: number) => n + 1, undefined],
    ["some are sorted at once, and large ones in parts", (n: number) => n + 1, 1500],
    ["parts are without a reject", (n: number) => 1 + n + GAP * Math.floor(n / 1000), 700],
  ] as const
) {
  Deno.test(`writeRejectFiles() gives each file its rejects in the order of its lines, when ${what}`, async () => {
    const runFolder = await Deno.realPath(await Deno.makeTempDir({ prefix: "reject-writer-" }));
    try {
      const resources = { memoryLimit: "1GiB", threads: 4 };
      await using engine = await openDuckdbEngine({ folder: runFolder, resources });
      const files = COUNTS.map((count, id) => ({
        id,
        rejects: { rule: count } as Record<string, number>,
      }));
      const lines = COUNTS.map((count) => Array.from({ length: count }, (_, n) => lineOf(n)));
      await engine.nameValues(
        "given",
        { file_id: "BIGINT", line: "BIGINT" },
        lines.flatMap((lines, file_id) => lines.map((line) => ({ file_id, line }))),
      );
      const rejects = await engine.write(
        `SELECT file_id AS "@file", line AS "@line", 'rule' AS "@reason", NULL::VARCHAR AS "@column",
           CASE WHEN line % 3 = 0 THEN 'no' || chr(10) ELSE 'it''s, "no"' END AS "@detail",
           file_id || repeat(chr(13) || chr(10), (line % 4)::INT) || line AS "@raw"
         FROM given ORDER BY hash(line)`,
        { folder: join(runFolder, "given"), format: "parquet", fileName: "part-{i}" },
      );
      const { signal } = new AbortController();
      const given = { files, rejects, sql: rejectsCsv, ...(sortedRows ? { sortedRows } : {}) };
      const csvs = await writeRejectFiles(given, { engine, runFolder, signal });

      for (const { id } of files) {
        const rejectsFile = csvs.get(id);
        assert.equal(rejectsFile, COUNTS[id] === 0 ? undefined : `rejects/${id}.csv`);
        if (rejectsFile === undefined) continue;
        const text = await Deno.readTextFile(join(runFolder, rejectsFile));
        const [header, ...rows] = parse(text, { record_delimiter: "\n" });
        assert.equal(header?.join(), REJECTS_HEADER);
        const expected = lines[id]?.map((line) => {
          const detail = line % 3 === 0 ? "no\n" : 'it\'s, "no"';
          return [`${line}`, "rule", "", detail, `${id}${"\r\n".repeat(line % 4)}${line}`];
        });
        assert.deepEqual(rows, expected);
      }
      const written = Array.from(Deno.readDirSync(join(runFolder, "rejects")), ({ name }) => name);
      assert.equal(written.length, COUNTS.filter((count) => count > 0).length);
    } finally {
      await removeAtEnd(runFolder);
    }
  });
}

Deno.test("writeRejectFiles() stops, when there are more or fewer rejects than the files have", async () => {
  const runFolder = await Deno.realPath(await Deno.makeTempDir({ prefix: "reject-writer-" }));
  try {
    await using engine = await openDuckdbEngine({
      folder: runFolder,
      resources: { memoryLimit: "1GiB", threads: 1 },
    });
    const rejects = await engine.write(
      `SELECT 1::BIGINT AS "@file", range::BIGINT AS "@line", 'rule' AS "@reason", NULL AS "@column", '' AS "@detail",
         'raw' AS "@raw" FROM range(2, 5)`,
      { folder: join(runFolder, "given"), format: "parquet", fileName: "part-{i}" },
    );
    const { signal } = new AbortController();
    const write = (rowCount: number, ids: readonly number[]) =>
      writeRejectFiles({
        files: ids.map((id) => ({ id, rejects: { rule: 3 } })),
        rejects: { ...rejects, rowCount },
        sql: rejectsCsv,
      }, { engine, runFolder, signal });
    await write(3, [1]);
    await assert.rejects(write(4, [1]), /4 rows are rejected, but 3 were written/);
    await assert.rejects(write(3, [2]), /3 rows are rejected, but 0 were written/);
    await assert.rejects(write(3, [0, 2]), /more rejects than the files have/);
  } finally {
    await removeAtEnd(runFolder);
  }
});
