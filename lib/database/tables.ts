/**
 * What the tables have in common in every database: names, types of columns, and one query.
 *
 * @module
 */
import { type ColumnType, parseColumnType } from "../column_type.ts";

/** The pipeline's own tables: names that no reporting table and no dimension may have. */
export const OWN_TABLES: readonly string[] = [
  "pipeline_schema",
  "pipeline_lease",
  "pipeline_run",
  "source_file",
  "pending_move",
  "replayed_file",
  "replayed_row",
];

/** The dataset that the ledger's files belong to if they are older than datasets are (schema version 2). */
export const FIRST_DATASET = "sales";

/** A reporting table's column type; `char` is ASCII text of a fixed length. */
export type TableType = ColumnType | { readonly kind: "char"; readonly length: number };

/**
 * Parses a column type of a reporting table.
 *
 * @throws {TypeError} If it is none: a model is checked before it comes here.
 */
export function parseTableType(text: string): TableType {
  const [, length] = /^char\((\d{1,3})\)$/.exec(text) ?? [];
  const type = length === undefined
    ? parseColumnType(text)
    : { kind: "char", length: Number(length) } as const;
  if (type === null) throw new TypeError(`${text} is no type of a reporting table's column`);
  return type;
}

/** Counts the runs that were begun since the last one that left nothing to do, for `Database.beginRun`. */
export const COUNT_TRIES = `
  SELECT COUNT(*) AS tries FROM pipeline_run WHERE token > (
    SELECT COALESCE(MAX(r.token), 0) FROM pipeline_run r
    WHERE r.state IN ('nothing-to-do', 'recovered', 'published')
      AND NOT EXISTS (SELECT 1 FROM pending_move m WHERE m.run_id = r.run_id AND m.outcome IS NULL))`;
