/**
 * The pages that people read, `README.md` and those in `docs/`, taken apart: what tests follow, run or compare.
 *
 * Understands the Markdown that is used here: headings with `#`, blocks between fences, links and code within lines.
 *
 * @module
 */
import { join } from "node:path";
import { REPOSITORY } from "./task.ts";
import { listFiles } from "./tree.ts";

/** A block between fences. */
export interface Block {
  /** The line of its first fence, from 1. */
  readonly line: number;
  /** What stands behind the first fence, such as `jsonc` or `sql duckdb`. */
  readonly language: string;
  /** Without the fences; ends in a line end. */
  readonly text: string;
}

/** A piece of text within a line, and where it stands. */
export interface Inline {
  /** From 1. */
  readonly line: number;
  /** A link's target, or the code between backticks. */
  readonly text: string;
}

/** A page taken apart. */
export interface Page {
  /** Relative to the repository, such as `docs/marts.md`. */
  readonly path: string;
  /** How many lines it has. */
  readonly lineCount: number;
  /** What may stand behind `#` in a link to it. */
  readonly anchors: ReadonlySet<string>;
  readonly blocks: readonly Block[];
  readonly links: readonly Inline[];
  readonly code: readonly Inline[];
}

const FENCE = /^ *```(.*)$/;
const HEADING = /^#{1,6} (.+)$/;
const LINK = /\]\(([^()\s]+)\)/g;
const CODE = /`([^`]+)`/g;

/** Takes a page apart. */
export function parsePage(path: string, source: string): Page {
  const lines = source.replace(/\n$/, "").split("\n");
  const anchors = new Set<string>();
  const blocks: Block[] = [], links: Inline[] = [], code: Inline[] = [];
  let open: { line: number; language: string; lines: string[] } | null = null;
  for (const [index, text] of lines.entries()) {
    const line = index + 1;
    const [fence, language = ""] = FENCE.exec(text) ?? [];
    if (open && fence === undefined) {
      open.lines.push(text);
    } else if (open) {
      blocks.push({
        line: open.line,
        language: open.language,
        text: open.lines.map((l) => `${l}\n`).join(""),
      });
      open = null;
    } else if (fence !== undefined) {
      open = { line, language: language.trim(), lines: [] };
    } else {
      const [, heading] = HEADING.exec(text) ?? [];
      if (heading !== undefined) addAnchor(anchors, anchorOf(heading));
      for (const [, found = ""] of text.replaceAll(CODE, "").matchAll(LINK)) {
        links.push({ line, text: found });
      }
      for (const [, found = ""] of text.matchAll(CODE)) code.push({ line, text: found });
    }
  }
  if (open) throw new Error(`${path}:${open.line}: the block has no end`);
  return { path, lineCount: lines.length, anchors, blocks, links, code };
}

/** Reads `README.md` and every page below `docs/`. */
export async function readPages(): Promise<Page[]> {
  const docs = (await listFiles(join(REPOSITORY, "docs"))).filter((name) => name.endsWith(".md")).sort();
  const paths = ["README.md", ...docs.map((name) => `docs/${name}`)];
  return await Promise.all(
    paths.map(async (path) => parsePage(path, await Deno.readTextFile(join(REPOSITORY, path)))),
  );
}

/** A heading's anchor, as the sites that show Markdown make it. */
export function anchorOf(heading: string): string {
  return heading.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-");
}

/** A heading that occurs again gets a number. */
function addAnchor(anchors: Set<string>, anchor: string): void {
  let unique = anchor;
  for (let again = 1; anchors.has(unique); again++) unique = `${anchor}-${again}`;
  anchors.add(unique);
}
