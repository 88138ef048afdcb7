/**
 * A store, a database, a work dir and a configuration of a test's own, in a temporary folder.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { DIMENSION_TABLES } from "./datasets.ts";
import { sqlText, withDuckdb } from "./duckdb.ts";
import { removeAtEnd } from "./ending.ts";
import { listFiles } from "./tree.ts";

/** Absolute paths of what a test has to itself; everything is deleted at its end. */
export interface Workspace extends AsyncDisposable {
  /** Holds all the others. */
  readonly folder: string;
  /** The folder store's root. */
  readonly store: string;
  /** The DuckDB file, missing until something is put into it. */
  readonly database: string;
  readonly workDir: string;
  /** The configuration file. */
  readonly config: string;
}

/** Makes a workspace with an empty store; `options` are further keys of the configuration, or other values for them. */
export async function createWorkspace(options: Readonly<Record<string, unknown>> = {}): Promise<Workspace> {
  const folder = await Deno.makeTempDir({ prefix: "nightly-marts-" });
  const workspace = {
    folder,
    store: join(folder, "store"),
    database: join(folder, "warehouse.duckdb"),
    workDir: join(folder, "work"),
    config: join(folder, "config.jsonc"),
    [Symbol.asyncDispose]: () => removeAtEnd(folder),
  };
  await Deno.mkdir(workspace.store);
  const config = {
    store: { kind: "folder", path: "store" },
    database: { kind: "duckdb", path: "warehouse.duckdb" },
    workDir: "work",
    ...options,
  };
  await Deno.writeTextFile(workspace.config, JSON.stringify(config, null, 2));
  return workspace;
}

/** Absolute path of something in the golden data, such as `night-1/landing`. */
export function goldenPath(path: string): string {
  return fileURLToPath(new URL(`../testdata/golden/${path}`, import.meta.url));
}

/** Makes or replaces the four dimension tables from `NAME.csv` files; an empty field is NULL. */
export async function loadDimensions(workspace: Workspace, folder: string): Promise<void> {
  await withDuckdb(workspace.database, async (connection) => {
    for (const [table, columns] of Object.entries(DIMENSION_TABLES)) {
      const types = columns.map((column) => column.replace(/^(\w+) (.*)$/, "$1: '$2'")).join(", ");
      await connection.run(
        `CREATE OR REPLACE TABLE ${table} AS FROM read_csv(${sqlText(join(folder, `${table}.csv`))},
           auto_detect = false, header = true, delim = ',', quote = '"', nullstr = '', columns = {${types}})`,
      );
    }
  });
}

/** Copies all files below a folder, hidden ones too, into a landing prefix; gives their paths below the folder. */
export async function deliver(
  workspace: Workspace,
  folder: string,
  prefix = "sales_data",
): Promise<string[]> {
  const names = await listFiles(folder);
  for (const name of names) {
    const target = join(workspace.store, prefix, name);
    await Deno.mkdir(dirname(target), { recursive: true });
    // Written, not copied: a copy would take the mode of the test data along, which may be read-only.
    await Deno.writeFile(target, await Deno.readFile(join(folder, name)));
  }
  return names.sort();
}
