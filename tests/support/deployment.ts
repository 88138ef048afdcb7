/**
 * Where nights run: any kind of store and database, with the same look from outside.
 *
 * @module
 */
import { createWorkspace, deliver, loadDimensions, type Workspace } from "./workspace.ts";

/**
 * A workspace whose `store` and `database` show what the configured ones hold: they are these themselves, or copies as
 * of the last {@linkcode Deployment.refresh}.
 */
export interface Deployment extends Workspace {
  /** Makes or replaces the four dimension tables from `NAME.csv` files; an empty field is NULL. */
  loadDimensions(folder: string): Promise<void>;
  /** Puts all files below a folder into the landing prefix. */
  deliver(folder: string): Promise<void>;
  /** Brings `store` and `database` up to date. */
  refresh(): Promise<void>;
}

/** The embedded default: a folder and a DuckDB file. */
export async function createEmbedded(): Promise<Deployment> {
  const workspace = await createWorkspace();
  return {
    ...workspace,
    loadDimensions: (folder) => loadDimensions(workspace, folder),
    deliver: async (folder) => void await deliver(workspace, folder),
    refresh: () => Promise.resolve(),
  };
}
