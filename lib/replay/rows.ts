/**
 * A file of the rejected rows of one source file, as a store would have delivered it: the header and the rows as they
 * were written there.
 *
 * Row by row, so that memory does not grow with them; of those that were put back before, a bit is kept for each line.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { BeginContext } from "../run/context.ts";
import { encoderOf } from "../csv/encoding.ts";
import { type Database, LINES_PAGE } from "../database/database.ts";
import type { RejectedFile } from "../database/records.ts";
import { writeAll } from "../bytes.ts";
import { wrapSystemError } from "../errors.ts";
import { gunzip, GzipError } from "../gzip.ts";
import { settingsOf, sourceFinder } from "../run/forms.ts";
import { classifyName } from "../run/landing.ts";
import { firstText, lineOf, readFileHead } from "./head.ts";
import { LineSet } from "./line_set.ts";
import type { CheckSettings } from "../contract/schema.ts";
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
  const settings = settingsOfFile(file, context);
  const head = await fetchHead(file, settings, context);
  const encode = encoderOf(settings.form?.encoding ?? "utf-8");
  const known = await knownLines(database, file);
  const rejects = readRejects(await readArchived(rejectsKey, context));
  const content = join("replay", `${number}.csv`), linesFile = join(runFolder, "replay", `${number}.lines`);
  let rowCount = 0, repeatedCount = 0, readCount = 0;
  try {
    await using rows = await TextWriter.create(join(runFolder, content), encode);
    await using lines = await TextWriter.create(linesFile, encoderOf("utf-8"));
    await rows.write(head);
    for await (const reject of rejects) {
      signal.throwIfAborted();
      readCount++;
      if (reason !== null && reject.reason !== reason) continue;
      if (!known.add(reject.line)) {
        repeatedCount++;
        continue;
      }
      rowCount++;
      const line = lineOf(reject.raw);
      await rows.write(head === "" && rowCount === 1 ? firstText(line) : line);
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

/** How the source file is written, by its name: as the model says it now. */
function settingsOfFile({ key, dataset }: RejectedFile, { model, config }: BeginContext): CheckSettings {
  const found = model.datasets[dataset];
  if (!found) throw new RangeError(`there is no dataset ${dataset}`);
  return settingsOf(found, config.csv, sourceFinder(found)(key));
}

/** What stands above the rows of the archived source file, which is not read any further. */
async function fetchHead(
  { key, destination }: RejectedFile,
  settings: CheckSettings,
  context: BeginContext,
): Promise<string> {
  const { etag: ifMatch, sizeBytes } = await findArchived(destination, context);
  const bytes = await context.store.get(destination, { ifMatch });
  const isGzip = classifyName(key) === "gzip";
  const head = await readFileHead(isGzip ? gunzip(bytes, sizeBytes) : bytes, settings).catch((error) => {
    if (!(error instanceof GzipError)) throw error;
    throw new LeftOutError("object_changed", `${destination} is not a whole gzip file`, { cause: error });
  });
  if (head !== null) return head;
  throw new LeftOutError("unreadable_header", `${destination} has no header that can be read`);
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

/** Gives a text's bytes, `null` if it has none. */
type Encode = (text: string) => Buffer | null;

/** Writes a local file, a little at a time. */
class TextWriter implements AsyncDisposable {
  readonly #file: Deno.FsFile;
  readonly #hash = createHash("sha256");
  readonly #encode: Encode;
  #pending = "";

  private constructor(file: Deno.FsFile, encode: Encode) {
    this.#file = file;
    this.#encode = encode;
  }

  static async create(path: string, encode: Encode): Promise<TextWriter> {
    return new TextWriter(await Deno.open(path, { write: true, create: true, truncate: true }), encode);
  }

  async write(text: string): Promise<void> {
    this.#pending += text;
    if (this.#pending.length >= WRITE_CHARACTERS) await this.flush();
  }

  async flush(): Promise<void> {
    const bytes = this.#encode(this.#pending);
    if (bytes === null) {
      throw new LeftOutError(
        "object_changed",
        "the CSV of its rejected rows has characters that its encoding lacks",
      );
    }
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
