/**
 * The outside world of a process: its environment, clocks and chance, and what opens stores, databases and engines.
 *
 * All of lib gets these as arguments, so that a test can put something else in their place.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import type { Config } from "../config/schema.ts";
import type { Environment } from "../config/values.ts";
import { openDuckdbEngine } from "../engine/duckdb.ts";
import type { Engine } from "../engine/engine.ts";
import type { Monotonic } from "../run/lease.ts";
import type { RandomBytes } from "../secrets/encryption.ts";
import { databaseBackend, openDatabase } from "../database/open.ts";
import { openStore, storeBackend } from "../store/open.ts";

/** The outside world, as the rest of the program sees it. */
export interface World {
  /** The environment. */
  readonly env: Environment;
  /** The wall clock. */
  readonly now: () => Date;
  /** A clock that only goes forward. */
  readonly monotonic: Monotonic;
  /** A fresh random UUID. */
  readonly newId: () => string;
  /** Fresh random bytes. */
  readonly randomBytes: RandomBytes;
  /** This process, for messages to whoever finds the work dir or the lease taken. */
  readonly holder: string;
  /** Called with the configuration before anything else is opened: the process may give up what that has no use for. */
  giveUpRights(config: Config): void;
  /** Opens the configured store. */
  readonly openStore: typeof openStore;
  /** Opens the configured database. */
  readonly openDatabase: typeof openDatabase;
  /** Opens an engine locked to the run's folder. */
  openEngine(
    options: { folder: string; resources: Config["resources"]; signal: AbortSignal },
  ): Promise<Engine>;
}

/** Rights that a process is given, and may have no use for. */
const RIGHTS = ["env", "sys", "net"] as const;

/** The world as it is. */
export const REAL_WORLD: World = {
  env: (name) => Deno.env.get(name),
  now: () => new Date(),
  monotonic: () => performance.now(),
  newId: () => crypto.randomUUID(),
  randomBytes: (size) => crypto.getRandomValues(new Uint8Array(size)),
  holder: `process ${Deno.pid}`,
  giveUpRights({ store, database }) {
    const needed = [...storeBackend(store).needs, ...databaseBackend(database).needs];
    for (const name of RIGHTS) if (!needed.includes(name)) Deno.permissions.revokeSync({ name });
  },
  openStore(settings, surroundings) {
    forgetExtraAuthorities();
    return openStore(settings, surroundings);
  },
  openDatabase,
  openEngine: openDuckdbEngine,
};

/** The variable that names a file of further authorities to Node. */
const EXTRA_AUTHORITIES = "NODE_EXTRA_CA_CERTS";

/**
 * Makes Node's part of the runtime forget further authorities: for them it asks, at every HTTPS connection, for a right
 * that no task has. Those that are to be trusted are named in the configuration.
 */
function forgetExtraAuthorities(): void {
  if (readIfAllowed(EXTRA_AUTHORITIES, Deno.env.get) !== undefined) Deno.env.delete(EXTRA_AUTHORITIES);
}

const DEFAULT_CONFIG = fileURLToPath(new URL("../../config/local.jsonc", import.meta.url));

/** The configuration file: `--config`, else `$ETL_CONFIG`, else the embedded default. */
export function configPathOf({ config }: { readonly config?: string }, env: Environment): string {
  return config || readIfAllowed("ETL_CONFIG", env) || DEFAULT_CONFIG;
}

/** A variable, if this process may read it: compute stages may read none, and get arguments instead. */
export function readIfAllowed(variable: string, env: Environment): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable });
  return state === "granted" ? env(variable) : undefined;
}
