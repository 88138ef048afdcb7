/**
 * Whether the sources of a dataset fit its contract and the configuration. What each entry may look like by itself is for
 * {@link ../contract/form.ts}.
 *
 * @module
 */
import type { ValuePath } from "../config/document.ts";
import type { Config } from "../config/schema.ts";
import type { Source } from "../contract/form.ts";
import { headerName } from "../csv/header.ts";
import type { ModelFault } from "./fit.ts";
import type { Dataset, Model } from "./model.ts";

/** A fault of a key of a source. */
interface SourceFault {
  readonly key: ValuePath;
  readonly what: string;
}

/** What is wrong with the sources of a model, whose contracts are those that hold. */
export function checkSources({ datasets }: Model, { csv }: Pick<Config, "csv">): ModelFault[] {
  return Object.entries(datasets).flatMap(([name, dataset]) =>
    dataset.sources.flatMap((source, i) =>
      [
        ...dialectFaults(source, csv),
        ...numberFaults(source),
        ...headerFaults(source, dataset, csv.maxColumns),
        ...renameFaults(source, dataset),
        ...matchFaults(source, dataset.sources.slice(0, i)),
      ].map(({ key, what }) => ({ path: ["datasets", name, "sources", i, ...key], what }))
    )
  );
}

function* dialectFaults(source: Source, csv: Config["csv"]): Generator<SourceFault> {
  for (const key of ["delimiter", "quote"] as const) {
    const given = source[key];
    // A value with such a mark in it could not be told from two fields, or from a quoted one.
    if (given !== undefined && /[A-Za-z0-9.+\- ]/.test(given)) {
      yield { key: [key], what: "may not be a character that values have" };
    }
  }
  const { delimiter, quote } = { ...csv, ...definedOf(source) };
  if (delimiter !== quote) return;
  const where = source.delimiter === undefined || source.quote === undefined
    ? "; what is left out is as in the configuration's csv"
    : "";
  yield {
    key: [source.quote === undefined ? "delimiter" : "quote"],
    what: `delimiter and quote must differ${where}`,
  };
}

/** The dialect that a source gives. */
function definedOf({ delimiter, quote }: Source): { delimiter?: string; quote?: string } {
  return { ...delimiter === undefined ? {} : { delimiter }, ...quote === undefined ? {} : { quote } };
}

function* numberFaults({ decimalComma, thousands }: Source): Generator<SourceFault> {
  const mark = decimalComma ? "," : ".";
  if (thousands !== mark) return;
  const hint = decimalComma
    ? '"thousands" may be "."'
    : 'a sender who writes 1.234,56 has "decimalComma": true';
  yield { key: ["thousands"], what: `must differ from the decimal mark, which is "${mark}"; ${hint}` };
}

function* headerFaults(
  { header, rename }: Source,
  { contract }: Dataset,
  maxColumns: number,
): Generator<SourceFault> {
  if (header === undefined) return;
  const names = header.map(headerName);
  const repeated = names.find((name, i) => name !== "" && names.indexOf(name) < i);
  if (repeated !== undefined) yield { key: ["header"], what: `has "${repeated}" more than once` };
  const missing = Object.keys(contract.columns).filter((column) => !names.includes(headerName(column)));
  if (missing.length > 0) {
    yield { key: ["header"], what: `lacks ${missing.join(", ")} of the dataset's columns` };
  }
  if (header.length > maxColumns) {
    yield { key: ["header"], what: `has ${header.length} columns, more than csv.maxColumns (${maxColumns})` };
  }
  if (Object.keys(rename).length > 0) {
    yield { key: ["rename"], what: "has nothing to rename: header gives the columns' own names" };
  }
}

function* renameFaults({ rename }: Source, { contract }: Dataset): Generator<SourceFault> {
  const seen = new Set<string>();
  for (const [from, to] of Object.entries(rename)) {
    const key = ["rename", from];
    if (!Object.hasOwn(contract.columns, to)) {
      yield { key, what: `"${to}" is not among the dataset's columns` };
    }
    const name = headerName(from);
    if (name === "") yield { key, what: "must be a name" };
    if (seen.has(name)) yield { key, what: "is there twice: case and blanks around a name do not count" };
    seen.add(name);
  }
}

/** An entry that can never count is a mistake. */
function* matchFaults({ match }: Source, before: readonly Source[]): Generator<SourceFault> {
  const covering = before.find((other) =>
    other.match === "**" || other.match === "*" || other.match.toLowerCase() === match.toLowerCase()
  );
  if (covering) yield { key: ["match"], what: `never counts: "${covering.match}" comes before it` };
}
