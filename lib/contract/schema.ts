/**
 * The settings of the contract and of the CSV dialect, with their defaults and limits.
 *
 * @module
 */
import { z } from "zod";
import { parseColumnType } from "../column_type.ts";
import { ADDED_COLUMNS, CORE_COLUMNS } from "./contract.ts";

const text = z.string().min(1);

const columns = z.record(
  z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,62}$/, "must be letters, digits and underscores"),
  z.string().refine((type) => parseColumnType(type) !== null, "must be integer, text, date or decimal(p,s)"),
).superRefine((given, issues) => {
  for (const [core, type] of Object.entries(CORE_COLUMNS)) {
    if (given[core] === type) continue;
    const message = given[core] === undefined ? `"${core}" may not be left out` : `"${core}" must be ${type}`;
    issues.addIssue({ code: "custom", path: given[core] === undefined ? [] : [core], message });
  }
  const seen = new Set<string>(ADDED_COLUMNS);
  for (const name of Object.keys(given)) {
    if (seen.has(name.toLowerCase())) {
      issues.addIssue({ code: "custom", path: [name], message: `the name "${name}" is taken` });
    }
    seen.add(name.toLowerCase());
  }
});

const rules = z.record(
  z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,62}$/, "must be letters, digits and underscores"),
  z.strictObject({
    check: text.describe("Boolean SQL expression over the contract's columns."),
    severity: z.enum(["reject", "warn"]),
  }),
).superRefine((given, issues) => {
  if ("unknown_product" in given) {
    issues.addIssue({
      code: "custom",
      path: ["unknown_product"],
      message: "the name is taken by a built-in warning",
    });
  }
});

/**
 * The configuration of the contract.
 *
 * @internal
 */
export const contractSchema = z.strictObject({
  columns: columns.default({ ...CORE_COLUMNS }),
  rules: rules.default({
    quantity_positive: { check: "quantity > 0", severity: "reject" },
    price_not_negative: { check: "price >= 0", severity: "reject" },
    total_matches: { check: "total_cost = price * quantity", severity: "warn" },
  }),
  unknownKeys: z.enum(["reject", "fail"]).default("reject"),
  maxRejectedShare: z.number().min(0).max(1).default(0.1),
  minRejectsForShare: z.int().min(0).default(10),
});

const oneByte = z.string().regex(/^[\t\x20-\x7e]$/, "must be one ASCII character");

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
}
