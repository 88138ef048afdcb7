/**
 * The keys that source files are moved to after a night, and those that a replay puts them back to.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { classifyName } from "./landing.ts";

/** Bytes in a file's name on Linux (NAME_MAX, limits.h), and so in a segment of a folder store's key. */
const MAX_SEGMENT_BYTES = 255;
/** Bytes in a key (Amazon S3 user guide, "Naming Amazon S3 objects"). */
const MAX_KEY_BYTES = 1024;
const HASH_CHARACTERS = 16;
/** The folder of replayed files: below the landing prefix, above the ids of the replays. */
const REPLAY_FOLDER = "replay/";
/** A name that a replay has given; what follows is the first run that rejected it, and the name there. */
const REPLAYED_NAME = /^replay\/[0-9TZ]{16}-[0-9a-f]{4}\/([0-9TZ]{16}-[0-9a-f]{4})\//;
/** Bytes of a name that stand in front of its hash. */
const START_BYTES = 150;

/** The keys that a source file and what belongs to it get. */
export interface Destination {
  /** The key of the source object itself. */
  readonly source: string;
  /** The key of the record why the whole file was rejected. */
  readonly reason: string;
  /** The key of the CSV of its rejected rows. */
  readonly rejects: string;
}

/** What decides a file's destination. */
export interface FiledSource {
  /** The whole key. */
  readonly key: string;
  /** The dataset that the file belongs to. */
  readonly dataset: string;
  /** `rejected` files go below the error prefix. */
  readonly status: string | null;
}

/** The prefixes of a dataset's files; each ends in a slash. */
export interface DatasetPrefixes {
  /** The landing prefix. */
  readonly source: string;
  /** Accepted and duplicate files go there. */
  readonly processed: string;
  /** Rejected files and rows go there. */
  readonly error: string;
}

/** Prefixes by the name of the dataset. */
export type PrefixesOf = Readonly<Record<string, DatasetPrefixes>>;

/**
 * The destinations of a run's files, by key; skipped files have none, so that the ledger alone can tell them again. No
 * two of them are equal or one the folder of another: a name for which that would happen, or that cannot take its
 * suffix, gets a hash.
 */
export function destinations(
  files: readonly FiledSource[],
  runId: string,
  datasets: PrefixesOf,
): Map<string, Destination> {
  const taken = files.filter(({ status }) => status !== "skipped");
  return new Map(
    [...Map.groupBy(taken, ({ dataset }) => dataset)].flatMap(([dataset, files]) => [
      ...destinationsIn(files, runId, prefixesIn(datasets, dataset)),
    ]),
  );
}

function prefixesIn(datasets: PrefixesOf, dataset: string): DatasetPrefixes {
  const prefixes = datasets[dataset];
  if (!prefixes) throw new RangeError(`there is no dataset ${dataset}`);
  return prefixes;
}

/** The destinations of one dataset's files. */
function destinationsIn(
  files: readonly FiledSource[],
  runId: string,
  prefixes: DatasetPrefixes,
): Map<string, Destination> {
  const errors = `${prefixes.error}${runId}/`;
  const names = files.map(({ key }) => key.slice(prefixes.source.length));
  const isRejected = new Map(files.map(({ status }, i) => [names[i] ?? "", status === "rejected"]));
  const processed = assignKeys(
    `${prefixes.processed}${runId}/`,
    names.filter((name) => !isRejected.get(name)),
    "",
  );
  const rejected = assignKeys(`${errors}files/`, names.filter((name) => isRejected.get(name)), "");
  const reasons = assignKeys(`${errors}reasons/`, names, ".json");
  const rejects = assignKeys(`${errors}rejects/`, names, ".csv");
  return new Map(files.map(({ key }, i) => {
    const name = names[i] ?? "";
    return [key, {
      source: rejected.get(name) ?? processed.get(name) ?? "",
      reason: reasons.get(name) ?? "",
      rejects: rejects.get(name) ?? "",
    }];
  }));
}

/** What a replay puts back: a file that a run rejected, or rows of it. */
export interface ReplaySource {
  /** The run. */
  readonly runId: string;
  /** The whole key that the file had then. */
  readonly key: string;
  /** The dataset that the file belongs to. */
  readonly dataset: string;
  /** Rows become a CSV file, whatever theirs was. */
  readonly kind: "rows" | "file";
}

/**
 * The keys under which a replay puts things back: `replay/REPLAY/RUN/NAME` below the landing prefix, of the run that
 * rejected them first and the name that they had then, however often they have been replayed since. Names that do not
 * fit, or would be the same, get a hash.
 */
export function replayKeys(
  sources: readonly ReplaySource[],
  replayId: string,
  datasets: PrefixesOf,
): string[] {
  const origins = sources.map((source) => {
    const { source: landing } = prefixesIn(datasets, source.dataset);
    return { ...originOf(source, landing), below: `${landing}${REPLAY_FOLDER}${replayId}/` };
  });
  const taken = new Set(
    origins.flatMap(({ runId, name, below }) =>
      foldersOf(`${runId}/${name}`).map((folder) => below + folder)
    ),
  );
  return origins.map(({ runId, name, below }) => {
    const prefix = `${below}${runId}/`;
    const [ending = ""] = /\.csv(\.gz)?$/i.exec(name) ?? [];
    let key = fits(prefix, name, "") ? prefix + name : "", attempt = 0;
    while (key === "" || taken.has(key)) key = hashedKey(prefix, name, attempt++, ending);
    taken.add(key);
    return key;
  });
}

/** The run and the name that something had before its first replay. */
function originOf({ runId, key, kind }: ReplaySource, landing: string): { runId: string; name: string } {
  const full = key.slice(landing.length);
  const [replayed = "", firstRun = runId] = REPLAYED_NAME.exec(full) ?? [];
  const name = full.slice(replayed.length);
  return { runId: firstRun, name: kind === "rows" && classifyName(name) !== "csv" ? `${name}.csv` : name };
}

/**
 * The name below the landing prefix under which something was delivered first, if a replay has put it back under this one.
 * A file of rows of an archive has got an ending more.
 */
export function deliveredName(name: string): string {
  const [replayed = ""] = REPLAYED_NAME.exec(name) ?? [];
  const first = name.slice(replayed.length);
  return replayed !== "" && /\.csv\.gz\.csv$/i.test(first) ? first.slice(0, -".csv".length) : first;
}

/** The key of each name: prefix, name and suffix if that can be, else one with a hash. */
function assignKeys(prefix: string, names: readonly string[], suffix: string): Map<string, string> {
  const folders = new Set(names.flatMap(foldersOf));
  const keys = new Map<string, string>();
  for (const name of names) {
    // Without a suffix a name and a folder of the same name stay what they are in the landing prefix.
    if (fits(prefix, name, suffix) && (suffix === "" || !folders.has(name + suffix))) {
      keys.set(name, prefix + name + suffix);
    }
  }
  const taken = new Set([...keys.values(), ...folders.values().map((folder) => prefix + folder)]);
  for (const name of names) {
    if (keys.has(name)) continue;
    let key: string, attempt = 0;
    do key = hashedKey(prefix, name, attempt++, suffix); while (taken.has(key));
    taken.add(key);
    keys.set(name, key);
  }
  return keys;
}

/** Every folder that a name has: `a` and `a/b` for `a/b/c.csv`. */
function foldersOf(name: string): string[] {
  return name.split("/").map((_, i, parts) => parts.slice(0, i).join("/")).slice(1);
}

function fits(prefix: string, name: string, suffix: string): boolean {
  const segment = name.slice(name.lastIndexOf("/") + 1) + suffix;
  return byteLength(segment) <= MAX_SEGMENT_BYTES && byteLength(prefix + name + suffix) <= MAX_KEY_BYTES;
}

/** A short key for a name: as much of its beginning as fits, and a hash of the whole. */
function hashedKey(prefix: string, name: string, attempt: number, suffix: string): string {
  const hash = createHash("sha256").update(`${"~".repeat(attempt)}${name}`).digest("hex").slice(
    0,
    HASH_CHARACTERS,
  );
  let start = "";
  for (const character of name.replaceAll("/", "_")) {
    if (byteLength(start + character) > START_BYTES) break;
    start += character;
  }
  return `${prefix}${start}~${hash}${suffix}`;
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}
