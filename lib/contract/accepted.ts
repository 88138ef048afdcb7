/**
 * Takes rows out of accepted ones that are written already.
 *
 * They are written anew only if there is something to take out, which is rare: to know it beforehand would cost all nights
 * more than it saves some.
 *
 * @module
 */
import { join } from "node:path";
import { knownKeysSql, unknownKeysSql } from "./accepted_sql.ts";
import {
  type CheckContext,
  joinWritten,
  type ReadableFile,
  type ScanContext,
  writeParquet,
} from "./context.ts";
import type { Tally } from "./tally.ts";
import type { Written } from "../engine/engine.ts";
import type { SourceFile } from "../source_file.ts";

/** Counts the accepted rows of files, and takes out those with unknown keys. */
export async function dropUnknownKeys(
  files: readonly ReadableFile[],
  written: readonly Written[],
  tally: Tally,
  context: ScanContext,
): Promise<Written[]> {
  await tally.countAccepted(files, joinWritten(written));
  if (written.every(({ rowCount }) => rowCount === 0)) return [];
  const { engine, config: { contract } } = context;
  const [found] = await engine.query(unknownKeysSql(contract));
  if (Number(found?.unknown_count) === 0) return [...written];
  const known = await writeParquet(knownKeysSql(contract), context.results("typed-known"), context);
  await tally.countAccepted(files, known);
  return [known];
}

/** Takes out the rows of some files; parts that have none of these stay as they are. */
export async function dropFiles(
  files: readonly SourceFile[],
  parts: readonly Written[],
  folder: string,
  context: CheckContext,
): Promise<Written[]> {
  if (files.length === 0) return [...parts];
  const { engine } = context;
  await engine.nameValues(
    "@dropped",
    { source_key: "VARCHAR" },
    files.map(({ key }) => ({ source_key: key })),
  );
  const kept: Written[] = [];
  for (const [index, written] of parts.entries()) {
    if (written.rowCount === 0) continue;
    await engine.nameParquet("@written", written.files);
    const [hit] = await engine.query(
      `SELECT count(*) AS row_count FROM "@written" SEMI JOIN "@dropped" USING (source_key)`,
    );
    const sql = `SELECT * FROM "@written" ANTI JOIN "@dropped" USING (source_key)`;
    const isUntouched = Number(hit?.row_count) === 0;
    kept.push(isUntouched ? written : await writeParquet(sql, join(folder, String(index)), context));
  }
  return kept;
}
