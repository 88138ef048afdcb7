/**
 * What the parts of the contract check share.
 *
 * @module
 */
import type { CheckSettings } from "./schema.ts";
import type { BoundHeader } from "./header.ts";
import type { Engine, Written } from "../engine/engine.ts";
import type { ProgressStep } from "../output/progress.ts";
import type { SourceFile } from "../source_file.ts";

/** What the check needs. */
export interface CheckContext {
  /** The run's configuration. */
  readonly config: CheckSettings;
  /** With the dimensions as views. */
  readonly engine: Engine;
  /** Absolute; paths of files are relative to it. */
  readonly runFolder: string;
  /** Stops the check. */
  readonly signal: AbortSignal;
  /** Advanced by one for every file. */
  readonly step: ProgressStep;
}

/** A file that has a header with everything in it. */
export interface ReadableFile {
  /** As download has left it. */
  readonly file: SourceFile;
  /** Bound to the contract. */
  readonly header: BoundHeader;
  /** Rows after the header, as counted by a scan. */
  readonly rowCount: number;
  /** Filled in by the check. */
  readonly tally: Tally;
}

/** What became of a file's rows, as far as they are counted. */
export interface Tally {
  /** Accepted rows. */
  accepted: number;
  /** Accepted rows by warning. */
  warnings: Record<string, number>;
  /** Rejected rows by reason. */
  rejects: Record<string, number>;
}

/** A tally of no rows. */
export function newTally(): Tally {
  return { accepted: 0, warnings: {}, rejects: {} };
}

/** What a check wrote, as Parquet. */
export interface Checked {
  /** The files with what became of them, in the order in which they were given. */
  readonly files: readonly SourceFile[];
  /** Rows of accepted files, as `acceptedRowsSql` gives them. */
  readonly accepted: Written;
  /** Judged rows, of which the rejected ones are counted; `rejectsSql` gives those. */
  readonly rejects: Written;
}

/** Writes what a query gives as Parquet. */
export function writeParquet(sql: string, folder: string, { engine, step }: CheckContext): Promise<Written> {
  return engine.write(
    sql,
    { folder, format: "parquet", fileName: "part-{i}" },
    (share) => step.update(share),
  );
}

/** Several results as one. */
export function joinWritten(parts: readonly Written[]): Written {
  return {
    rowCount: parts.reduce((sum, part) => sum + part.rowCount, 0),
    files: parts.flatMap((part) => part.files),
  };
}
