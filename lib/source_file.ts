/**
 * A source file of a run: as it was delivered, and what became of it.
 *
 * It is a part of the manifest and therefore plain data, which nothing changes: each function gives the file as it is
 * after a step, with an outcome, reasons and counts that fit together.
 *
 * @module
 */
import { z } from "zod";

/** Why an object is left where it is tonight. */
export const SKIP_REASONS = ["changed", "vanished", "access_denied", "unhandled_key"] as const;

/** One of {@linkcode SKIP_REASONS}. */
export type SkipReason = typeof SKIP_REASONS[number];

/** Why a whole file is rejected, in the order in which the reasons are looked for. */
export const FILE_REASONS = [
  "unsupported_type",
  "empty_file",
  "bad_gzip",
  "too_large",
  "known_key",
  "not_utf8",
  "bad_encoding",
  "too_many_columns",
  "duplicate_column",
  "missing_columns",
  "malformed_csv",
  "too_many_rejects",
] as const;

/** One of {@linkcode FILE_REASONS}. */
export type FileReason = typeof FILE_REASONS[number];

const count = z.int().min(0);
const path = z.string().min(1);

const delivered = {
  /** Position in key order, from 1; names the local files. */
  id: z.int().min(1),
  key: z.string(),
  /** The dataset that the file belongs to. */
  dataset: z.string(),
  etag: z.string(),
  sizeBytes: count,
  lastModified: z.string(),
  /** Hash of the content, uncompressed; null if it was not read whole. */
  sha256: z.string().nullable(),
  /** The uncompressed text. */
  content: path.nullable(),
  /** The bytes as delivered. */
  original: path.nullable(),
  /** The ledger has the same content as accepted: download has found a duplicate. */
  knownContent: z.boolean(),
  /** A replay has put it back, and its content is new by that, whatever the same content was. */
  newByLineage: z.literal(true).optional(),
  /** An earlier run has accepted rows of another content under this key. */
  earlier: z.strictObject({ runId: z.string(), rowsRead: count, rowsAccepted: count }).optional(),
};

const rows = {
  rowsRead: count,
  rowsAccepted: count,
  rowsRejected: count,
  warnings: z.record(z.string(), count),
  /** Rejected rows by reason. */
  rejects: z.record(z.string(), count),
  /** CSV of the rejected rows. */
  rejectsFile: path.nullable(),
};

const withOutcome = <Outcome extends z.ZodRawShape>(outcome: Outcome) =>
  z.strictObject({ ...delivered, ...outcome, ...rows });
const rejected = { status: z.literal("rejected"), detail: z.string() };

/**
 * The file's part of the manifest.
 *
 * @internal
 */
export const sourceFileSchema = z.discriminatedUnion("status", [
  // Nothing is known yet: a file that was downloaded and not yet validated.
  withOutcome({ status: z.null(), reason: z.null(), detail: z.null() }),
  withOutcome({ status: z.literal("accepted"), reason: z.null(), detail: z.null() }),
  withOutcome({ status: z.literal("duplicate"), reason: z.literal("same_content"), detail: z.string() }),
  withOutcome({ status: z.literal("skipped"), reason: z.enum(SKIP_REASONS), detail: z.string().nullable() }),
  z.discriminatedUnion("reason", [
    withOutcome({
      ...rejected,
      reason: z.enum(FILE_REASONS).exclude(["duplicate_column", "missing_columns", "malformed_csv"]),
    }),
    withOutcome({
      ...rejected,
      reason: z.enum(["duplicate_column", "missing_columns"]),
      columns: z.array(z.string()),
    }),
    withOutcome({ ...rejected, reason: z.literal("malformed_csv"), line: z.int() }),
  ]),
]).readonly();

/** A source file of the run. */
export type SourceFile = ReturnType<typeof sourceFileSchema.parse>;

/** The object version that a file is, as the store lists it, and the dataset that its prefix belongs to. */
export type Delivery = Pick<SourceFile, "key" | "dataset" | "etag" | "sizeBytes" | "lastModified">;
/** What download has made of a file: paths relative to the run's folder, and the hash of the content. */
export type LocalCopies = Pick<SourceFile, "content" | "original" | "sha256">;
/** How many rows a file has, and what became of them. */
export type RowCounts = Pick<
  SourceFile,
  "rowsRead" | "rowsAccepted" | "rowsRejected" | "warnings" | "rejects"
>;

/** Why a whole file is rejected, with the reason in words. */
export type FileFault =
  | {
    readonly reason: Exclude<FileReason, "duplicate_column" | "missing_columns" | "malformed_csv">;
    readonly detail: string;
  }
  /** With the names of the columns that are missing, or there more than once. */
  | {
    readonly reason: "duplicate_column" | "missing_columns";
    readonly detail: string;
    readonly columns: string[];
  }
  /** With the line from which on the file cannot be read. */
  | { readonly reason: "malformed_csv"; readonly detail: string; readonly line: number };

const NO_ROWS: RowCounts = { rowsRead: 0, rowsAccepted: 0, rowsRejected: 0, warnings: {}, rejects: {} };

/** A file that was found and not looked at yet. */
export function newSourceFile(
  id: number,
  { key, dataset, etag, sizeBytes, lastModified }: Delivery,
): SourceFile {
  return {
    ...{ id, key, dataset, etag, sizeBytes, lastModified, sha256: null, content: null, original: null },
    ...{ knownContent: false, status: null, reason: null, detail: null, ...NO_ROWS, rejectsFile: null },
  };
}

/** The file with its local copies. */
export function withCopies(file: SourceFile, { content, original, sha256 }: LocalCopies): SourceFile {
  return { ...file, content, original, sha256 };
}

/** The file as one that a replay has put back: its content is new by that, whatever the same content was. */
export function withLineage(file: SourceFile): SourceFile {
  return { ...file, newByLineage: true };
}

/** The file as a further version of what an earlier run has accepted under its key. */
export function withEarlier(file: SourceFile, earlier: NonNullable<SourceFile["earlier"]>): SourceFile {
  return { ...file, earlier };
}

/** The file with the CSV of its rejected rows, a path relative to the run's folder. */
export function withRejectsFile(file: SourceFile, rejectsFile: string): SourceFile {
  return { ...file, rejectsFile };
}

/** Characters of a reason in words at most; columns and lines that belong to it stand beside it whole. */
export const DETAIL_CHARACTERS = 200;

/** A reason in words, cut where it is longer than people read. */
function cut(detail: string): string {
  return detail.length <= DETAIL_CHARACTERS
    ? detail
    : `${detail.slice(0, DETAIL_CHARACTERS - 1).replace(/[\ud800-\udbff]$/, "")}…`;
}

/** The file as one that is left where it is tonight. */
export function skip(file: SourceFile, reason: SkipReason, detail: string | null): SourceFile {
  return { ...undecided(file), status: "skipped", reason, detail: detail === null ? null : cut(detail) };
}

/** The file as one whose content an earlier run has accepted; it stays a duplicate when it is validated. */
export function duplicateOfEarlierRun(file: SourceFile): SourceFile {
  const detail = "an earlier run has accepted the same content";
  return { ...undecided(file), knownContent: true, status: "duplicate", reason: "same_content", detail };
}

/** The file as one whose content another file of this run has. */
export function duplicateOf(file: SourceFile, original: Pick<SourceFile, "key">): SourceFile {
  const detail = cut(`the same content as ${original.key}`);
  return { ...undecided(file), status: "duplicate", reason: "same_content", detail };
}

/** The file rejected as a whole; `counts` are given if its rows were read. */
export function reject(file: SourceFile, fault: FileFault, counts: RowCounts = NO_ROWS): SourceFile {
  return { ...undecided(file), status: "rejected", ...fault, detail: cut(fault.detail), ...counts };
}

/** The file with its rows accepted or rejected one by one. */
export function accept(file: SourceFile, counts: RowCounts): SourceFile {
  return { ...undecided(file), status: "accepted", ...counts };
}

/** The file as download has left it, if it was downloaded whole. */
export function reset(file: SourceFile): SourceFile {
  return undecided(file);
}

/** What was known of a file before anything became of it. */
function undecided(file: SourceFile) {
  const { id, key, dataset, etag, sizeBytes, lastModified, sha256, content, original, knownContent } = file;
  return {
    ...{ id, key, dataset, etag, sizeBytes, lastModified, sha256, content, original, knownContent },
    ...(file.newByLineage ? { newByLineage: file.newByLineage } : {}),
    ...(file.earlier ? { earlier: file.earlier } : {}),
    ...{ status: null, reason: null, detail: null, ...NO_ROWS, rejectsFile: null },
  };
}
