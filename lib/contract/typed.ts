/**
 * The typed reading of candidates: the engine reads them in their place, while the scan still goes on that proves their
 * rows to be exact.
 *
 * @module
 */
import { join } from "node:path";
import { type CheckContext, type ScanContext, writeParquet } from "./context.ts";
import { DEFAULT_FORM } from "./form.ts";
import type { BoundHeader } from "./header.ts";
import type { Layout } from "./layouts.ts";
import { exactTypes, textColumns } from "./row_sql.ts";
import { typedRowsSql } from "./typed_sql.ts";
import { isDefaultText } from "../csv/form.ts";
import { beginProof, type Candidate } from "../csv/proof.ts";
import type { Written } from "../engine/engine.ts";
import type { SourceFile } from "../source_file.ts";
import { literal } from "../sql.ts";

/** A file that may turn out to have nothing but exact rows. */
export interface CandidateFile {
  /** The file as download has left it. */
  readonly file: SourceFile;
  /** Its text; absolute. */
  readonly path: string;
  /** The proof, which is begun. */
  readonly proof: Candidate<Layout>;
}

/** Finds the candidates among files, by their first chunks. */
export async function findCandidates(
  files: readonly SourceFile[],
  { config: { csv, form = DEFAULT_FORM }, layouts, buffer, runFolder, signal }: ScanContext,
): Promise<Map<SourceFile, CandidateFile>> {
  const candidates = new Map<SourceFile, CandidateFile>();
  if (!isDefaultText(form)) return candidates;
  for (const file of files) {
    const path = join(runFolder, file.content ?? "");
    const proof = await beginProof(path, { ...csv, buffer, signal }, (names) => {
      const layout = layouts.of(names);
      return "reason" in layout ? null : layout;
    });
    if (proof) candidates.set(file, { file, path, proof });
  }
  return candidates;
}

/** Large files that are read each by a view of its own, which costs less per row than looking its key up. */
const MOST_SINGLE_VIEWS = 64;

/**
 * Reads candidates before it is known that all their rows are exact: the rows of a candidate that turns out to have a
 * doubtful one must be dropped. Keys are not looked up.
 */
export async function readCandidates(
  files: readonly CandidateFile[],
  context: ScanContext,
): Promise<Written[]> {
  const { config: { contract } } = context;
  const written: Written[] = [];
  // Files whose columns stand in the same places are read by one query.
  const groups = Map.groupBy(files, ({ proof }) => proof.layout.key).values();
  for (const [index, group] of [...groups].entries()) {
    const header = group[0]?.proof.layout.header;
    if (!header) continue;
    const rows = await nameGroup(group, header, context);
    const sql = typedRowsSql(rows, header, contract);
    written.push(await writeParquet(sql, join(context.results("typed"), String(index)), context));
  }
  return written;
}

/** Names files of one layout; gives a SELECT of their rows, typed, with the key of each row's file. */
async function nameGroup(
  group: readonly CandidateFile[],
  header: BoundHeader,
  context: CheckContext,
): Promise<string> {
  const selects: string[] = [];
  const large = group.filter(({ proof }) => !proof.isWhole).slice(0, MOST_SINGLE_VIEWS);
  for (const { file, path } of large) {
    await nameTyped(`@typed_${file.id}`, [path], header, context);
    selects.push(`SELECT *, ${literal(file.key)} AS source_key FROM "@typed_${file.id}"`);
  }
  const others = group.filter((file) => !large.includes(file));
  if (others.length > 0) {
    await context.engine.nameValues(
      "@source",
      { filename: "VARCHAR", source_key: "VARCHAR" },
      others.map(({ file, path }) => ({ filename: path, source_key: file.key })),
    );
    await nameTyped("@typed", others.map(({ path }) => path), header, context);
    selects.push('SELECT t.*, s.source_key FROM "@typed" t JOIN "@source" s ON t.filename = s.filename');
  }
  return selects.join(" UNION ALL ");
}

async function nameTyped(
  view: string,
  files: readonly string[],
  header: BoundHeader,
  { engine, config: { csv } }: CheckContext,
): Promise<void> {
  await engine.nameText(view, {
    files,
    delimiter: csv.delimiter,
    columns: textColumns(header.width),
    types: exactTypes(header),
    skipLines: 1,
    maxLineBytes: csv.maxRowBytes,
  });
}
