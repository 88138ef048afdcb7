/**
 * A file of the rejected rows of one source file, as a store would have delivered it: the header and the rows as they
 * were written there.
 *
 * Row by row, so that memory does not grow with them; of those that were put back before, a bit is kept for each line.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { BeginContext } from "../run/context.ts";
import { readHeader } from "../csv/header.ts";
import { BOM } from "../csv/marks.ts";
import { type Database, LINES_PAGE } from "../database/database.ts";
import type { RejectedFile } from "../database/records.ts";
import { writeAll } from "../bytes.ts";
import { wrapSystemError } from "../errors.ts";
import { gunzip, GzipError } from "../gzip.ts";
import { classifyName } from "../run/landing.ts";
import { LineSet } from "./line_set.ts";
import { readRejects } from "../contract/reject_reader.ts";
import { findArchived, LeftOutError, readArchived, type ReplayOrder } from "./plan.ts";

/** A file of rows in the run's folder. */
export interface ComposedRows {
  /** The file of the rows, relative to the run's folder. */
  readonly content: string;
  /** The file of their lines, as in `Replayed.linesFile`; an absolute path. */
  readonly linesFile: string;
  /** Rows in the file. */
  readonly rowCount: number;
  /** Rows that were asked for and had been put back before. */
  readonly repeatedCount: number;
  /** The SHA-256 of the content, in hex. */
  readonly sha256: string;
}

/** Text is collected to about this many characters before it is written. */
const WRITE_CHARACTERS = 1024 * 1024;

/**
 * Composes the file of those rows that have the reason, or of all of them, less what was put back before.
 *
 * @throws {LeftOutError | RejectFileError | ObjectError} if that cannot be done for this file.
 */
export async function composeRows(
  { number, file, rejectsKey }: ReplayOrder,
  reason: string | null,
  context: BeginContext,
): Promise<ComposedRows> {
  const { database, runFolder, signal } = context;
  const header = await fetchHeader(file, context);
  const known = await knownLines(database, file);
  const rejects = readRejects(await readArchived(rejectsKey, context));
  const content = join("replay", `${number}.csv`), linesFile = join(runFolder, "replay", `${number}.lines`);
  let rowCount = 0, repeatedCount = 0, readCount = 0;
  try {
    await using rows = await TextWriter.create(join(runFolder, content));
    await using lines = await TextWriter.create(linesFile);
    await rows.write(lineOf(header));
    for await (const reject of rejects) {
      signal.throwIfAborted();
      readCount++;
      if (reason !== null && reject.reason !== reason) continue;
      if (!known.add(reject.line)) {
        repeatedCount++;
        continue;
      }
      rowCount++;
      await rows.write(lineOf(reject.raw));
      await lines.write(`${number}\t${reject.line}\n`);
    }
    if (readCount !== file.rowsRejected) {
      throw new LeftOutError(
        "object_changed",
        `${rejectsKey} holds ${readCount} rows; the run rejected ${file.rowsRejected}`,
      );
    }
    await lines.flush();
    await rows.flush();
    return { content, linesFile, rowCount, repeatedCount, sha256: rows.sha256() };
  } catch (error) {
    throw wrapSystemError(error, `Cannot write ${join(runFolder, content)}`);
  }
}

/** The header of the archived source file, which is not read any further. */
async function fetchHeader({ key, destination }: RejectedFile, context: BeginContext): Promise<string> {
  const { config } = context;
  const { etag: ifMatch, sizeBytes } = await findArchived(destination, context);
  const bytes = await context.store.get(destination, { ifMatch });
  const isGzip = classifyName(key) === "gzip";
  const header = await readHeader(isGzip ? gunzip(bytes, sizeBytes) : bytes, config.csv).catch((error) => {
    if (!(error instanceof GzipError)) throw error;
    throw new LeftOutError("object_changed", `${destination} is not a whole gzip file`, { cause: error });
  });
  if (header === null) {
    throw new LeftOutError("unreadable_header", `${destination} has no header that can be read`);
  }
  // Without its BOM, unless the text itself begins with one, which would be taken for it.
  const isBom = header.subarray(0, BOM.length).equals(BOM);
  return `${isBom ? BOM : ""}${header}`;
}

/** The lines of a file that were put back before. */
async function knownLines(database: Database, file: RejectedFile): Promise<LineSet> {
  const known = new LineSet();
  let last = 0, isLast = file.replayedCount === 0;
  while (!isLast) {
    const lines = await database.replayedLines(file, last);
    for (const line of lines) known.add(line);
    last = lines.at(-1) ?? last;
    isLast = lines.length < LINES_PAGE;
  }
  return known;
}

/** A row with a line end; if it ends in a CR, an LF alone would take that along. */
function lineOf(row: string): string {
  return row.endsWith("\r") ? `${row}\r\n` : `${row}\n`;
}

/** Writes a local file, a little at a time. */
class TextWriter implements AsyncDisposable {
  readonly #file: Deno.FsFile;
  readonly #hash = createHash("sha256");
  #pending = "";

  private constructor(file: Deno.FsFile) {
    this.#file = file;
  }

  static async create(path: string): Promise<TextWriter> {
    return new TextWriter(await Deno.open(path, { write: true, create: true, truncate: true }));
  }

  async write(text: string): Promise<void> {
    this.#pending += text;
    if (this.#pending.length >= WRITE_CHARACTERS) await this.flush();
  }

  async flush(): Promise<void> {
    const bytes = Buffer.from(this.#pending);
    this.#pending = "";
    this.#hash.update(bytes);
    await writeAll(this.#file, bytes);
  }

  /** The SHA-256 of what has been flushed, in hex; to be asked for once. */
  sha256(): string {
    return this.#hash.digest("hex");
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#file.close();
    return Promise.resolve();
  }
}
