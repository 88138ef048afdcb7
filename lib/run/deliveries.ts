/**
 * What was delivered: the objects below the landing prefixes of all datasets, and those that change while they are read.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Config } from "../config/schema.ts";
import type { Database } from "../database/database.ts";
import type { PendingMove } from "../database/records.ts";
import { AccessError, ConfigError } from "../errors.ts";
import type { Model } from "../model/model.ts";
import type { Log } from "../output/log.ts";
import { skip, type SourceFile } from "../source_file.ts";
import { isVersion, type ObjectFault, type ObjectStore, type ObjectVersion } from "../store/store.ts";
import { classifyName, ignoring, isHidden, type NameKind } from "./landing.ts";

/** An object below a landing prefix, or what cannot be read as one. */
export interface Delivered {
  /** The listing's entry. */
  readonly entry: ObjectVersion | ObjectFault;
  /** The dataset that the landing prefix belongs to. */
  readonly dataset: string;
  /** What its name says of it. */
  readonly kind: NameKind;
}

/** What looking for deliveries needs. */
export interface DeliveryContext {
  /** Names what is left alone. */
  readonly config: Pick<Config, "landing">;
  /** Names the landing prefixes. */
  readonly model: Pick<Model, "datasets">;
  /** The store that is listed. */
  readonly store: ObjectStore;
  /** Knows what is waiting to be moved. */
  readonly database: Database;
  /** What happens, for the operator. */
  readonly log: Log;
  /** Stops between two pages. */
  readonly signal: AbortSignal;
}

/**
 * The objects that are not waiting to be moved, in key order. One that a replay is still putting there is not there yet:
 * what finishes the replay may put it there once more.
 *
 * @throws {AccessError | ConfigError} if a landing prefix itself cannot be read.
 */
export async function listNew(
  { config, model, store, database, log, signal }: DeliveryContext,
): Promise<Delivered[]> {
  const isIgnored = ignoring(config.landing.ignore);
  const pending = new Set((await database.pendingMoves("archive")).map(identityOf));
  const arriving = new Set((await database.pendingMoves("publish")).map(({ to }) => to));
  const found: Delivered[] = [];
  for (const [dataset, source] of landingPrefixes(model)) {
    let listed = false;
    for await (const page of store.list(source)) {
      signal.throwIfAborted();
      listed ||= page.length > 0;
      for (const entry of page) {
        if (!isVersion(entry)) refusePrefix(entry, source, store.name);
        const name = entry.key.slice(source.length);
        const kind = classifyName(name, isIgnored);
        // A folder that cannot be read may hold source files; an object of such a name is a folder's marker.
        const isFolder = !isVersion(entry) && name.endsWith("/");
        if (isFolder ? isHidden(name) || isIgnored(name) : kind === "left_alone") continue;
        if (isVersion(entry) && (pending.has(identityOf(entry)) || arriving.has(entry.key))) continue;
        found.push({ entry, dataset, kind });
      }
    }
    if (!listed) log.warn("There is nothing below {source} in {store}", { source, store: store.name });
  }
  return found;
}

/** Datasets and their landing prefixes in the order of their keys: no prefix contains another. */
function landingPrefixes({ datasets }: Pick<Model, "datasets">): [dataset: string, source: string][] {
  const prefixes = Object.entries(datasets).map(([name, { source }]): [string, string] => [name, source]);
  return prefixes.sort(([, a], [, b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

/** If the landing prefix itself cannot be read the night cannot begin. */
function refusePrefix({ key, reason }: ObjectFault, source: string, storeName: string): void {
  if (key !== source && key !== source.replace(/\/$/, "")) return;
  if (reason === "access_denied") {
    throw new AccessError(`Cannot read ${source} in ${storeName}: access denied; check its owner and mode`);
  }
  throw new ConfigError(
    "unreadable_prefix",
    `Cannot read ${source} in ${storeName}: it is a symlink or no folder; put a real folder there`,
  );
}

/** Skips files that were still being written while they were read: their size or time is another now than in the listing. */
export async function skipChanged(
  { model, store, log }: Pick<DeliveryContext, "model" | "store" | "log">,
  files: readonly SourceFile[],
): Promise<SourceFile[]> {
  const delivered = new Set(files.map(({ dataset }) => dataset));
  const now = new Map<string, ObjectVersion>();
  for (const [dataset, source] of landingPrefixes(model)) {
    if (!delivered.has(dataset)) continue;
    for await (const page of store.list(source)) {
      for (const entry of page) if (isVersion(entry)) now.set(entry.key, entry);
    }
  }
  return files.map((file) => {
    const version = now.get(file.key);
    if (file.status === "skipped" || (version && identityOf(version) === identityOf(file))) return file;
    const reason = version ? "changed" : "vanished";
    log.warn("Skipping {key} tonight: {reason}", { key: file.key, reason });
    return skip(file, reason, `it was ${version ? "changed" : "deleted"} while it was downloaded`);
  });
}

function identityOf(version: ObjectVersion | PendingMove): string {
  const key = "from" in version ? version.from : version.key;
  return JSON.stringify([key, version.etag, version.sizeBytes, version.lastModified]);
}
