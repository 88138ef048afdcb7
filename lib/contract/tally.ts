/**
 * What became of the rows of each file, as it is counted, and what becomes of the file by that.
 *
 * Rows read are counted by a scan, and accepted and rejected ones in what was written: that the numbers agree shows that no
 * row was lost.
 *
 * @module
 */
import { REPEATED_HEADER } from "./contract.ts";
import type { CheckContext, ReadableFile } from "./context.ts";
import { rejectsSql } from "./judge_sql.ts";
import type { Contract } from "./schema.ts";
import { ACCEPTED_ROWS, acceptedCountsSql, warningNames } from "./accepted_sql.ts";
import type { Written } from "../engine/engine.ts";
import { accept, reject, type RowCounts, type SourceFile } from "../source_file.ts";

/** What became of one file's rows. */
interface FileTally {
  readonly rowsRead: number;
  readonly repeatedHeaders: number;
  accepted: number;
  /** Accepted rows by warning. */
  warnings: Record<string, number>;
  /** Rejected rows by reason. */
  readonly rejects: Record<string, number>;
  /** The commonest reason of them with its column. */
  commonest: Commonest | null;
}

/** Rejected rows that have a reason and a column in common. */
interface Commonest {
  readonly reason: string;
  readonly column: string | null;
  readonly rowCount: number;
}

/** Counts the rows of files. */
export class Tally {
  readonly #context: CheckContext;
  readonly #byKey = new Map<string, FileTally>();
  readonly #byId = new Map<number, FileTally>();

  /** Nothing is counted yet. */
  constructor(files: readonly ReadableFile[], context: CheckContext) {
    this.#context = context;
    for (const { file: { key, id }, rowCount, repeatedHeaders } of files) {
      const tally: FileTally = {
        rowsRead: rowCount,
        repeatedHeaders,
        accepted: 0,
        warnings: {},
        rejects: {},
        commonest: null,
      };
      this.#byKey.set(key, tally);
      this.#byId.set(id, tally);
    }
  }

  /** Names the accepted rows of some files, and counts them and their warnings in place of an earlier count. */
  async countAccepted(files: readonly ReadableFile[], accepted: Written): Promise<void> {
    const { engine, config: { contract } } = this.#context;
    for (const { file } of files) {
      const tally = this.#of(file);
      tally.accepted = 0;
      tally.warnings = {};
    }
    if (accepted.rowCount === 0) return;
    await engine.nameParquet(ACCEPTED_ROWS, accepted.files);
    const names = warningNames(contract);
    for (const row of await engine.query(acceptedCountsSql(contract))) {
      const tally = this.#byKey.get(String(row["@source_key"]));
      if (!tally) throw new Error(`accepted rows of ${row["@source_key"]}, which was not read`);
      tally.accepted = Number(row["@row_count"]);
      const warnings = names.map((name) => [name, Number(row[name])] as const);
      tally.warnings = Object.fromEntries(warnings.filter(([, count]) => count > 0));
    }
  }

  /** Counts rejected rows by reason. */
  async countRejects(rejects: Written): Promise<void> {
    const { engine } = this.#context;
    if (rejects.rowCount === 0) return;
    await engine.nameParquet("@judged", rejects.files);
    const rows = await engine.query(
      `SELECT file_id, reason, "column", count(*) AS row_count FROM (${rejectsSql("@judged")})
       GROUP BY file_id, reason, "column" ORDER BY file_id, reason, "column"`,
    );
    for (const { file_id, reason, column, row_count } of rows) {
      const tally = this.#byId.get(Number(file_id));
      if (!tally) throw new Error(`rejects of file ${file_id}, which was not read`);
      const found = { reason: String(reason), column: column === null ? null : String(column) };
      const rowCount = Number(row_count);
      tally.rejects[found.reason] = (tally.rejects[found.reason] ?? 0) + rowCount;
      if (rowCount > (tally.commonest?.rowCount ?? 0)) tally.commonest = { ...found, rowCount };
    }
  }

  /** Whether every row of a file is accepted. */
  isAccepted(file: SourceFile): boolean {
    const { rowsRead, accepted } = this.#of(file);
    return accepted === rowsRead;
  }

  /** Whether a file has accepted rows. */
  hasAccepted(file: SourceFile): boolean {
    return this.#of(file).accepted > 0;
  }

  /** Decides between accepted and too_many_rejects. */
  decide(file: SourceFile): SourceFile {
    const { rowsRead, accepted: rowsAccepted, warnings, rejects, ...others } = this.#of(file);
    const { commonest, repeatedHeaders } = others;
    const rowsRejected = Object.values(rejects).reduce((sum, count) => sum + count, 0);
    if (rowsAccepted + rowsRejected !== rowsRead) {
      throw new Error(
        `${file.key}: ${rowsRead} rows read, but ${rowsAccepted} accepted and ${rowsRejected} rejected`,
      );
    }
    const all = repeatedHeaders > 0 ? { ...warnings, [REPEATED_HEADER]: repeatedHeaders } : warnings;
    const counts = { rowsRead, rowsAccepted, rowsRejected, warnings: all, rejects };
    const detail = excessOf(counts, this.#context.config.contract);
    if (detail === null) return accept(file, counts);
    const none = { ...counts, rowsAccepted: 0, rowsRejected: rowsRead, warnings: {} };
    const most = commonest ? `; ${commonestText(commonest, rowsRejected)}` : "";
    return reject(file, { reason: "too_many_rejects", detail: detail + most }, none);
  }

  #of({ id }: SourceFile): FileTally {
    const tally = this.#byId.get(id);
    if (!tally) throw new Error(`file ${id} was not read`);
    return tally;
  }
}

/** The commonest reason in words. */
function commonestText({ reason, column, rowCount }: Commonest, rowsRejected: number): string {
  const about = column === null ? "" : ` of ${column}`;
  const share = (100 * rowCount / rowsRejected).toFixed(1);
  return `commonest is ${reason}${about}, ${rowCount} (${share} %); see rejects/ below the error prefix`;
}

/** That too many rows of a file are rejected, in words; `null` if they are not. */
function excessOf(
  { rowsRead, rowsRejected }: RowCounts,
  { minRejectsForShare, maxRejectedShare }: Contract,
): string | null {
  if (rowsRejected === 0 || rowsRejected < minRejectsForShare) return null;
  // Not as a product: 0.29 * 100 is less than 29, while 29 / 100 is the same number as 0.29.
  if (rowsRejected / rowsRead <= maxRejectedShare) return null;
  const share = (100 * rowsRejected / rowsRead).toFixed(1);
  return `${rowsRejected} of ${rowsRead} rows (${share} %) were rejected; ` +
    `contract.maxRejectedShare is ${maxRejectedShare}`;
}
