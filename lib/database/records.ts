/**
 * What goes into the database and what it answers: runs, the ledger, moves, dimensions, reporting tables, replays.
 *
 * Types only. Every count is of rows, unless its name says otherwise; every instant is UTC, as ISO text.
 *
 * @module
 */

/** The states of a run. Readers see the effects of `committed` and `published` runs only. */
export type RunState = "open" | "abandoned" | "nothing-to-do" | "recovered" | "committed" | "published";

/** Who holds the lease, or wants to. */
export interface LeaseOwner {
  /** The owner's id; it stays the same over restarts of the same work dir or Job. */
  readonly owner: string;
  /** The owner's host and process, for people. */
  readonly holder: string;
  /** The run that the lease is for. */
  readonly runId: string;
}

/** The answer to a request for the lease: a new fencing token, or who has the lease. */
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

/** A run that begins. */
export interface NewRun {
  /** The run. */
  readonly runId: string;
  /** The run's fencing token. */
  readonly token: number;
  /** SHA-256 of its frozen configuration. */
  readonly configHash: string;
}

/** A run that has not ended: its state, and whether it has moves of either kind that are not settled. */
export interface UnfinishedRun {
  /** The run. */
  readonly runId: string;
  /** Moves of kind `publish` that are not settled. */
  readonly openPublishes: number;
  /** Moves of kind `archive` that are not settled. */
  readonly openArchives: number;
  /** Whether the completion record has been written. */
  readonly published: boolean;
}

/** One line of the ledger: a delivered object version and what became of it. */
export interface LedgerEntry {
  /** The whole key. */
  readonly key: string;
  /** The dataset that the file belongs to. */
  readonly dataset: string;
  /** The etag of the version that was taken. */
  readonly etag: string;
  /** Bytes as delivered. */
  readonly sizeBytes: number;
  /** When the version was last modified, as the store gives it. */
  readonly lastModified: string;
  /** SHA-256 of the content, uncompressed, in hex; `null` if the content was not read. */
  readonly sha256: string | null;
  /** What became of the file. */
  readonly status: "accepted" | "rejected" | "duplicate";
  /** The contract's code; `null` if the file was accepted. */
  readonly reason: string | null;
  /** Rows after the header; 0 if they were not read. */
  readonly rowsRead: number;
  /** Rows in the marts. */
  readonly rowsAccepted: number;
  /** Rows that are not in the marts. */
  readonly rowsRejected: number;
  /** The key that the object is moved to. */
  readonly destination: string;
}

/** An object that has to be moved within the store after the commit. */
export interface MoveOrder {
  /** `publish`: staged object to its final place, by upload. `archive`: source object out of the landing prefix, by move. */
  readonly kind: "publish" | "archive";
  /** The key that the object has. */
  readonly from: string;
  /** The key that it gets. */
  readonly to: string;
  /** The etag of the version that was taken. */
  readonly etag: string;
  /** Bytes as delivered. */
  readonly sizeBytes: number;
  /** When the source's version was last modified; `null` for staged objects. */
  readonly lastModified: string | null;
  /** The local copy of the same bytes, relative to the work dir of the run; `null` if there is none. */
  readonly localCopy: string | null;
}

/** A move that is not settled yet. */
export interface PendingMove extends MoveOrder {
  /** The database's number for it. */
  readonly id: number;
  /** The run that ordered it. */
  readonly runId: string;
}

/** How a move ended. */
export interface SettledMove {
  /** The move's {@linkcode PendingMove.id}. */
  readonly id: number;
  /** `lost`: the object was nowhere to be found any more. */
  readonly outcome: "done" | "lost";
}

/** An object that a run published. */
export interface PublishedObject {
  /** The final key. */
  readonly key: string;
  /** Bytes. */
  readonly sizeBytes: number;
}

/** A dimension table and what is read of it. */
export interface Dimension {
  /** The column that names a row; it is among `ids` or `text` too. */
  readonly key: string;
  /** Columns of whole numbers, BIGINT in the snapshot. */
  readonly ids: readonly string[];
  /** All other columns, VARCHAR in the snapshot. */
  readonly text: readonly string[];
}

/** Dimensions by the names of their tables. */
export type Dimensions = Readonly<Record<string, Dimension>>;

/** What a snapshot wrote: a Parquet file for each dimension, by its name. */
export type Snapshot = Readonly<Record<string, { readonly file: string; readonly rowCount: number }>>;

/** A reporting table that runs add totals to. */
export interface ReportingTable {
  /** The table's name. */
  readonly name: string;
  /**
   * Names and types, in the order in which the table has them; the files of the totals have the same names. The incentive's
   * column is not among them. A type is `integer`, `date`, `text`, `char(n)` or `decimal(p,s)`.
   */
  readonly columns: Readonly<Record<string, string>>;
  /** Columns that are never NULL; the table has one row for each of their values. */
  readonly key: readonly string[];
  /** Columns of type `integer` or `decimal(p,s)`; a commit adds to them. */
  readonly add: readonly string[];
  /** Columns that follow the newest run. */
  readonly latest: readonly string[];
  /** The incentive; `null` if the table has none. */
  readonly incentive: Incentive | null;
}

/** A column of type DECIMAL(28,2) for whoever is best: percent of `of`, within the rows that have the same `within`. */
export interface Incentive {
  /** The column's name; the table has it after all others. */
  readonly column: string;
  /** A column of {@linkcode ReportingTable.add}. */
  readonly of: string;
  /** Columns of {@linkcode ReportingTable.key}. */
  readonly within: readonly string[];
}

/** A run's totals for one table, as Parquet files, with what they must add up to. */
export interface TableTotals {
  /** The table that they are added to. */
  readonly table: ReportingTable;
  /** Absolute paths; empty if nothing was accepted. */
  readonly files: readonly string[];
  /** Rows of all files. */
  readonly rowCount: number;
  /** The sum of each column of `table.add`, as decimal text with the column's scale: `12.00`, `3`. */
  readonly sums: Readonly<Record<string, string>>;
}

/** Everything that a run changes in its one transaction. */
export interface Commit {
  /** The run. */
  readonly runId: string;
  /** The run's fencing token. */
  readonly token: number;
  /** What is added to the reporting tables; at most one entry for each. */
  readonly totals: readonly TableTotals[];
  /** 0 to 100, as decimal text with at most 4 decimals. */
  readonly incentivePercent: string;
  /** One entry for each source file that was taken. */
  readonly ledger: readonly LedgerEntry[];
  /** What is left to be moved. */
  readonly moves: readonly MoveOrder[];
  /** What a replay puts back; left out by every other run. */
  readonly replayed?: Replayed;
}

/** What a replay puts back into the landing prefix. */
export interface Replayed {
  /** One entry for each object. */
  readonly files: readonly ReplayedFile[];
  /**
   * Absolute path of what was put back, a line for each: the number of the entry in `files`, a tab, and the line in the
   * source file, 0 for a whole file.
   */
  readonly linesFile: string;
  /** Lines for all files. */
  readonly lineCount: number;
}

/** An object that a replay puts into the landing prefix, and where it comes from. */
export interface ReplayedFile {
  /** The number that the entry has in {@linkcode Replayed.linesFile}. */
  readonly number: number;
  /** Rejected rows of an accepted file, or a file that was rejected whole. */
  readonly kind: "rows" | "file";
  /** The run that rejected it. */
  readonly runId: string;
  /** The source file's key in that run. */
  readonly key: string;
  /** The whole key that it is put back under; no other object ever has it. */
  readonly landingKey: string;
  /** Rows; 1 for a whole file. */
  readonly lineCount: number;
  /**
   * SHA-256 of content that is known to be new, though the same may have been accepted: rows, and a whole file that holds
   * replayed rows. `null` for any other file.
   */
  readonly sha256: string | null;
}

/** A line of the ledger that is not all in the marts, and what has been replayed of it. */
export interface RejectedFile extends
  Pick<
    LedgerEntry,
    "key" | "dataset" | "status" | "reason" | "rowsRead" | "rowsRejected" | "destination"
  > {
  /** The run that took the file. */
  readonly runId: string;
  /** Rows that were put back; 1 if the whole file was. */
  readonly replayedCount: number;
  /** The content that a replay put under this key, which is known to be new by that; `null` if none did. */
  readonly lineageSha256: string | null;
}

/** Content as it was delivered: the key and the SHA-256 of what is under it. */
export interface KeyedContent {
  /** The whole key. */
  readonly key: string;
  /** SHA-256 of the content, uncompressed, in hex. */
  readonly sha256: string;
}

/** What a committed run has made of an object of some key. */
export interface EarlierVersion {
  /** The run. */
  readonly runId: string;
  /** Rows after its header. */
  readonly rowsRead: number;
  /** Rows that are in the marts. */
  readonly rowsAccepted: number;
}
