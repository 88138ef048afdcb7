/**
 * The kinds of stores and databases: how each is opened, what it needs of the process, and where it is.
 *
 * The drivers of S3 and MySQL are loaded only when they are used: that takes longer than a small night.
 *
 * @module
 */
import type { Config } from "../config/schema.ts";
import type { Database } from "../database/database.ts";
import { openDuckdbDatabase } from "../database/duckdb/database.ts";
import type { Monotonic } from "../run/lease.ts";
import { openFolderStore } from "../store/folder/store.ts";
import type { ObjectStore } from "../store/store.ts";

/** What a store is opened with, besides its settings. */
export interface StoreOptions {
  /** The wall clock. */
  readonly now: () => Date;
  /** Is given the secrets that the store's driver finds by itself. */
  readonly learnSecret: (value: string) => void;
  /** Interrupts requests. */
  readonly signal: AbortSignal;
}

/** What a database is opened with, besides its settings. */
export interface DatabaseOptions {
  /** The folder that may hold temporary files. */
  readonly workDir: string;
  /** Bounds of memory and threads. */
  readonly resources: Config["resources"];
  /** Nothing is to be changed. */
  readonly readOnly: boolean;
  /** A fresh random UUID. */
  readonly newId: () => string;
  /** A clock that only goes forward. */
  readonly monotonic: Monotonic;
  /** Interrupts queries. */
  readonly signal: AbortSignal;
}

/** Opens the configured store. */
export async function openStore(
  settings: Config["store"],
  { now, learnSecret, signal }: StoreOptions,
): Promise<ObjectStore> {
  if (settings.kind === "folder") return await openFolderStore(settings.path, () => now().getTime());
  const { openS3Store } = await import("../store/s3/store.ts");
  return await openS3Store(settings, { signal, learnSecret });
}

/** Opens the configured database. */
export async function openDatabase(
  settings: Config["database"],
  options: DatabaseOptions,
): Promise<Database> {
  if (settings.kind === "duckdb") return openDuckdbDatabase({ ...options, path: settings.path });
  const { openMysqlDatabase } = await import("../database/mysql/database.ts");
  return openMysqlDatabase({ ...options, ...settings });
}

/**
 * The rights of the process that a configuration has no use for: a folder and a DuckDB file need no network, and only
 * S3's default chain looks into the environment again.
 */
export function unusedRights({ store, database }: Config): ("env" | "sys" | "net")[] {
  if (store.kind === "s3") return [];
  return database.kind === "mysql" ? ["env", "sys"] : ["env", "sys", "net"];
}

/** Whether a store is asked by HTTP requests, whose URLs tell the bucket and the keys. */
export function sendsRequests({ kind }: Config["store"]): boolean {
  return kind === "s3";
}

/** Where a run's store and database are; each stage may have an account of its own there. */
export function placesOf({ store, database }: Config): Pick<Config, "store" | "database"> {
  return { store, database: database.kind === "mysql" ? { ...database, user: "" } : database };
}
