/**
 * The database: dimensions, reporting tables, ledger, lease, commit and pending moves.
 *
 * **Atomic.** {@linkcode Database.commit} is the one transaction that a run's effects hang on: totals, incentives,
 * ledger, what was replayed, pending moves and the run's state change together, and only while the run holds the newest
 * fencing token. `snapshot` reads all dimensions as of one moment.
 *
 * **Once.** A row, and a file that was rejected whole, is replayed once: a `commit` that puts something back which
 * another one has put back changes nothing.
 *
 * **Idempotent.** `prepare`, `bind`, `renewLease`, `releaseLease`, `settleMoves` and `finishRun` may be repeated.
 * `commit` of a run that is committed already answers `committed` and changes nothing.
 *
 * **Raised.** `LeaseLostError` when another run took the lease; `UnavailableError` when the database cannot be
 * reached or is in use; `AccessError`; `DataError` for dimension tables that are missing or of the wrong shape, and for
 * what was replayed before.
 *
 * Time is the database's clock. Nothing that others wait for stays open between the methods.
 *
 * @module
 */
import { DataError, UnavailableError } from "../errors.ts";

/** The states of a run in the database. Readers see the effects of `committed` and `published` only. */
export type RunState = "open" | "abandoned" | "nothing-to-do" | "recovered" | "committed" | "published";

/** Who holds the lease, or wants to. */
export interface LeaseOwner {
  /** Stays the same over restarts of the same work dir or Job. */
  readonly owner: string;
  /** For people: host and process. */
  readonly holder: string;
  /** The run it is for. */
  readonly runId: string;
}

/** The answer to {@linkcode Database.acquireLease}: a new fencing token, or who has the lease. */
export type LeaseAnswer =
  | { readonly token: number }
  | {
    readonly heldBy: {
      readonly holder: string;
      readonly runId: string;
      readonly since: string;
      readonly until: string;
    };
  };

/** One line of the ledger: a delivered object version and what became of it. */
export interface LedgerEntry {
  /** The whole key. */
  readonly key: string;
  /** Of the version that was taken. */
  readonly etag: string;
  /** As delivered. */
  readonly sizeBytes: number;
  /** As the store gives it. */
  readonly lastModified: string;
  /** Of the content, uncompressed; `null` where the content was not read. */
  readonly sha256: string | null;
  /** What became of it. */
  readonly status: "accepted" | "rejected" | "duplicate";
  /** Code of the contract; `null` where it was accepted. */
  readonly reason: string | null;
  /** Rows after the header; 0 where they were not read. */
  readonly rowsRead: number;
  /** Rows in the marts. */
  readonly rowsAccepted: number;
  /** Rows that are not. */
  readonly rowsRejected: number;
  /** The key that it is moved to. */
  readonly destination: string;
}

/** An object that has to be moved within the store after the commit. */
export interface MoveOrder {
  /** `publish`: staged object to its final place, by upload. `archive`: source object out of the landing prefix, by move. */
  readonly kind: "publish" | "archive";
  /** Source key. */
  readonly from: string;
  /** Destination key. */
  readonly to: string;
  /** Of the version that was taken. */
  readonly etag: string;
  /** As delivered. */
  readonly sizeBytes: number;
  /** Of the source's version; `null` for staged objects. */
  readonly lastModified: string | null;
  /** The local copy of the same bytes, relative to the work dir of the run; `null` where there is none. */
  readonly localCopy: string | null;
}

/** A move that is not settled yet. */
export interface PendingMove extends MoveOrder {
  /** Given by the database. */
  readonly id: number;
  /** The run. */
  readonly runId: string;
}

/** How a move ended: done, or the object was nowhere to be found any more. */
export interface SettledMove {
  /** Given by the database. */
  readonly id: number;
  /** How it ended. */
  readonly outcome: "done" | "lost";
}

/** Month totals of a run, as Parquet files, with what they must add up to. */
export interface Totals {
  /** Absolute paths; empty where nothing was accepted. */
  readonly files: readonly string[];
  /** Over all files. */
  readonly rowCount: number;
  /** Sum of `total_sales`, as decimal text. */
  readonly totalSales: string;
}

/** Everything that a run changes in its one transaction. */
export interface Commit {
  /** The run. */
  readonly runId: string;
  /** The run's fencing token. */
  readonly token: number;
  /** Of customer_id, full_name, address, phone_number, sales_month, total_sales. */
  readonly customerTotals: Totals;
  /** Of store_id, sales_person_id, full_name, sales_month, total_sales. */
  readonly salesTotals: Totals;
  /** 0 to 100, as decimal text with at most 4 decimals. */
  readonly incentivePercent: string;
  /** One entry per source file that was taken. */
  readonly ledger: readonly LedgerEntry[];
  /** What is left to be moved. */
  readonly moves: readonly MoveOrder[];
  /** Of a replay. */
  readonly replayed?: Replayed;
}

/** What a replay puts back into the landing prefix. */
export interface Replayed {
  /** One for each object. */
  readonly files: readonly ReplayedFile[];
  /**
   * Absolute path of what was put back, a line for each: the number of the entry in `files`, a tab, and the line in the
   * source file, 0 for a whole file.
   */
  readonly linesFile: string;
  /** Over all files. */
  readonly lineCount: number;
}

/** An object that a replay puts into the landing prefix, and where it comes from. */
export interface ReplayedFile {
  /** Names it in {@linkcode Replayed.linesFile}. */
  readonly number: number;
  /** Rejected rows of an accepted file, or a file that was rejected whole. */
  readonly kind: "rows" | "file";
  /** The run that rejected it. */
  readonly runId: string;
  /** Of the source file in that run. */
  readonly key: string;
  /** The whole key that it is put back under; no other object ever has it. */
  readonly landingKey: string;
  /** Rows; 1 for a whole file. */
  readonly lineCount: number;
  /**
   * Of the content that is known to be new, though the same may have been accepted: rows, and a whole file that holds
   * replayed rows. `null` for any other file.
   */
  readonly sha256: string | null;
}

/** A line of the ledger that is not all in the marts, and what has been replayed of it. */
export interface RejectedFile extends
  Pick<
    LedgerEntry,
    "key" | "status" | "reason" | "rowsRead" | "rowsRejected" | "destination"
  > {
  /** The run that took it. */
  readonly runId: string;
  /** Rows that were put back; 1 where the whole file was. */
  readonly replayedCount: number;
  /** The content that a replay put under its key, and is known to be new by that; `null` where no replay did. */
  readonly lineageSha256: string | null;
}

/** Lines in an answer of {@linkcode Database.replayedLines}. */
export const LINES_PAGE = 100_000;

/** Counts the runs that were begun since the last one that left nothing to do, for {@linkcode Database.beginRun}. */
export const COUNT_TRIES = `
  SELECT COUNT(*) AS tries FROM pipeline_run WHERE token > (
    SELECT COALESCE(MAX(r.token), 0) FROM pipeline_run r
    WHERE r.state IN ('nothing-to-do', 'recovered', 'published')
      AND NOT EXISTS (SELECT 1 FROM pending_move m WHERE m.run_id = r.run_id AND m.outcome IS NULL))`;

/** A run that has not ended: its state, and whether it has moves of either kind that are not settled. */
export interface UnfinishedRun {
  /** The run. */
  readonly runId: string;
  /** Moves of kind `publish` that are not settled. */
  readonly openPublishes: number;
  /** Moves of kind `archive` that are not settled. */
  readonly openArchives: number;
  /** The completion record has been written. */
  readonly published: boolean;
}

/** What {@linkcode Database.snapshot} wrote: a Parquet file for each dimension. */
export type Snapshot = Readonly<Record<DimensionName, { file: string; rowCount: number }>>;

/** The dimension tables, read only, and what the marts use of them: the key and other ids, and text. */
export const DIMENSIONS = {
  customer: {
    key: "customer_id",
    ids: ["customer_id"],
    text: ["first_name", "last_name", "address", "pincode", "phone_number"],
  },
  store: { key: "id", ids: ["id"], text: ["store_manager_name"] },
  product: { key: "id", ids: ["id"], text: ["name"] },
  sales_team: {
    key: "id",
    ids: ["id", "manager_id"],
    text: ["first_name", "last_name", "is_manager", "address", "pincode"],
  },
} as const;

/** A key of {@linkcode DIMENSIONS}. */
export type DimensionName = keyof typeof DIMENSIONS;

/** The contract that every database keeps; see the module's head. */
export interface Database extends AsyncDisposable {
  /** For messages: host and database, or a path, without credentials. */
  readonly name: string;
  /** Creates or migrates the pipeline's own tables and the two reporting tables. */
  prepare(): Promise<void>;
  /** The id that ties this database to a store, and whether it has been tied to one. */
  binding(): Promise<{ id: string; bound: boolean }>;
  /** Remembers that the store carries this database's id. */
  bind(): Promise<void>;

  /** Takes the lease where it is free, expired or this owner's own; always with a new fencing token. */
  acquireLease(owner: LeaseOwner, ttlSeconds: number): Promise<LeaseAnswer>;
  /** Extends the lease, also an expired or released one that nobody has taken since; `false` where somebody has. */
  renewLease(token: number, ttlSeconds: number): Promise<boolean>;
  /** Gives the lease back; nothing where it was taken by another. */
  releaseLease(token: number): Promise<void>;

  /**
   * Registers a run as `open`, and marks every other open run `abandoned`. Fails where the token is not the newest.
   *
   * @returns Which try this is: how many runs, this one included, were begun since the last one that left nothing to do.
   */
  beginRun(run: { runId: string; token: number; configHash: string }): Promise<number>;
  /** The state of a run, `null` where the database does not know it. */
  runState(runId: string): Promise<RunState | null>;
  /** The states of those of these runs that the database knows. */
  runStates(runIds: readonly string[]): Promise<Map<string, RunState>>;
  /** Committed runs that still have something to do, oldest first. */
  unfinishedRuns(): Promise<UnfinishedRun[]>;
  /** Ends a run that committed nothing, or records that a committed one has its completion record. */
  finishRun(runId: string, state: "nothing-to-do" | "recovered" | "published"): Promise<void>;

  /** Writes all dimensions, as of one moment, as `NAME.parquet` into the folder. Ids are BIGINT, the rest VARCHAR. */
  snapshot(folder: string): Promise<Snapshot>;
  /** Those of the given sha256 whose content was accepted, with rows, in a committed run. */
  acceptedContent(sha256: readonly string[]): Promise<Set<string>>;
  /** Those of the given keys that the ledger has. */
  knownKeys(keys: readonly string[]): Promise<Set<string>>;

  /** The files that a run has taken. */
  runFiles(runId: string): Promise<Pick<LedgerEntry, "key" | "status">[]>;
  /** What a replay may be about, of one run or key where they are given, oldest run first; duplicates too. */
  rejectedFiles(of: { runId: string | null; key: string | null }): Promise<RejectedFile[]>;
  /** The lines of a source file that were replayed, above `after` and in order: the first {@linkcode LINES_PAGE}. */
  replayedLines(of: { runId: string; key: string }, after: number): Promise<number[]>;
  /**
   * The keys of those objects that a replay has put back, with content that is new by its lineage, and that no run has
   * taken yet: each of them, and each content under it, once.
   */
  newByLineage(objects: readonly { key: string; sha256: string }[]): Promise<Set<string>>;

  /** The commit point; see the module's head. */
  commit(commit: Commit): Promise<"committed">;
  /** The moves of committed runs that are not settled, oldest run first. */
  pendingMoves(kind: MoveOrder["kind"]): Promise<PendingMove[]>;
  /** Marks moves as settled. */
  settleMoves(moves: readonly SettledMove[]): Promise<void>;
  /** What a committed run published: key and size of each object, settled or not. */
  publishedObjects(runId: string): Promise<{ key: string; sizeBytes: number }[]>;
}

/** The lease was taken by another run, which therefore is the only one that may publish (75). */
export class LeaseLostError extends UnavailableError {
  /** `action` completes `Cannot …`. */
  constructor(action: string) {
    super(
      "lease_lost",
      `Cannot ${action}: the lease was lost to another run; this run changed nothing and its files are taken again ` +
        "by the next one",
    );
  }
}

/** The failure of a commit that would put something back a second time (65). */
export function alreadyReplayed(runId: string): DataError {
  return new DataError(
    "already_replayed",
    `Cannot commit the replay ${runId}: some of it was put back by another replay meanwhile; nothing was changed, run again`,
  );
}

/** The failure of a commit whose `linesFile` does not hold the lines that were announced (65). */
export function linesChanged(file: string, found: unknown, announced: number): DataError {
  return new DataError(
    "lines_changed",
    `Cannot commit the replay: ${file} holds ${found} lines, not ${announced}; nothing was changed, run again`,
  );
}
