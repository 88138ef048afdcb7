/**
 * What headers mean: where each has the contract's columns, and the table that proves rows under it.
 *
 * @module
 */
import type { CheckSettings } from "./schema.ts";
import { bindHeader, type BoundHeader, layoutOf } from "./header.ts";
import { compileSpelling, type SpellingTable } from "../csv/spelling.ts";
import type { FileFault } from "../source_file.ts";

/** A header with everything in it. */
export interface Layout {
  /** The same for all headers whose columns stand in the same places. */
  readonly key: string;
  /** Bound to the contract. */
  readonly header: BoundHeader;
  /** Proves rows as the engine can read them where they are. */
  readonly inPlace: SpellingTable;
  /** Proves rows that are copied, line by line. */
  readonly copied: SpellingTable;
}

/** Headers that are kept; a table takes some 200 KB. */
const MOST_KEPT = 50;

/** Looks up headers, of which a delivery has few as a rule. */
export class Layouts {
  readonly #config: CheckSettings;
  readonly #known = new Map<string, Layout | FileFault>();

  /** By the contract and the CSV dialect. */
  constructor(config: CheckSettings) {
    this.#config = config;
  }

  /** The layout of a header, or what is wrong with it. */
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
    const { contract, csv } = this.#config;
    const header = bindHeader(names, contract, csv.maxColumns);
    if ("reason" in header) return header;
    const key = JSON.stringify([header.width, header.columns.map((column) => column.index)]);
    const layout = layoutOf(header), { delimiter, quote } = csv;
    return {
      key,
      header,
      inPlace: compileSpelling(layout, delimiter, { quote }),
      copied: compileSpelling(layout, delimiter, { quote, byLine: true }),
    };
  }
}
