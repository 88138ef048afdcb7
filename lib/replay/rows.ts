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
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import type { BeginContext } from "../run/context.ts";
import { readHeader } from "../csv/header.ts";
import { type Database, LINES_PAGE, type RejectedFile } from "../database/database.ts";
import { wrapSystemError } from "../errors.ts";
import { classifyName } from "../run/landing.ts";
import { LineSet } from "./line_set.ts";
import { readRejects } from "../contract/reject_reader.ts";
import { LeftOutError, readArchived, type ReplayOrder } from "./plan.ts";

/** A file of rows in the run's folder. */
export interface ComposedRows {
  /** Of the rows, relative to the run's folder. */
  readonly content: string;
  /** Their lines, as in `Replayed.linesFile`; absolute. */
  readonly linesFile: string;
  /** Rows in it. */
  readonly rowCount: number;
  /** Rows that were asked for and had been put back before. */
  readonly repeatedCount: number;
  /** Of the content. */
  readonly sha256: string;
}

/** Text is collected to about this many characters before it is written. */
const WRITE_CHARACTERS = 1024 * 1024;
const BOM = Buffer.from("\ufeff");

/**
 * Composes the file of those rows that have the reason, or of all of them, less what was put back before.
 *
 * @throws {LeftOutError | RejectFileError | ObjectError} where that cannot be done for this file.
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
  const bytes = await readArchived(destination, context);
  const isGzip = classifyName(key.slice(config.prefixes.source.length)) === "gzip";
  const header = await readHeader(isGzip ? unpack(bytes) : bytes, config.csv).catch((error) => {
    if (!(error instanceof Error && "code" in error && String(error.code).startsWith("Z_"))) throw error;
    throw new LeftOutError("object_changed", `${destination} is not a whole gzip file`, { cause: error });
  });
  if (header === null) {
    throw new LeftOutError("unreadable_header", `${destination} has no header that can be read`);
  }
  // Without its BOM, unless the text itself begins with one, which would be taken for it.
  const isBom = header.subarray(0, BOM.length).equals(BOM);
  return `${isBom ? BOM : ""}${header}`;
}

async function* unpack(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  // Node's gunzip, unlike DecompressionStream, reads all members of a file.
  const gunzip = createGunzip();
  const source = Readable.from(bytes).on("error", (error) => gunzip.destroy(error));
  try {
    for await (const chunk of source.pipe(gunzip)) yield chunk;
  } finally {
    source.destroy();
    gunzip.destroy();
  }
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

/** A row with a line end; where it ends in a CR, an LF alone would take that along. */
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
    for (let written = 0; written < bytes.length;) written += await this.#file.write(bytes.subarray(written));
  }

  /** Of what has been flushed; to be asked for once. */
  sha256(): string {
    return this.#hash.digest("hex");
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#file.close();
    return Promise.resolve();
  }
}
