/**
 * The kinds of databases: all that the rest of the program asks of a kind is in its entry.
 *
 * @module
 */
import type { Backend } from "../backend.ts";
import type { Resources } from "../duckdb/duckdb.ts";
import type { DatabaseSettings } from "./config.ts";
import type { Database } from "./database.ts";
import { openDuckdbDatabase } from "./duckdb/database.ts";

/** What a database is opened with, besides its settings. */
export interface DatabaseSurroundings {
  /** The work dir: snapshots are written there and totals read from it. */
  readonly workDir: string;
  /** DuckDB's limits. */
  readonly resources: Resources;
  /** Whether nothing may be changed, as in a dry run. */
  readonly readOnly: boolean;
  /** Gives a fresh random UUID. */
  readonly newId: () => string;
  /** A clock that only goes forward, in milliseconds. */
  readonly monotonic: () => number;
  /** Ends what is under way; only the lease can be given back afterwards. */
  readonly signal: AbortSignal;
}

type Kind = DatabaseSettings["kind"];
type SettingsOf<K extends Kind> = Extract<DatabaseSettings, { kind: K }>;

/** The entry of each kind. */
const DATABASES: {
  readonly [K in Kind]: Backend<SettingsOf<K>, DatabaseSurroundings, Database>;
} = {
  duckdb: {
    secrets: [],
    paths: ["path"],
    files: [],
    needs: [],
    nameOf: ({ path }) => path,
    placeOf: (settings) => settings,
    grantedOn: () => null,
    open: ({ path }, surroundings) => Promise.resolve(openDuckdbDatabase({ ...surroundings, path })),
  },
  mysql: {
    secrets: ["password"],
    paths: ["tls.caFile"],
    files: ["tls.caFile"],
    needs: ["net"],
    nameOf: ({ host, database }) => `${host}/${database}`,
    placeOf: (settings) => ({ ...settings, user: "" }),
    grantedOn: ({ database }) => database,
    async open(settings, surroundings) {
      // Loading the driver takes longer than a small night with a DuckDB file.
      const { openMysqlDatabase } = await import("./mysql/database.ts");
      return openMysqlDatabase({ ...settings, ...surroundings });
    },
  },
};

/** Fields of the settings that are secrets by themselves, of all kinds. */
export const DATABASE_SECRETS: readonly string[] = Object.values(DATABASES).flatMap(({ secrets }) => secrets);

/** The entry for these settings. */
export function databaseBackend(
  settings: Pick<DatabaseSettings, "kind">,
): Backend<DatabaseSettings, DatabaseSurroundings, Database> {
  return DATABASES[settings.kind];
}

/** Opens the database of these settings; it is connected to by its first method. */
export function openDatabase(
  settings: DatabaseSettings,
  surroundings: DatabaseSurroundings,
): Promise<Database> {
  return databaseBackend(settings).open(settings, surroundings);
}
