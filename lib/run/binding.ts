/**
 * Ties one store to one database, so that neither is mixed up with another's runs.
 *
 * `RUNS/binding.json` in the store carries the database's id; it is created only if absent, by the first upload,
 * before its commit.
 *
 * @module
 */
import type { Prefixes } from "../config/schema.ts";
import type { Database } from "../database/database.ts";
import { ConfigError, DataError } from "../errors.ts";
import { isVersion, type ObjectStore } from "../store/store.ts";

/** The prefixes of the pipeline's own objects. */
export type OwnPrefixes = Pick<Prefixes, "staging" | "runs">;

/** The key of the object that holds the id. */
export function bindingKey(prefixes: OwnPrefixes): string {
  return `${prefixes.runs}binding.json`;
}

/** The key of a run's completion record. */
export function completionKey(prefixes: OwnPrefixes, runId: string): string {
  return `${prefixes.runs}${runId}.json`;
}

/**
 * Compares the ids of store and database.
 *
 * @returns Whether the store carries the database's id already.
 * @throws {ConfigError} `foreign_store` if one of them belongs to another.
 */
export async function requireBinding(
  store: ObjectStore,
  database: Database,
  prefixes: OwnPrefixes,
): Promise<boolean> {
  const key = bindingKey(prefixes);
  const found = await readBinding(store, key);
  const { id, bound } = await database.binding();
  const advice = "name the store and the database that belong together in the configuration";
  if (found !== null && found !== id) {
    throw new ConfigError(
      "foreign_store",
      `Cannot use ${store.name} with ${database.name}: ${key} says that the store belongs to another database; ${advice}`,
    );
  }
  if (found === null && bound) {
    throw new ConfigError(
      "foreign_store",
      `Cannot use ${store.name} with ${database.name}: the database belongs to another store (${key} is missing); ${advice}`,
    );
  }
  return found !== null;
}

/** Writes the id into a store that has none, and remembers in the database that it is there. */
export async function bindStore(
  store: ObjectStore,
  database: Database,
  prefixes: OwnPrefixes,
): Promise<void> {
  if (!await requireBinding(store, database, prefixes)) {
    const { id } = await database.binding();
    const bytes = new TextEncoder().encode(JSON.stringify({ id }) + "\n");
    await store.put(bindingKey(prefixes), { bytes }, { ifAbsent: true });
    // Another database may have been quicker.
    await requireBinding(store, database, prefixes);
  }
  await database.bind();
}

/**
 * Refuses a database that does not know runs which the store knows, or does not know that they were committed though the
 * store has their completion record: it was restored from a backup, and what those runs added to its tables is missing.
 *
 * @returns The runs that have something under the staging prefix.
 * @throws {DataError} `restored_database`, before anything is deleted.
 */
export async function requireKnownRuns(
  store: ObjectStore,
  database: Database,
  prefixes: OwnPrefixes,
): Promise<string[]> {
  const completed = await namesBelow(store, prefixes.runs);
  completed.delete("binding.json");
  const records = [...completed].filter((name) => name.endsWith(".json")).map((name) =>
    name.slice(0, -".json".length)
  );
  const staged = [...await namesBelow(store, prefixes.staging)];
  const states = await database.runStates([...records, ...staged]);
  const isCommitted = (runId: string) => ["committed", "published"].includes(states.get(runId) ?? "");
  const unknown = [
    ...records.filter((runId) => !isCommitted(runId)),
    ...staged.filter((runId) => !states.has(runId)),
  ];
  if (unknown.length === 0) return staged;
  throw new DataError(
    "restored_database",
    `Cannot go on: ${store.name} has objects of runs that ${database.name} does not know (${
      unknown.join(", ")
    }); it was ` +
      "probably restored from an older backup. Restore a backup that has these runs; nothing was changed",
  );
}

async function readBinding(store: ObjectStore, key: string): Promise<string | null> {
  const version = await store.head(key);
  if (version === null) return null;
  const text = await new Response(await store.get(key, { ifMatch: version.etag })).text();
  try {
    const { id } = JSON.parse(text) as { id?: unknown };
    if (typeof id === "string") return id;
  } catch {
    // Falls through: not JSON.
  }
  throw new ConfigError(
    "foreign_store",
    `Cannot use ${store.name}: ${key} is not a binding of nightly-marts; restore it, or use another store`,
  );
}

/** The first segments of the keys below a prefix. */
async function namesBelow(store: ObjectStore, prefix: string): Promise<Set<string>> {
  const names = new Set<string>();
  for await (const page of store.list(prefix)) {
    for (const entry of page) {
      if (isVersion(entry)) names.add(entry.key.slice(prefix.length).split("/", 1)[0] ?? "");
    }
  }
  // The prefix itself may be an object, as the S3 console makes folders.
  names.delete("");
  return names;
}
