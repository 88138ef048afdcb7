/**
 * What validate made of a delivery: what was counted on the way, and what really is in the files that it wrote.
 *
 * @module
 */
import { join } from "node:path";
import { select, sqlText, withDuckdb } from "../../support/duckdb.ts";
import type { Summary } from "../../support/task.ts";

/** By what it is about; a name that is not there counts as 0. */
export type Counts = Readonly<Record<string, number>>;

/** What became of a delivery. */
export interface Outcome {
  readonly rows: { readonly read: number; readonly accepted: number; readonly rejected: number };
  /** Files by what became of them: a status, and a reason where there is one. */
  readonly files: Counts;
  /** Rows in the rejects' CSV files, by reason. */
  readonly rejects: Counts;
  /** Accepted rows as Parquet. */
  readonly acceptedRowCount: number;
  /** Files that have another number of rows than they were made with; at most a few of them. */
  readonly miscounted: readonly string[];
}

/** What of a run's manifest is needed to find what the stage wrote; paths are relative to the run's folder. */
export interface WrittenFiles {
  readonly runFolder: string;
  readonly accepted: readonly string[];
  readonly rejects: readonly string[];
}

const REJECTS_COLUMNS = ["line", "reason", "column", "detail", "raw"];
/** Far above any row of a delivery. */
const MOST_LINE_BYTES = 1024 * 1024;
const NAMED_FILES = 5;

/**
 * Puts the stage's summary together with what is in the files.
 *
 * @param rowsPerFile Of every accepted file, where all have as many.
 */
export async function readOutcome(
  { files, rows }: Summary,
  written: WrittenFiles,
  rowsPerFile: number | null,
): Promise<Outcome> {
  const miscounted = files.filter(({ status, rowsRead, rowsAccepted, rowsRejected }) =>
    rowsRead !== rowsAccepted + rowsRejected ||
    (rowsPerFile !== null && status === "accepted" && rowsRead !== rowsPerFile)
  );
  return {
    rows,
    files: countBy(files.map(({ status, reason }) => reason ?? status)),
    ...await countWritten(written),
    miscounted: miscounted.slice(0, NAMED_FILES).map(({ key }) => key),
  };
}

function countWritten({ runFolder, accepted, rejects }: WrittenFiles) {
  const list = (files: readonly string[]) =>
    `[${files.map((file) => sqlText(join(runFolder, file))).join(", ")}]`;
  const columns = REJECTS_COLUMNS.map((name) => `${sqlText(name)}: 'VARCHAR'`).join(", ");
  return withDuckdb(":memory:", async (connection) => {
    const acceptedRowCount = accepted.length === 0
      ? 0
      : (await select(connection, `SELECT count(*) FROM read_parquet(${list(accepted)})`)).rows[0]?.[0];
    const reasons = rejects.length === 0 ? [] : (await select(
      connection,
      // On one thread: several would have to guess where a row of several lines begins.
      `SELECT reason, count(*) FROM read_csv(${
        list(rejects)
      }, auto_detect = false, header = true, delim = ',',
         quote = '"', escape = '"', columns = {${columns}}, parallel = false, max_line_size = ${MOST_LINE_BYTES})
       GROUP BY reason ORDER BY reason`,
    )).rows;
    return {
      acceptedRowCount: Number(acceptedRowCount),
      rejects: Object.fromEntries(reasons.map(([reason, rowCount]) => [String(reason), Number(rowCount)])),
    };
  });
}

function countBy(names: readonly string[]): Counts {
  return Object.fromEntries([...Map.groupBy(names, (name) => name)].map(([name, all]) => [name, all.length]));
}

/** What is not as it has to be, in words. */
export function differences(found: Outcome, expected: Omit<Outcome, "miscounted">): string[] {
  const { read, accepted, rejected } = found.rows;
  return [
    ...(read === accepted + rejected
      ? []
      : [`${read} rows read are ${accepted} accepted and ${rejected} rejected`]),
    ...compareCounts("rows", found.rows, expected.rows),
    ...compareCounts("files", found.files, expected.files),
    ...compareCounts("rows in the rejects' files:", found.rejects, expected.rejects),
    ...compareCounts("", { "rows as Parquet": found.acceptedRowCount }, {
      "rows as Parquet": expected.acceptedRowCount,
    }),
    ...found.miscounted.map((key) => `the rows of ${key}`),
  ];
}

function compareCounts(of: string, found: Counts, expected: Counts): string[] {
  const names = [...new Set([...Object.keys(found), ...Object.keys(expected)])];
  return names.flatMap((name) => {
    const [have, want] = [found[name] ?? 0, expected[name] ?? 0];
    return have === want ? [] : [`${of} ${name} ${have} instead of ${want}`.trim()];
  });
}
