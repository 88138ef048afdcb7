/**
 * The settings of the contract and of the CSV dialect, with their defaults and limits.
 *
 * @module
 */
import { z } from "zod";
import { type FileForm, oneByte } from "./form.ts";
import { parseColumnType } from "../column_type.ts";
import { ADDED_COLUMNS, REPEATED_HEADER } from "./contract.ts";

const text = z.string().min(1);

/** Names that every object of JavaScript has, such as `constructor`: it would be found where nobody has put it. */
const isInherited = (name: string) => name in {};

/**
 * What a column of a source file may be called.
 *
 * @internal
 */
export const columnName = z.string().regex(
  /^[A-Za-z_][A-Za-z0-9_]{0,62}$/,
  "must be a letter or underscore, then letters, digits and underscores, at most 63 characters",
).refine((name) => !isInherited(name), "is reserved");

/** The path of a run's files has it, and hides a column of that name from readers. */
const PATH_COLUMN = "run_id";

/**
 * Mandatory columns with their types.
 *
 * @internal
 */
export const columnsSchema = z.record(
  columnName,
  z.string().refine((type) => parseColumnType(type) !== null, "must be integer, text, date or decimal(p,s)"),
).superRefine((given, issues) => {
  const seen = new Set<string>([...ADDED_COLUMNS, PATH_COLUMN]);
  for (const name of Object.keys(given)) {
    if (seen.has(name.toLowerCase())) {
      issues.addIssue({ code: "custom", path: [name], message: `the name "${name}" is taken` });
    }
    seen.add(name.toLowerCase());
  }
});

/**
 * Rules by name.
 *
 * @internal
 */
export const rulesSchema = z.record(
  columnName.refine((name) => name !== REPEATED_HEADER, "the name is taken by a built-in warning"),
  z.strictObject({
    check: text.describe("Boolean SQL expression over the contract's columns."),
    severity: z.enum(["reject", "warn"]),
  }),
);

/** What holds for the files of every dataset. */
const limits = {
  unknownKeys: z.enum(["reject", "fail"]).default("reject"),
  maxRejectedShare: z.number().min(0).max(1).default(0.1),
  minRejectsForShare: z.int().min(0).default(10),
  redelivery: z.enum(["add", "reject"]).default("add").describe("A known key with other content."),
  maxUnknownShare: z.number().min(0).max(1).default(0.5).describe(
    "Of the night's good rows; above it a dimension is at fault.",
  ),
};

/**
 * The contract's part of the configuration. Columns and rules are those of the dataset `sales`, in place of the model's.
 *
 * @internal
 */
export const contractSettingsSchema = z.strictObject({
  columns: columnsSchema.optional().describe("Of the dataset sales; left out: the model's."),
  rules: rulesSchema.optional().describe("Of the dataset sales; left out: the model's."),
  ...limits,
});

/**
 * What the files of a dataset must hold.
 *
 * @internal
 */
export const contractSchema = z.strictObject({
  columns: columnsSchema,
  rules: rulesSchema,
  /** Columns whose values must be a key of a dimension, in the order in which faults are looked for. */
  keys: z.array(
    z.strictObject({ column: text, dimension: text, key: text, isText: z.boolean(), reason: text }),
  ),
  /** Columns whose values should be among those of a dimension's column: a warning if they are not. */
  lookups: z.array(z.strictObject({ warning: text, column: text, dimension: text, among: text })),
  ...limits,
});

/**
 * The configuration of how CSV files are written, and of their limits.
 *
 * @internal
 */
export const csvSchema = z.strictObject({
  delimiter: oneByte.default(","),
  quote: oneByte.default('"'),
  maxRowBytes: z.int().min(1).max(64 * 1024 * 1024).default(1_048_576),
  maxColumns: z.int().min(1).max(100_000).default(2000),
  maxFileBytes: z.int().min(1).default(68_719_476_736).describe("Uncompressed."),
}).refine((given) => given.delimiter !== given.quote, "delimiter and quote must differ");

/** A column whose values must be a key of a dimension. */
export type KeyColumn = Contract["keys"][number];
/** What a source file must hold. */
export type Contract = ReturnType<typeof contractSchema.parse>;
/** How CSV files are written, and their limits. */
export type CsvSettings = ReturnType<typeof csvSchema.parse>;

/** What a check goes by. */
export interface CheckSettings {
  /** What a source file must hold. */
  readonly contract: Contract;
  /** How it is written. */
  readonly csv: CsvSettings;
  /** How it departs from the default form. Left out: in nothing. */
  readonly form?: FileForm;
}
