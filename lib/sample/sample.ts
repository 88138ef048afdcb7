/**
 * What the contract makes of one local file, and the entry of `sources` that would take it.
 *
 * Keys and lookups are not looked at: their dimensions are in the database. All else is the check of a night.
 *
 * @module
 */
import { basename, join } from "node:path";
import { guessForms } from "./guess.ts";
import { type Column, rowsOf } from "./head.ts";
import type { Config } from "../config/schema.ts";
import { checkFiles } from "../contract/check.ts";
import { rejectsSql } from "../contract/judge_sql.ts";
import { renaming, type Source, sourceSchema } from "../contract/form.ts";
import type { CheckSettings } from "../contract/schema.ts";
import { HEAD_BYTES, readHead } from "../csv/chunks.ts";
import { headerName } from "../csv/header.ts";
import type { Engine } from "../engine/engine.ts";
import { wrapSystemError } from "../errors.ts";
import { gunzip, GzipError } from "../gzip.ts";
import type { Dataset, Model } from "../model/model.ts";
import { settingsOf, sourceFinder } from "../run/forms.ts";
import { newSourceFile, reject, type SourceFile, withCopies } from "../source_file.ts";
import { writeAll } from "../bytes.ts";

/** What is asked for. */
export interface SampleOrder {
  /** The file. */
  readonly path: string;
  /** The name below the landing prefix under which it would be delivered. */
  readonly name: string;
  /** Its dataset. */
  readonly dataset: string;
}

/** What a sample needs. */
export interface SampleContext {
  /** The configuration; its store and database are not used. */
  readonly config: Pick<Config, "csv">;
  /** The effective model. */
  readonly model: Model;
  /** Reads and writes within the folder. */
  readonly engine: Engine;
  /** A folder of its own; absolute. */
  readonly folder: string;
  /** Stops it. */
  readonly signal: AbortSignal;
}

/** A row that does not pass. */
export interface SampleReject {
  /** Its first line in the file. */
  readonly line: number;
  /** The reason's code. */
  readonly reason: string;
  /** The column that it is about. */
  readonly column: string | null;
  /** The reason in words. */
  readonly detail: string;
  /** The row as it stands in the file. */
  readonly raw: string;
}

/** What becomes of the file in one form. */
export interface SampleResult {
  /** `accepted` or `rejected`. */
  readonly status: string | null;
  /** Why the whole file is rejected. */
  readonly reason: string | null;
  /** The same in words. */
  readonly detail: string | null;
  /** Rows of the file. */
  readonly rowsRead: number;
  /** Rows that pass by themselves, whether or not the file has too many others. */
  readonly rowsGood: number;
  /** Rejected rows by reason. */
  readonly rejects: Readonly<Record<string, number>>;
  /** The first of them, by line. */
  readonly first: readonly SampleReject[];
}

/** The report. */
export interface SampleReport {
  /** The file, as it was given. */
  readonly file: string;
  /** What it was checked as. */
  readonly dataset: string;
  /** The pattern of the source of the model that the name fits; `null` if it fits none. */
  readonly source: string | null;
  /** How the file is read as things are. */
  readonly dialect: { readonly delimiter: string; readonly quote: string; readonly encoding: string };
  /** The columns of the contract, and what the file calls them. */
  readonly columns: readonly Column[];
  /** What becomes of it. */
  readonly result: SampleResult;
  /** The entry that would take more of it; `null` if none is known, or none is needed. */
  readonly suggestion: {
    /** The entry. */
    readonly source: Partial<Source> & Pick<Source, "match">;
    /** The columns by it. */
    readonly columns: readonly Column[];
    /** What becomes of the file by it. */
    readonly result: SampleResult;
    /** What to look at. */
    readonly notes: readonly string[];
  } | null;
  /** What keeps every guess from helping, or is to be looked at. */
  readonly notes: readonly string[];
}

/** Rejects that are shown. */
const FIRST_REJECTS = 5;
/** Guesses that are tried on the whole file. */
const MOST_TRIED = 6;

/** Checks the file as the model says, and by what it seems to be. */
export async function sampleFile(order: SampleOrder, context: SampleContext): Promise<SampleReport> {
  const dataset = datasetIn(context.model, order.dataset);
  const source = sourceFinder(dataset)(dataset.source + order.name);
  const settings = withoutKeys(settingsOf(dataset, context.config.csv, source));
  const file = await takeFile(order, settings, context);
  const head = file.content === null ? new Uint8Array() : await readHead(join(context.folder, file.content));
  const result = await checkAs(file, settings, "as-is", context);
  const guesses = file.content === null
    ? []
    : guessForms(head, withoutKeys(settingsOf(dataset, context.config.csv, null)));
  const best = isTaken(result) ? null : await bestOf(guesses, file, { dataset, order, context });
  const helps = best !== null && best.result.rowsGood > result.rowsGood;
  return {
    file: order.path,
    dataset: order.dataset,
    source: source?.match ?? null,
    dialect: {
      delimiter: settings.csv.delimiter,
      quote: settings.csv.quote,
      encoding: settings.form?.encoding ?? "utf-8",
    },
    columns: columnsOf(head, settings),
    result,
    suggestion: helps ? best : null,
    notes: helps || isTaken(result) ? [] : guesses[0]?.notes ?? [],
  };
}

/** The best of the guesses, with the result that it gives. */
async function bestOf(
  guesses: ReturnType<typeof guessForms>,
  file: SourceFile,
  { dataset, order, context }: {
    readonly dataset: Dataset;
    readonly order: SampleOrder;
    readonly context: SampleContext;
  },
): Promise<SampleReport["suggestion"]> {
  const match = patternOf(order.name);
  let best: SampleReport["suggestion"] = null;
  for (const [i, { source, columns, notes }] of guesses.slice(0, MOST_TRIED).entries()) {
    const entry = { match, ...source };
    const settings = settingsOf(dataset, context.config.csv, sourceSchema.parse(entry));
    const result = await checkAs(file, withoutKeys(settings), `guess-${i}`, context);
    if (best === null || result.rowsGood > best.result.rowsGood) {
      best = { source: entry, columns, result, notes };
    }
  }
  return best;
}

function datasetIn({ datasets }: Model, name: string): Dataset {
  const found = datasets[name];
  if (!found) throw new RangeError(`the model has no dataset ${name}`);
  return found;
}

/** Whether nothing of a file is rejected. */
function isTaken({ status, rowsRead, rowsGood }: SampleResult): boolean {
  return status === "accepted" && rowsGood === rowsRead;
}

function withoutKeys({ contract, ...settings }: CheckSettings): CheckSettings {
  return { ...settings, contract: { ...contract, keys: [], lookups: [] } };
}

/** A pattern for files that are called like this one: those of its folder, or those with other numbers in their names. */
function patternOf(name: string): string {
  const folder = name.slice(0, name.lastIndexOf("/") + 1);
  const pattern = folder === "" ? name.replace(/\d+([-_.]?\d+)*/g, "*") : `${folder}**`;
  return pattern.replace(/[[\]{}\\]|^!/g, "?");
}

/** Copies the file to where the engine may read it, unpacked. */
async function takeFile(
  { path, name }: SampleOrder,
  { csv }: CheckSettings,
  { folder, signal }: SampleContext,
): Promise<SourceFile> {
  const delivery = { key: name, dataset: "", etag: "", sizeBytes: 0, lastModified: "" };
  const file = newSourceFile(1, delivery);
  const content = "sample.csv", target = join(folder, content);
  try {
    using input = await Deno.open(path);
    const { size } = await input.stat();
    using output = await Deno.open(target, { write: true, create: true, truncate: true });
    let sizeBytes = 0;
    const bytes = /\.gz$/i.test(basename(path)) ? gunzip(input.readable, size) : input.readable;
    for await (const chunk of bytes) {
      signal.throwIfAborted();
      sizeBytes += chunk.length;
      if (sizeBytes > csv.maxFileBytes) {
        return reject(file, {
          reason: "too_large",
          detail: `more than csv.maxFileBytes (${csv.maxFileBytes})`,
        });
      }
      await writeAll(output, chunk);
    }
  } catch (error) {
    if (error instanceof GzipError) {
      return reject(file, { reason: "bad_gzip", detail: `not a whole gzip file: ${error.message}` });
    }
    throw wrapSystemError(error, `Cannot read ${path}`);
  }
  return withCopies(file, { content, original: content, sha256: "" });
}

/** What becomes of the file by these settings. */
async function checkAs(
  file: SourceFile,
  config: CheckSettings,
  name: string,
  { engine, folder, signal }: SampleContext,
): Promise<SampleResult> {
  if (file.content === null) return resultOf(file, []);
  const step = { advance() {}, update() {}, [Symbol.dispose]() {} };
  const checked = await checkFiles([file], name, { config, engine, runFolder: folder, signal, step });
  let first: SampleReject[] = [];
  if (checked.rejects.rowCount > 0) {
    await engine.nameParquet("@sample", checked.rejects.files);
    const rows = await engine.query(`SELECT * EXCLUDE file_id FROM (${rejectsSql("@sample")})
      ORDER BY line LIMIT ${FIRST_REJECTS}`);
    first = rows.map(({ line, reason, column, detail, raw }) => ({
      line: Number(line),
      reason: String(reason),
      column: column === null || column === undefined ? null : String(column),
      detail: String(detail),
      raw: String(raw),
    }));
  }
  return resultOf(checked.files[0] ?? file, first);
}

function resultOf(
  { status, reason, detail, rowsRead, rejects }: SourceFile,
  first: readonly SampleReject[],
): SampleResult {
  const rejected = Object.values(rejects).reduce((sum, count) => sum + count, 0);
  return { status, reason, detail, rowsRead, rowsGood: rowsRead - rejected, rejects, first };
}

/** The contract's columns in the header that the settings lead to. */
function columnsOf(head: Uint8Array, { csv, contract, form }: CheckSettings): Column[] {
  const text = new TextDecoder(form?.encoding ?? "utf-8").decode(head);
  const lines = text.split("\n").slice(form?.skipLines ?? 0);
  if (head.length >= HEAD_BYTES) lines.pop();
  const header = form?.header ?? rowsOf(lines, csv, 1)[0] ?? [];
  const rename = form ? renaming(form) : (name: string) => name;
  const names = header.map((name) => headerName(rename(name)));
  return Object.keys(contract.columns).map((column) => {
    const index = names.indexOf(column.toLowerCase());
    return index < 0
      ? { column, name: null, index: null }
      : { column, name: form?.header ? null : header[index] ?? null, index };
  });
}
