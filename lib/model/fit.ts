/**
 * Whether the entries of a model fit together: names, columns, keys, money, prefixes. What a query gives is for
 * `describe.ts`.
 *
 * @module
 */
import { REPEATED_HEADER } from "../contract/contract.ts";
import { type ColumnType, parseColumnType } from "../column_type.ts";
import type { ValuePath } from "../config/document.ts";
import type { Prefixes } from "../config/schema.ts";
import { OWN_TABLES } from "../database/tables.ts";
import { acceptedView, type Mart, type Model } from "./model.ts";
import type { GivenModel } from "./schema.ts";

/** What is wrong with an entry. */
export interface ModelFault {
  /** The path of the entry in the model file. */
  readonly path: ValuePath;
  /** In words that follow the key. */
  readonly what: string;
}

/** Views that the stages make for themselves; those of the contract check have names that no model can give. */
const OWN_VIEWS = ["accepted_money", "keys", "mart_keys", "mart_money", "rejects", "totals"];
/** Digits of money, so that no sum of rows of a night overflows DECIMAL(28,2). */
const MOST_MONEY_DIGITS = 18;
const MONEY_SCALE = 2;

/** What is wrong with a model, in the order of the file. */
export function checkFit(given: GivenModel): ModelFault[] {
  return [...checkNames(given), ...checkDimensions(given), ...checkDatasets(given), ...checkMarts(given)];
}

/** Dimensions, accepted rows and marts are views of one engine, dimensions and totals tables of one database. */
function* checkNames({ dimensions, datasets, marts }: GivenModel): Generator<ModelFault> {
  const taken = new Map<string, string>();
  const entries: { path: ValuePath; name: string; isTable: boolean }[] = [
    ...Object.keys(dimensions).map((name) => ({ path: ["dimensions", name], name, isTable: true })),
    ...Object.keys(datasets).map((name) => ({
      path: ["datasets", name],
      name: acceptedView(name),
      isTable: false,
    })),
    ...Object.entries(marts).map(([name, { table }]) => ({
      path: ["marts", name],
      name,
      isTable: table !== undefined,
    })),
  ];
  for (const { path, name, isTable } of entries) {
    const key = name.toLowerCase();
    const other = taken.get(key);
    if (OWN_VIEWS.includes(key) || key.startsWith("pipeline_")) {
      yield { path, what: `the name ${name} is reserved` };
    } else if (isTable && OWN_TABLES.includes(key)) {
      yield { path, what: `the name ${name} is that of a table of the pipeline's own` };
    } else if (other !== undefined) {
      yield { path, what: `the name ${name} is taken by ${other}` };
    }
    taken.set(key, path.join("."));
  }
}

function* checkDimensions({ dimensions }: GivenModel): Generator<ModelFault> {
  for (const [name, { key, ids: given, text, personal }] of Object.entries(dimensions)) {
    const path = ["dimensions", name];
    const columns = [...given ?? [], ...text];
    yield* checkRepeats([...path, "text"], columns);
    if (given !== undefined && !columns.includes(key)) {
      yield { path: [...path, "key"], what: `"${key}" must be among ids or text` };
    }
    const strangers = personal.filter((column) => !columns.includes(column));
    yield* strangers.map((column) => ({
      path: [...path, "personal"],
      what: `"${column}" is not among the columns`,
    }));
  }
}

function* checkDatasets({ dimensions, datasets }: GivenModel): Generator<ModelFault> {
  for (const [name, { columns, keys, rules, lookups, money }] of Object.entries(datasets)) {
    const path = ["datasets", name];
    const typeOf = (column: string) => parseColumnType(columns[column] ?? "");
    for (const [column, target] of Object.entries(keys)) {
      const dimension = dimensions[target];
      const what = dimension
        ? faultOfReference(column, typeOf(column), {
          name: target,
          column: dimension.key,
          isText: dimension.text.includes(dimension.key),
        })
        : `there is no dimension "${target}"`;
      if (what !== null) yield { path: [...path, "keys", column], what };
    }
    for (const [warning, { column, dimension: target, among }] of Object.entries(lookups)) {
      const dimension = dimensions[target];
      const isText = dimension?.text.includes(among) ?? false;
      const isThere = isText || among === dimension?.key || (dimension?.ids?.includes(among) ?? false);
      const what = !dimension
        ? `there is no dimension "${target}"`
        : !isThere
        ? `the dimension "${target}" has no column "${among}"`
        : faultOfReference(column, typeOf(column), { name: target, column: among, isText });
      if (what !== null) yield { path: [...path, "lookups", warning], what };
      if (warning === REPEATED_HEADER) {
        yield { path: [...path, "lookups", warning], what: "the name is taken by a built-in warning" };
      }
      if (warning in rules) {
        yield { path: [...path, "rules", warning], what: "the name is taken by a lookup" };
      }
    }
    const type = typeOf(money);
    if (type?.kind !== "decimal" || type.scale !== MONEY_SCALE || type.precision > MOST_MONEY_DIGITS) {
      const what = `"${money}" must be one of the columns, and a decimal(p,2) of at most 18 digits`;
      yield { path: [...path, "money"], what };
    }
  }
}

/** What is wrong with a column that refers to one of a dimension; `null` if nothing is. */
function faultOfReference(
  column: string,
  type: ColumnType | null,
  target: { readonly name: string; readonly column: string; readonly isText: boolean },
): string | null {
  if (type === null) return `"${column}" is not among the columns`;
  const wanted = target.isText ? "text" : "integer";
  return type.kind === wanted
    ? null
    : `"${column}" must be ${wanted}, as ${target.name}.${target.column} is, not ${type.kind}`;
}

function* checkMarts({ datasets, marts }: GivenModel): Generator<ModelFault> {
  for (const [name, mart] of Object.entries(marts)) {
    const path = ["marts", name];
    const from = typeof mart.from === "string" ? [mart.from] : Object.keys(mart.from);
    if (from.length === 0) yield { path: [...path, "from"], what: "must name a dataset" };
    for (const dataset of from) {
      if (!(dataset in datasets)) yield { path: [...path, "from"], what: `there is no dataset "${dataset}"` };
    }
    if (mart.grain === "row") {
      if (mart.table) yield { path: [...path, "table"], what: "a mart of grain row has no table" };
      yield* checkRepeats([...path, "partitionBy"], mart.partitionBy ?? []);
    } else {
      for (const key of ["prefix", "partitionBy"] as const) {
        if (mart[key] !== undefined) {
          yield { path: [...path, key], what: "a mart of grain totals has no Parquet" };
        }
      }
      yield* mart.table ? checkTable([...path, "table"], mart.table) : [{
        path,
        what: "a mart of grain totals needs a table: what its rows are added to",
      }];
    }
  }
}

function* checkTable(
  path: ValuePath,
  { key, add, latest, types, incentive }: NonNullable<GivenModel["marts"][string]["table"]>,
): Generator<ModelFault> {
  yield* checkRepeats(path, [...key, ...Object.keys(add), ...latest, ...incentive ? [incentive.column] : []]);
  for (const column of Object.keys(types)) {
    if (!key.includes(column)) {
      yield { path: [...path, "types", column], what: `"${column}" is not in the key` };
    }
  }
  if (!incentive) return;
  const type = parseColumnType(add[incentive.of] ?? "");
  if (type?.kind !== "decimal" || type.scale !== MONEY_SCALE) {
    yield { path: [...path, "incentive", "of"], what: `"${incentive.of}" must be in add, as a decimal(p,2)` };
  }
  for (const column of incentive.within) {
    if (!key.includes(column)) {
      yield { path: [...path, "incentive", "within"], what: `"${column}" is not in the key` };
    }
  }
}

/** Databases compare names of columns without case. */
function* checkRepeats(path: ValuePath, columns: readonly string[]): Generator<ModelFault> {
  const seen = new Set<string>();
  for (const column of columns) {
    if (seen.has(column.toLowerCase())) yield { path, what: `"${column}" is there twice` };
    seen.add(column.toLowerCase());
  }
}

/** A prefix of the store with the place where it was given. */
interface PlacedPrefix {
  readonly path: ValuePath;
  readonly prefix: string;
}

/** Prefixes that contain each other, or are the same: what is below one would be taken for what is below the other. */
export function checkPrefixes({ datasets, marts }: Model, { staging, runs }: Prefixes): ModelFault[] {
  const own = [{ path: ["prefixes", "staging"], prefix: staging }, {
    path: ["prefixes", "runs"],
    prefix: runs,
  }];
  const all: PlacedPrefix[] = [
    ...Object.entries(datasets).flatMap(([name, dataset]) =>
      (["source", "processed", "error", "accepted"] as const).map((key) => ({
        path: ["datasets", name, key],
        prefix: dataset[key],
      }))
    ),
    ...Object.entries(marts).flatMap(([name, { files }]) =>
      files ? [{ path: ["marts", name, "prefix"], prefix: files.prefix }] : []
    ),
    ...own,
  ];
  return all.flatMap(({ path, prefix }, at) => {
    const outer = all.find((other, i) => i !== at && prefix.startsWith(other.prefix));
    // Of two that are the same one fault is enough.
    if (!outer || (outer.prefix === prefix && all.indexOf(outer) > at)) return [];
    return [{ path, what: `"${prefix}" lies within "${outer.prefix}" (${outer.path.join(".")})` }];
  });
}

/** The column of money of a mart, or what is wrong in words. */
export function moneyOf(
  mart: GivenModel["marts"][string],
  datasets: readonly { readonly money: string }[],
): { money: Mart["money"] } | { what: string } {
  const add = mart.table?.add;
  const candidates = add
    ? Object.keys(add).filter((column) => {
      const type = parseColumnType(add[column] ?? "");
      return type?.kind === "decimal" && type.scale === MONEY_SCALE;
    })
    : null;
  const named = mart.money ??
    datasets.map(({ money }) => money).find((money) => candidates?.includes(money) ?? true);
  if (candidates === null) return { money: named ?? "" };
  if (named !== undefined && candidates.includes(named)) return { money: named };
  const [only, ...others] = candidates;
  if (mart.money === undefined && only !== undefined && others.length === 0) return { money: only };
  return { what: 'must say which column of "add" is its money, a decimal(p,2): "money": "COLUMN"' };
}
