/**
 * The queries of a page with the results that it shows below them.
 *
 * @module
 */
import type { Page } from "./pages.ts";

/** A table of text: names of columns, and the rows' values, `NULL` where there is none. */
export interface Shown {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Blocks that ask the same in several languages, and the block with the result that follows them. */
export interface Query {
  /** Where the first of them stands. */
  readonly line: number;
  /** The text by its language, such as `sql duckdb`. */
  readonly texts: ReadonlyMap<string, string>;
  readonly result: Shown;
}

/** What a page asks: each `text` block is the result of the blocks in front of it, up to the `text` block before. */
export function queriesOf(page: Page): Query[] {
  const queries: Query[] = [];
  let texts = new Map<string, string>(), line = 0;
  for (const block of page.blocks) {
    if (block.language === "text") {
      if (texts.size > 0) queries.push({ line, texts, result: parseShown(block.text) });
      texts = new Map();
    } else if (!NEVER_RUN.includes(block.language)) {
      if (texts.size === 0) line = block.line;
      if (texts.has(block.language)) {
        throw new Error(`${page.path}:${block.line}: the result of ${line} is missing`);
      }
      texts.set(block.language, block.text);
    }
  }
  if (texts.size > 0) throw new Error(`${page.path}:${line}: the result is missing`);
  return queries;
}

/** Languages of blocks that no test can run. */
const NEVER_RUN = ["sql athena"];

/** Columns are two blanks or more apart. */
function parseShown(text: string): Shown {
  const [columns = [], ...rows] = text.trimEnd().split("\n").map((line) => line.trimEnd().split(/ {2,}/));
  return { columns, rows };
}
