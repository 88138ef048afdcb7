/**
 * Python with the programs that read the marts, pandas, DuckDB, Spark and more, in virtual environments that are made
 * once and kept in a cache folder.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { keptProgram, runProgram } from "../support/programs.ts";

/** Path of a file beside this one. */
const pathOf = (name: string) => fileURLToPath(new URL(name, import.meta.url));

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
  return await runScript("run_queries.py", { engine: reader, queries }, { cwd: folder });
}

/** What reads Parquet; `spark3` is the last release of Spark 3, `spark` one of 4. */
export type ParquetReader = Reader | "pyarrow" | "polars" | "spark3";

/** A folder of Parquet files as a program reads it. */
export interface ReadDataset {
  /** Names and types, in DuckDB's words. */
  readonly columns: readonly (readonly [name: string, type: string])[];
  /** Sorted; every value is text. */
  readonly rows: readonly (readonly (string | null)[])[];
}

/** Reads folders of Parquet files, all in one process. */
export async function readFolders(reader: ParquetReader, folders: readonly string[]): Promise<ReadDataset[]> {
  const isSpark3 = reader === "spark3";
  const request = { reader: isSpark3 ? "spark" : reader, folders };
  const requirements = isSpark3 ? "requirements_spark3.txt" : "requirements.txt";
  return await runScript("read_marts.py", request, { requirements });
}

async function runScript<T>(
  script: string,
  request: unknown,
  { cwd, requirements = "requirements.txt" }: { cwd?: string; requirements?: string },
): Promise<T> {
  const process = new Deno.Command(await python(pathOf(requirements)), {
    args: [pathOf(script)],
    ...(cwd ? { cwd } : {}),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  await new Blob([JSON.stringify(request)]).stream().pipeTo(process.stdin);
  const { code, stdout, stderr } = await process.output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** Path of a program that is Python with everything that a file of requirements names. */
async function python(path: string): Promise<string> {
  const requirements = await Deno.readTextFile(path);
  const name = `readers-${createHash("sha256").update(requirements).digest("hex").slice(0, 16)}`;
  return await keptProgram(name, async (_, program) => {
    const venv = `${program}.venv`;
    const install = [["-m", "venv", "--clear", venv], [
      "-m",
      "pip",
      "install",
      "--quiet",
      "-r",
      path,
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

/** Fails, and says what to install, if there is no Java that Spark can use. */
export async function requireJava(): Promise<void> {
  const { text } = await runProgram("java", ["-version"]);
  const [, version] = /version "(\d+)/.exec(text) ?? [];
  assert.ok(
    Number(version) >= 17,
    `Spark needs Java 17 or newer: apt-get install -y openjdk-17-jre-headless. java -version says: ${text}`,
  );
}
