/**
 * What DuckDB's binder says of a SELECT: the columns that it gives, or why it does not bind.
 *
 * @module
 */
import type { Duckdb } from "../duckdb/duckdb.ts";
import { PipelineError } from "../errors.ts";
import type { Inputs } from "./engine.ts";
import type { Fault } from "./tree.ts";

/** The last lines of DuckDB's text show the place; the line of the bracket comes first. */
const PLACE = /\nLINE (\d+): /;
const UNPARSED = /^(?:Failed to extract statements: )?Parser Error/;
const NO_SINGLE_SELECT = "it must do in brackets too: without a semicolon at its end";

/** Names and types of the columns of a SELECT that parses over inputs, in their order; it is not run. */
export async function bind(
  db: Duckdb,
  select: string,
  inputs: Inputs,
): Promise<readonly (readonly [name: string, type: string])[] | Fault> {
  try {
    return await db.describe(select, inputs);
  } catch (error) {
    if (error instanceof PipelineError || !(error instanceof Error)) throw error;
    const [what = "it does not bind"] = error.message.split("\n");
    if (UNPARSED.test(what)) return { what: NO_SINGLE_SELECT, line: null };
    const line = PLACE.exec(error.message)?.[1];
    return { what, line: line === undefined ? null : Number(line) - 1 };
  }
}
