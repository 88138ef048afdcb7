/**
 * Headers as they are looked up: the places of the contract's columns, and the tables that prove rows below them.
 *
 * @module
 */
import type { CheckSettings } from "./schema.ts";
import { DEFAULT_FORM, renaming } from "./form.ts";
import { bindHeader, type BoundHeader, layoutOf } from "./header.ts";
import { isSpelledOtherwise } from "./spelled.ts";
import { compileSpelling, type SpellingTable } from "../csv/spelling.ts";
import type { FileFault } from "../source_file.ts";

/** A header with everything in it. */
export interface Layout {
  /** Headers whose columns stand in the same places, and whose rows are proven alike, have the same key. */
  readonly key: string;
  /** The header, bound to the contract. */
  readonly header: BoundHeader;
  /** Proves the rows of a file that the engine can read in its place. */
  readonly inPlace: SpellingTable;
  /** Proves rows line by line, to be copied. */
  readonly copied: SpellingTable;
}

/** Headers that are kept: a table takes some 200 KB. */
const MOST_KEPT = 50;

/** Proves nothing. */
const NO_PROOF: SpellingTable = new Int32Array(512);

/**
 * Whether the names of a header, in whatever order, may be the values of an exact row: in the place of each column that is
 * no text a name that begins like a number. The contract's own names begin with a letter.
 */
function mayBeExact(names: readonly string[], { columns }: BoundHeader): boolean {
  const numbers = names.filter((name) => /^[ \t]*[-+.0-9]/.test(name)).length;
  return numbers >= columns.filter(({ type }) => type.kind !== "text").length;
}

/** Looks up headers, of which a delivery has few as a rule. */
export class Layouts {
  readonly #config: CheckSettings;
  readonly #known = new Map<string, Layout | FileFault>();

  /** Knows no header yet. */
  constructor(config: CheckSettings) {
    this.#config = config;
  }

  /** The layout of a header, or its fault. */
  of(names: readonly string[]): Layout | FileFault {
    const id = JSON.stringify(names);
    const known = this.#known.get(id);
    if (known) return known;
    if (this.#known.size >= MOST_KEPT) this.#known.clear();
    const layout = this.#compile(names);
    this.#known.set(id, layout);
    return layout;
  }

  #compile(names: readonly string[]): Layout | FileFault {
    const { contract, csv, form = DEFAULT_FORM } = this.#config;
    const header = bindHeader(names.map(renaming(form)), contract, csv.maxColumns);
    if ("reason" in header) return header;
    const places = header.columns.map((column) => column.index);
    const layout = layoutOf(header), { delimiter, quote } = csv;
    // A row that repeats the header could be exact, and values of another form are: each row has to be looked at.
    if (mayBeExact(names, header) || header.columns.some(({ type }) => isSpelledOtherwise(type, form))) {
      return {
        key: JSON.stringify([header.width, places, "unproven"]),
        header,
        inPlace: NO_PROOF,
        copied: NO_PROOF,
      };
    }
    return {
      key: JSON.stringify([header.width, places]),
      header,
      inPlace: compileSpelling(layout, delimiter, { quote }),
      copied: compileSpelling(layout, delimiter, { quote, byLine: true }),
    };
  }
}
