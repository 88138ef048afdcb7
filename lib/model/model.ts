/**
 * The model of a run: its dimensions, datasets and marts with every default filled in, and the text of every query. It is
 * part of the manifest, so that the compute stages need nothing but the work dir.
 *
 * @module
 */
import { z } from "zod";
import { sourceSchema } from "../contract/form.ts";
import { contractSchema } from "../contract/schema.ts";
import type { ReportingTable } from "../database/records.ts";

const text = z.string().min(1);
const names = z.array(text);

const dimension = z.strictObject({
  key: text,
  /** BIGINT in the snapshot. */
  ids: names,
  /** VARCHAR in the snapshot. */
  text: names,
  /** No log shows them. */
  personal: names,
});

const dataset = z.strictObject({
  /** Prefixes in the store; each ends in a slash. */
  source: text,
  processed: text,
  error: text,
  accepted: text,
  /** What its files must hold. */
  contract: contractSchema,
  /** Forms in which its files are delivered: the first whose pattern matches counts. */
  sources: z.array(sourceSchema).default([]),
  /** The column that is added up; a decimal with 2 places. */
  money: text,
});

const table = z.strictObject({
  name: text,
  /** In the order of the query, with the types of `ReportingTable`; empty until the engine has described the query. */
  columns: z.record(z.string(), text),
  key: names,
  /** With their types. */
  add: z.record(z.string(), text),
  latest: names,
  /** Types of text columns of the key that are not `text`. */
  types: z.record(z.string(), text),
  incentive: z.strictObject({ column: text, of: text, within: names }).nullable(),
});

const mart = z.strictObject({
  /** What it is, for people; empty if nobody said. */
  description: z.string(),
  stage: z.enum(["transform-customer", "transform-sales"]),
  /** Datasets, and whether their money counts as it is or is taken away. */
  from: z.record(z.string(), z.enum(["+", "-"])),
  /** One SELECT. */
  sql: text,
  /** Its column of money. */
  money: text,
  /** Whether a run's summary counts its rows. */
  summary: z.boolean(),
  /** Only one of both is given: `files` for grain `row`, `table` for grain `totals`. */
  files: z.strictObject({ prefix: text, partitionBy: names }).nullable(),
  table: table.nullable(),
});

/**
 * The model's part of the manifest.
 *
 * @internal
 */
export const frozenModelSchema = z.strictObject({
  dimensions: z.record(z.string(), dimension),
  datasets: z.record(z.string(), dataset),
  marts: z.record(z.string(), mart),
});

/** The model; see the module's head. */
export type Model = ReturnType<typeof frozenModelSchema.parse>;
/** A feed of source files. */
export type Dataset = Model["datasets"][string];
/** A mart, of either grain. */
export type Mart = Model["marts"][string];
/** The table of a mart of grain `totals`. */
export type MartTable = NonNullable<Mart["table"]>;

/** The tables of the marts of grain `totals`, as the database knows them. */
export function reportingTables({ marts }: Model): ReportingTable[] {
  return Object.values(marts).flatMap(({ table }) => table ? [reportingTable(table)] : []);
}

/** A mart's table as the database knows it. */
export function reportingTable({ name, columns, key, add, latest, incentive }: MartTable): ReportingTable {
  return { name, columns, key, add: Object.keys(add), latest, incentive };
}

/** The view of a dataset's accepted rows. */
export function acceptedView(dataset: string): string {
  return `accepted_${dataset}`;
}

/** The dataset that an object below a landing prefix belongs to; `null` for any other object. */
export function datasetOf({ datasets }: Model, key: string): string | null {
  return Object.entries(datasets).find(([, { source }]) => key.startsWith(source))?.[0] ?? null;
}

/** Columns that tell something about a person, of all dimensions. */
export function personalColumns({ dimensions }: Model): string[] {
  return [...new Set(Object.values(dimensions).flatMap(({ personal }) => personal))];
}
