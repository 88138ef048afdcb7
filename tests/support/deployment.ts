/**
 * Where nights run: any kind of store and database, with the same look from outside.
 *
 * @module
 */
import { withDuckdb } from "./duckdb.ts";
import { createWorkspace, deliver, loadDimensions, type Workspace } from "./workspace.ts";

/**
 * A workspace whose `store` and `database` show what the configured ones hold: they are these themselves, or copies as
 * of the last {@linkcode Deployment.refresh}.
 */
export interface Deployment extends Workspace {
  /** Makes or replaces the four dimension tables from `NAME.csv` files; an empty field is NULL. */
  loadDimensions(folder: string): Promise<void>;
  /** Puts all files below a folder into a landing prefix, `sales_data` if none is given. */
  deliver(folder: string, prefix?: string): Promise<void>;
  /** Runs statements that DuckDB and MySQL share. */
  sql(...statements: readonly string[]): Promise<void>;
  /** Brings `store` and `database` up to date. */
  refresh(): Promise<void>;
}

/** The embedded default: a folder and a DuckDB file. */
export async function createEmbedded(options: Readonly<Record<string, unknown>> = {}): Promise<Deployment> {
  const workspace = await createWorkspace(options);
  return {
    ...workspace,
    loadDimensions: (folder) => loadDimensions(workspace, folder),
    deliver: async (folder, prefix) => void await deliver(workspace, folder, prefix),
    sql: (...statements) =>
      withDuckdb(workspace.database, async (connection) => {
        for (const statement of statements) await connection.run(statement);
      }),
    refresh: () => Promise.resolve(),
  };
}
