/**
 * Python with the readers of the docs' examples, pandas, DuckDB and Spark, in a virtual environment that is made once
 * and kept in a cache folder.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { keptProgram, runProgram } from "../support/programs.ts";

const REQUIREMENTS = fileURLToPath(new URL("./requirements.txt", import.meta.url));
const SCRIPT = fileURLToPath(new URL("./run_queries.py", import.meta.url));

/** What reads the marts. */
export type Reader = "duckdb" | "spark" | "pandas";

/** The result of a query; every value is text. */
export interface Result {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Runs queries in a folder, all in one process, and gives their results. */
export async function runQueries(
  reader: Reader,
  queries: readonly string[],
  folder: string,
): Promise<Result[]> {
  const process = new Deno.Command(await python(), {
    args: [SCRIPT],
    cwd: folder,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  await new Blob([JSON.stringify({ engine: reader, queries })]).stream().pipeTo(process.stdin);
  const { code, stdout, stderr } = await process.output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** Path of a program that is Python with everything that {@linkcode REQUIREMENTS} names. */
async function python(): Promise<string> {
  const requirements = await Deno.readTextFile(REQUIREMENTS);
  const name = `readers-${createHash("sha256").update(requirements).digest("hex").slice(0, 16)}`;
  return await keptProgram(name, async (_, program) => {
    const venv = `${program}.venv`;
    const install = [["-m", "venv", "--clear", venv], [
      "-m",
      "pip",
      "install",
      "--quiet",
      "-r",
      REQUIREMENTS,
    ]];
    for (const [index, args] of install.entries()) {
      const { success, text } = await runProgram(index === 0 ? "python3" : `${venv}/bin/python`, args);
      if (!success) {
        throw new Error(
          "The readers' tests need Python 3.11 or newer with venv, and a package index: " +
            `apt-get install -y python3-venv. ${args.join(" ")} failed: ${text.slice(-2000)}`,
        );
      }
    }
    // Last, and not a link: the program is there only if everything is.
    await Deno.writeTextFile(program, `#!/bin/sh\nexec '${venv}/bin/python' "$@"\n`, { mode: 0o755 });
  });
}
