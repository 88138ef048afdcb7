/**
 * The context and the results that the parts of the contract check share.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import type { Layouts } from "./layouts.ts";
import type { CheckSettings } from "./schema.ts";
import type { BoundHeader } from "./header.ts";
import type { Engine, Written } from "../engine/engine.ts";
import type { ProgressStep } from "../output/progress.ts";
import type { SourceFile } from "../source_file.ts";

/** What the check needs. */
export interface CheckContext {
  /** The contract and the CSV dialect. */
  readonly config: CheckSettings;
  /** The engine, with the dimensions as views. */
  readonly engine: Engine;
  /** The run's folder, absolute; paths of files are relative to it. */
  readonly runFolder: string;
  /** Stops the check. */
  readonly signal: AbortSignal;
  /** Advanced by one for every file. */
  readonly step: ProgressStep;
}

/** The same with what the steps of one check share. */
export interface ScanContext extends CheckContext {
  /** The absolute path of a folder for the results of a step, by its name. */
  readonly results: (name: string) => string;
  /** The headers that were seen. */
  readonly layouts: Layouts;
  /** Takes the bytes that are read, of one file after the other, as `readChunks` needs it. */
  readonly buffer: Buffer;
}

/** A file that has a header with everything in it. */
export interface ReadableFile {
  /** The file as download has left it. */
  readonly file: SourceFile;
  /** Its header, bound to the contract. */
  readonly header: BoundHeader;
  /** Rows after the header, as counted by a scan. */
  readonly rowCount: number;
  /** How often the header stands among them, which is no row. */
  readonly repeatedHeaders: number;
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
