/**
 * Which source a file is of, and what it is checked by.
 *
 * @module
 */
import type { CheckSettings, CsvSettings } from "../contract/schema.ts";
import type { Source } from "../contract/form.ts";
import { compileGlob } from "../glob.ts";
import type { Dataset } from "../model/model.ts";
import { deliveredName } from "./destination.ts";

/** Gives the first source whose pattern matches a key of the dataset, `null` if none does. */
export function sourceFinder({ source: landing, sources }: Dataset): (key: string) => Source | null {
  const all = sources.map((source) => ({ source, matches: compileGlob(source.match) }));
  return (key) => {
    const name = deliveredName(key.slice(landing.length));
    return all.find(({ matches }) => matches(name))?.source ?? null;
  };
}

/** What the files of a source are checked by. */
export function settingsOf(
  { contract }: Pick<Dataset, "contract">,
  csv: CsvSettings,
  source: Source | null,
): CheckSettings {
  if (source === null) return { contract, csv };
  const { match: _match, delimiter = csv.delimiter, quote = csv.quote, ...form } = source;
  return { contract, csv: { ...csv, delimiter, quote }, form };
}
