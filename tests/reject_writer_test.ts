/**
 * The CSVs of rejected rows: one for each file, each in the order of the file's lines, of whatever size.
 *
 * @module
 */
import { parse } from "csv-parse/sync";
import assert from "node:assert/strict";
import { join } from "node:path";
import { openDuckdbEngine } from "../lib/engine/duckdb.ts";
import { REJECTS_HEADER } from "../lib/reject_file.ts";
import { writeRejectFiles } from "../lib/reject_writer.ts";
import rejectsCsv from "../tasks/sql/rejects.sql" with { type: "text" };

/**
 * By file, how many rejects it has: around what DuckDB collects before it passes a partition on (64), around what it
 * hands on in one piece (2,048, with little of the next file in it), more than it sorts on one thread, and none.
 */
const COUNTS = [1, 0, 63, 64, 65, 500, 1400, 2000, 500, 2047, 1, 2030, 400, 5000, 0, 300_000, 2, 2];
/** Few: all but the smallest files are written in several parts. */
const SORTED_LINES = 700;
/** Between the rejects of a file: there are none in every other part. */
const GAP = 1500;

for (
  const [what, lineOf, sortedLines] of [
    ["each is sorted at once", (n: number) => n + 1, undefined],
    ["large ones are sorted in parts", (n: number) => n + 1, 100_000],
    ["parts are without a reject", (n: number) => 1 + n + GAP * Math.floor(n / 100), SORTED_LINES],
  ] as const
) {
  Deno.test(`writeRejectFiles() keeps the order of the lines, when ${what}`, async () => {
    const runFolder = await Deno.realPath(await Deno.makeTempDir({ prefix: "reject-writer-" }));
    try {
      const resources = { memoryLimit: "1GiB", threads: 4 };
      await using engine = await openDuckdbEngine({ folder: runFolder, resources });
      const counts = sortedLines === SORTED_LINES ? COUNTS.map((count) => Math.min(count, 3000)) : COUNTS;
      const files = counts.map((count, id) => ({
        id,
        rejects: { rule: count } as Record<string, number>,
        rejectsFile: null as string | null,
      }));
      const lines = counts.map((count) => Array.from({ length: count }, (_, n) => lineOf(n)));
      await engine.nameValues(
        "given",
        { file_id: "BIGINT", line: "BIGINT" },
        lines.flatMap((lines, file_id) => lines.map((line) => ({ file_id, line }))),
      );
      const rejects = await engine.write(
        `SELECT file_id, line, 'rule' AS reason, NULL::VARCHAR AS "column", 'no, it is not' AS detail,
           'raw ' || file_id || ' ' || line AS raw
         FROM given ORDER BY hash(line)`,
        { folder: join(runFolder, "given"), format: "parquet", fileName: "part-{i}" },
      );
      await writeRejectFiles({ files, rejects, sql: rejectsCsv, ...(sortedLines ? { sortedLines } : {}) }, {
        engine,
        runFolder,
      });

      const names = files.flatMap(({ rejectsFile }) => rejectsFile ?? []);
      assert.equal(new Set(names).size, counts.filter((count) => count > 0).length);
      for (const { id, rejectsFile } of files) {
        if (rejectsFile === null) {
          assert.equal(counts[id], 0);
          continue;
        }
        const [header, ...rows] = parse(await Deno.readTextFile(join(runFolder, rejectsFile)));
        assert.equal(header?.join(), REJECTS_HEADER);
        assert.deepEqual(
          rows,
          lines[id]?.map((line) => [`${line}`, "rule", "", "no, it is not", `raw ${id} ${line}`]),
        );
      }
    } finally {
      await Deno.remove(runFolder, { recursive: true });
    }
  });
}
