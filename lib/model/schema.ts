/**
 * The shape of a model file: dimensions, datasets and marts as data. `config/model.schema.json` is generated from it, for
 * editors.
 *
 * It says what each entry may look like; whether entries fit together is for `fit.ts`, and whether queries do for
 * `describe.ts`.
 *
 * @module
 */
import { z } from "zod";
import { parseColumnType } from "../column_type.ts";
import { prefixSchema } from "../config/schema.ts";
import { sourceSchema } from "../contract/form.ts";
import { columnName, columnsSchema, rulesSchema } from "../contract/schema.ts";

/** What a table, a dataset, a mart or a column may be called. */
const name = columnName;
const names = z.array(name);
/** Sources of a dataset at most: each is looked for in every name, and checked by itself. */
const MOST_SOURCES = 200;

const dimension = z.strictObject({
  key: name.describe("The column that datasets point at; unique and not NULL."),
  ids: names.optional().describe("Columns that are integers of up to 64 bits. Left out: the key."),
  text: names.default([]).describe("Columns that are taken as text."),
  personal: names.default([]).describe(
    "Those of its columns that tell something about a person: no log shows them.",
  ),
});

const dataset = z.strictObject({
  source: prefixSchema.describe("The landing prefix."),
  processed: prefixSchema.optional().describe("Left out: the landing prefix and _processed."),
  error: prefixSchema.optional().describe("Left out: the landing prefix and _error."),
  accepted: prefixSchema.optional().describe("Left out: accepted_NAME/."),
  columns: columnsSchema.describe("The columns that each file must have."),
  keys: z.record(columnName, name).default({}).describe(
    "Columns whose values must be a key of the dimension; a row is rejected as unknown_COLUMN if they are not.",
  ),
  rules: rulesSchema.default({}),
  lookups: z.record(
    name,
    z.strictObject({ column: columnName, dimension: name, among: name }),
  ).default({}).describe(
    "Warnings by name: the column's value is not among the values of the dimension's column.",
  ),
  sources: z.array(sourceSchema).max(MOST_SOURCES).default([]).describe(
    "Senders whose files are written otherwise: the first that matches a file counts, none means the defaults.",
  ),
  money: columnName.describe("The decimal with 2 places that audits, verify and reports add up."),
});

const money = z.string().regex(
  /^(integer|bigint|decimal\(\d{1,2},\d{1,2}\))$/,
  "must be integer or decimal(p,s)",
)
  .refine((type) => type === "bigint" || parseColumnType(type) !== null, "must be integer or decimal(p,s)");

const table = z.strictObject({
  key: z.array(name).min(1).describe("The columns that tell one row from another; never NULL."),
  add: z.record(name, money).refine((given) => Object.keys(given).length > 0, "must have a column").describe(
    "Columns that a run adds to, with their types.",
  ),
  latest: names.default([]).describe("Columns that follow the newest run."),
  types: z.record(name, z.string().regex(/^char\([1-9]\d{0,2}\)$/, "must be char(n)"))
    .default({}).describe(
      "Text columns of the key that hold ASCII of one width, as char(7) for a month. Left out: VARCHAR(255) in MySQL.",
    ),
  incentive: z.strictObject({ column: name, of: name, within: z.array(name).min(1) }).optional().describe(
    "A further column: incentivePercent of the column `of` for the best row within equal columns `within`.",
  ),
});

const sign = z.enum(["+", "-"]);

const mart = z.strictObject({
  description: z.string().min(1).optional().describe("What it is, in a line for people."),
  stage: z.enum(["transform-customer", "transform-sales"]),
  from: z.union([name, z.record(name, sign)]).describe(
    "The dataset, or several with the sign of their money: what the mart's money must add up to.",
  ),
  grain: z.enum(["row", "totals"]),
  sql: z.string().min(1).optional().describe("The query's file, relative to this one. Left out: NAME.sql."),
  prefix: prefixSchema.optional().describe("Where its Parquet files are in the store. Left out: NAME/."),
  partitionBy: z.array(name).min(1).optional().describe(
    "Columns that go into the path, of a mart of grain row.",
  ),
  money: name.optional().describe(
    "Its column of money. Left out: named as the dataset's, or the only decimal it adds.",
  ),
  summary: z.boolean().default(true).describe("Whether a run's summary counts its rows."),
  table: table.optional().describe("What the totals are added to, of a mart of grain totals."),
});

/**
 * The model file's shape, with its defaults.
 *
 * @internal
 */
export const modelSchema = z.strictObject({
  $schema: z.string().optional(),
  dimensions: z.record(name, dimension),
  datasets: z.record(name, dataset).refine((given) => Object.keys(given).length > 0, "must have a dataset"),
  marts: z.record(name, mart),
});

/** A model file as it was written, with its defaults. */
export type GivenModel = ReturnType<typeof modelSchema.parse>;
/** A mart as it was written. */
export type GivenMart = GivenModel["marts"][string];
/** A dataset as it was written. */
export type GivenDataset = GivenModel["datasets"][string];

/** JSON Schema of the model file, as text with a final line end. */
export function modelJsonSchema(): string {
  const schema = z.toJSONSchema(modelSchema, { io: "input", unrepresentable: "any" });
  return JSON.stringify({ title: "nightly-marts model", ...schema }, null, 2) + "\n";
}
