/**
 * A source file of a run: as it was delivered, and what became of it.
 *
 * @module
 */
import { z } from "zod";

const count = z.int().min(0);
const path = z.string().min(1);

/**
 * The file's part of the manifest.
 *
 * @internal
 */
export const sourceFileSchema = z.strictObject({
  /** Position in key order, from 1; names the local files. */
  id: z.int().min(1),
  key: z.string(),
  etag: z.string(),
  sizeBytes: count,
  lastModified: z.string(),
  /** Of the content, uncompressed; null where it was not read whole. */
  sha256: z.string().nullable(),
  /** The uncompressed text. */
  content: path.nullable(),
  /** The bytes as delivered. */
  original: path.nullable(),
  /** The ledger has the same content as accepted: download has found a duplicate. */
  knownContent: z.boolean(),
  /** A replay has put it back, and its content is new by that, whatever the same content was. */
  newByLineage: z.literal(true).optional(),
  /** Null until it is known: a file that was downloaded and not yet validated. */
  status: z.enum(["accepted", "rejected", "duplicate", "skipped"]).nullable(),
  reason: z.string().nullable(),
  detail: z.string().nullable(),
  /** Of a missing_columns or duplicate_column file. */
  columns: z.array(z.string()).optional(),
  /** Of a malformed_csv file. */
  line: z.int().optional(),
  rowsRead: count,
  rowsAccepted: count,
  rowsRejected: count,
  warnings: z.record(z.string(), count),
  /** Rejected rows by reason. */
  rejects: z.record(z.string(), count),
  /** CSV of the rejected rows. */
  rejectsFile: path.nullable(),
});

/** A source file of the run. */
export type SourceFile = ReturnType<typeof sourceFileSchema.parse>;
