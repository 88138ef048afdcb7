/**
 * The CSV of a file's rejected rows, read back.
 *
 * @module
 */
import { parse } from "csv-parse";
import { Readable } from "node:stream";
import { codeOf } from "../errors.ts";

/** A rejected row. */
export interface Reject {
  /** Its first line in the source file. */
  readonly line: number;
  /** The code of the contract for which it was rejected. */
  readonly reason: string;
  /** Its text in the source file, without the line end. */
  readonly raw: string;
}

/** The first line of the CSV. */
export const REJECTS_HEADER = "line,reason,column,detail,raw";

/** The CSV is not as validate writes it. */
export class RejectFileError extends Error {
  /** `message` says what is wrong with it. */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "RejectFileError";
  }
}

/**
 * Reads rejects one by one, as they arrive.
 *
 * @throws {RejectFileError}
 */
export async function* readRejects(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Reject> {
  // Only LF ends a row. Left to itself, the parser would take whatever the first line ends in, a lone CR too.
  const parser = parse({ record_delimiter: "\n" });
  const source = Readable.from(bytes).on("error", (error) => parser.destroy(error));
  let isHeader = true;
  try {
    for await (const fields of source.pipe(parser) as AsyncIterable<string[]>) {
      const [line = "", reason = "", , , raw = ""] = fields;
      if (!isHeader) {
        if (!/^[1-9]\d{0,14}$/.test(line)) {
          throw new RejectFileError(`${JSON.stringify(line)} is no line number`);
        }
        yield { line: Number(line), reason, raw: unprotect(raw) };
      } else if (fields.join() !== REJECTS_HEADER) {
        throw new RejectFileError(`its header is not ${REJECTS_HEADER}`);
      }
      isHeader = false;
    }
  } catch (error) {
    if (!codeOf(error)?.startsWith("CSV_")) throw error;
    throw new RejectFileError("it is no CSV file", { cause: error });
  } finally {
    source.destroy();
    parser.destroy();
  }
}

/**
 * Takes off the apostrophe that keeps a spreadsheet from running the text. A text that begins with an apostrophe has got
 * one more, so that the first one is never its own.
 */
function unprotect(raw: string): string {
  return raw.startsWith("'") ? raw.slice(1) : raw;
}
