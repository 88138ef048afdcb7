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
 * **Idempotent.** `prepare`, `prepareTables`, `bind`, `renewLease`, `releaseLease`, `settleMoves` and `finishRun` may be
 * repeated. `commit` of a run that is committed already changes nothing.
 *
 * **Raised.** `LeaseLostError` if another run took the lease; `UnavailableError` if the database cannot be reached or is
 * in use; `AccessError`; `DataError` for dimension tables that are missing or of the wrong shape, for totals that are not
 * what was announced or do not fit, and for what was replayed before.
 *
 * Time is the database's clock. Nothing that others wait for stays open between the methods. A database that was opened
 * read-only changes nothing; its missing tables count as empty, and its files of before datasets belong to `sales`.
 *
 * @module
 */
import type {
  Commit,
  Dimensions,
  EarlierVersion,
  KeyedContent,
  LeaseAnswer,
  LeaseOwner,
  LedgerEntry,
  MoveOrder,
  NewRun,
  PendingMove,
  PublishedObject,
  RejectedFile,
  ReportingTable,
  RunState,
  SettledMove,
  Snapshot,
  UnfinishedRun,
} from "./records.ts";

/** The contract that every database keeps; see the module's head. */
export interface Database extends AsyncDisposable {
  /** Host and database, or a path, without credentials; for messages. */
  readonly name: string;
  /** Creates or migrates the pipeline's own tables. */
  prepare(): Promise<void>;
  /** Creates those of the reporting tables that are missing; one that there is stays as it is. */
  prepareTables(tables: readonly ReportingTable[]): Promise<void>;
  /** The id that ties this database to a store, and whether it has been tied to one. */
  binding(): Promise<{ id: string; bound: boolean }>;
  /** Remembers that the store carries this database's id. */
  bind(): Promise<void>;

  /** Takes the lease if it is free, expired or this owner's own; always with a new fencing token. */
  acquireLease(owner: LeaseOwner, ttlSeconds: number): Promise<LeaseAnswer>;
  /** Extends the lease, also an expired or released one that nobody has taken since; `false` if somebody has. */
  renewLease(token: number, ttlSeconds: number): Promise<boolean>;
  /** Gives the lease back; does nothing if another has taken it. */
  releaseLease(token: number): Promise<void>;

  /**
   * Registers a run as `open`, and marks every other open run `abandoned`.
   *
   * @returns Which try this is: how many runs, this one included, were begun since the last one that left nothing to do.
   * @throws {LeaseLostError} If the run's token is not the newest.
   */
  beginRun(run: NewRun): Promise<number>;
  /** The state of a run; `null` if the database does not know it. */
  runState(runId: string): Promise<RunState | null>;
  /** The states of those of these runs that the database knows. */
  runStates(runIds: readonly string[]): Promise<Map<string, RunState>>;
  /** Committed runs that still have something to do, oldest first. */
  unfinishedRuns(): Promise<UnfinishedRun[]>;
  /** Ends a run that committed nothing, or records that a committed one has its completion record. */
  finishRun(runId: string, state: "nothing-to-do" | "recovered" | "published"): Promise<void>;

  /** Writes all dimensions, as of one moment, as `NAME.parquet` into the folder. Ids are BIGINT, the rest VARCHAR. */
  snapshot(folder: string, dimensions: Dimensions): Promise<Snapshot>;
  /** Those of the given sha256 whose content was accepted for the dataset, with rows, in a committed run. */
  acceptedContent(dataset: string, sha256: readonly string[]): Promise<Set<string>>;
  /** What the ledger has under the given keys: of each the newest version with accepted rows, else the newest. */
  earlierVersions(keys: readonly string[]): Promise<Map<string, EarlierVersion>>;

  /** The files that a run has taken. */
  runFiles(runId: string): Promise<Pick<LedgerEntry, "key" | "dataset" | "status">[]>;
  /** What a replay may be about, of one run or key if they are given, oldest run first; duplicates too. */
  rejectedFiles(of: { runId: string | null; key: string | null }): Promise<RejectedFile[]>;
  /** The lines of a source file that were replayed, above `after` and in order: the first {@linkcode LINES_PAGE}. */
  replayedLines(of: { runId: string; key: string }, after: number): Promise<number[]>;
  /**
   * The keys of those objects that a replay has put back, with content that is new by its lineage, and that no run has
   * taken yet: each of them, and each content under it, once.
   */
  newByLineage(objects: readonly KeyedContent[]): Promise<Set<string>>;

  /** The commit point; see the module's head. */
  commit(commit: Commit): Promise<void>;
  /** The moves of committed runs that are not settled, oldest run first. */
  pendingMoves(kind: MoveOrder["kind"]): Promise<PendingMove[]>;
  /** Marks moves as settled. */
  settleMoves(moves: readonly SettledMove[]): Promise<void>;
  /** What a committed run published, settled or not, by key. */
  publishedObjects(runId: string): Promise<PublishedObject[]>;
}

/** Lines in an answer of {@linkcode Database.replayedLines}. */
export const LINES_PAGE = 100_000;
