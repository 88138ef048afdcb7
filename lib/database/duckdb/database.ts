/**
 * The database in a DuckDB file: the embedded default.
 *
 * @module
 */
import { type Duckdb, type Resources, type Row, rowsOf } from "../../duckdb/duckdb.ts";
import type { Database } from "../database.ts";
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
} from "../records.ts";
import { COUNT_TRIES } from "../tables.ts";
import { commitRun, requireToken, runState } from "./commit.ts";
import { DuckdbFile } from "./file.ts";
import { newByLineage, rejectedFiles, replayedLines } from "./replay.ts";
import { GIVEN, NOW, textOrNull } from "./rows.ts";
import { writeSnapshot } from "./snapshot.ts";
import { createReportingTable, migrate, requireReportingTables, shadowOldTables } from "./tables.ts";

/** How to open the database. */
export interface DuckdbDatabaseOptions {
  /** The file; created if it is missing. */
  readonly path: string;
  /** The work dir: snapshots are written there and totals read from it. */
  readonly workDir: string;
  /** DuckDB's limits. */
  readonly resources: Resources;
  /** Changes nothing, for a dry run; see the contract. */
  readonly readOnly?: boolean;
  /** Gives a fresh random UUID. */
  readonly newId: () => string;
  /** A clock that only goes forward, in milliseconds: the wait for another process is measured by it. */
  readonly monotonic: () => number;
  /** Interrupts a running query. */
  readonly signal?: AbortSignal;
}

/** A database whose file is opened by its first method; nothing is held between methods. */
export function openDuckdbDatabase(options: DuckdbDatabaseOptions): Database {
  return new DuckdbDatabase(options);
}

class DuckdbDatabase implements Database {
  readonly name: string;
  readonly #file: DuckdbFile;
  readonly #readOnly: boolean;
  readonly #newId: () => string;

  constructor({ readOnly = false, newId, ...options }: DuckdbDatabaseOptions) {
    this.name = options.path;
    this.#file = new DuckdbFile({ ...options, readOnly });
    this.#readOnly = readOnly;
    this.#newId = newId;
  }

  prepare(): Promise<void> {
    return this.#transaction((db) => migrate(db, this.name, this.#newId));
  }

  prepareTables(tables: readonly ReportingTable[]): Promise<void> {
    if (this.#readOnly) return this.#open((db) => requireReportingTables(db, tables, this.name));
    return this.#transaction(async (db) => {
      for (const table of tables) await createReportingTable(db, table);
      await requireReportingTables(db, tables, this.name);
    });
  }

  async binding(): Promise<{ id: string; bound: boolean }> {
    const [row] = await this.#read("SELECT database_id, bound FROM pipeline_schema");
    return { id: String(row?.database_id ?? ""), bound: row?.bound === true };
  }

  bind(): Promise<void> {
    return this.#run("UPDATE pipeline_schema SET bound = TRUE WHERE NOT bound");
  }

  acquireLease({ owner, holder, runId }: LeaseOwner, ttlSeconds: number): Promise<LeaseAnswer> {
    return this.#transaction(async (db) => {
      const [taken] = await db.query(
        `UPDATE pipeline_lease SET owner = $1, holder = $2, run_id = $3, token = token + 1, acquired_at = ${NOW},
           expires_at = ${NOW} + to_seconds($4::BIGINT)
         WHERE owner IS NULL OR owner = $1 OR expires_at <= ${NOW}
         RETURNING token`,
        [owner, holder, runId, ttlSeconds],
      );
      if (taken) return { token: Number(taken.token) };
      const [held] = await db.query("SELECT holder, run_id, acquired_at, expires_at FROM pipeline_lease");
      return {
        heldBy: {
          holder: String(held?.holder),
          runId: String(held?.run_id),
          since: `${held?.acquired_at}Z`,
          until: `${held?.expires_at}Z`,
        },
      };
    });
  }

  async renewLease(token: number, ttlSeconds: number): Promise<boolean> {
    const renewed = await this.#read(
      `UPDATE pipeline_lease SET expires_at = ${NOW} + to_seconds($2::BIGINT) WHERE token = $1 RETURNING token`,
      [token, ttlSeconds],
    );
    return renewed.length === 1;
  }

  releaseLease(token: number): Promise<void> {
    return this.#open((db) =>
      db.giveBack(`UPDATE pipeline_lease SET expires_at = ${NOW} WHERE token = $1`, [token])
    );
  }

  beginRun({ runId, token, configHash }: NewRun): Promise<number> {
    return this.#transaction(async (db) => {
      await requireToken(db, token, "begin the run");
      await db.query(
        `UPDATE pipeline_run SET state = 'abandoned', finished_at = ${NOW} WHERE state = 'open' AND run_id <> $1`,
        [runId],
      );
      await db.query(
        `INSERT INTO pipeline_run (run_id, token, state, config_hash, started_at, committed_at, finished_at)
         SELECT $1, $2, 'open', $3, ${NOW}, NULL, NULL
         WHERE NOT EXISTS (SELECT 1 FROM pipeline_run WHERE run_id = $1)`,
        [runId, token, configHash],
      );
      const [row] = await db.query(COUNT_TRIES);
      return Number(row?.tries);
    });
  }

  runState(runId: string): Promise<RunState | null> {
    return this.#open((db) => runState(db, runId));
  }

  async runStates(runIds: readonly string[]): Promise<Map<string, RunState>> {
    const rows = await this.#read(`SELECT run_id, state FROM pipeline_run WHERE run_id IN ${GIVEN}`, [
      JSON.stringify(runIds),
    ]);
    return new Map(rows.map((row) => [String(row.run_id), row.state as RunState]));
  }

  async unfinishedRuns(): Promise<UnfinishedRun[]> {
    const rows = await this.#read(
      `SELECT r.run_id, r.state, count(m.id) FILTER (WHERE m.kind = 'publish') AS publishes,
         count(m.id) FILTER (WHERE m.kind = 'archive') AS archives
       FROM pipeline_run r LEFT JOIN pending_move m ON m.run_id = r.run_id AND m.outcome IS NULL
       WHERE r.state IN ('committed', 'published')
       GROUP BY r.run_id, r.state, r.token
       HAVING r.state = 'committed' OR count(m.id) > 0
       ORDER BY r.token`,
    );
    return rows.map((row) => ({
      runId: String(row.run_id),
      openPublishes: Number(row.publishes),
      openArchives: Number(row.archives),
      published: row.state === "published",
    }));
  }

  finishRun(runId: string, state: "nothing-to-do" | "recovered" | "published"): Promise<void> {
    const from = state === "published" ? "committed" : "open";
    return this.#run(
      `UPDATE pipeline_run SET state = $2, finished_at = ${NOW} WHERE run_id = $1 AND state = $3`,
      [runId, state, from],
    );
  }

  snapshot(folder: string, dimensions: Dimensions): Promise<Snapshot> {
    return this.#transaction((db) => writeSnapshot(db, folder, dimensions, this.name));
  }

  async acceptedContent(dataset: string, sha256: readonly string[]): Promise<Set<string>> {
    const rows = await this.#read(
      `SELECT DISTINCT sha256 FROM source_file
       WHERE dataset = $2 AND status = 'accepted' AND rows_read > 0 AND sha256 IN ${GIVEN}`,
      [JSON.stringify(sha256), dataset],
    );
    return new Set(rows.map((row) => String(row.sha256)));
  }

  async earlierVersions(keys: readonly string[]): Promise<Map<string, EarlierVersion>> {
    // The last one of each key stays.
    const rows = await this.#read(
      `SELECT object_key, f.run_id, rows_read, rows_accepted
       FROM source_file f JOIN pipeline_run r ON r.run_id = f.run_id
       WHERE object_key IN ${GIVEN} ORDER BY rows_accepted > 0, token`,
      [JSON.stringify(keys)],
    );
    return new Map(rows.map(({ object_key, run_id, rows_read, rows_accepted }) => [
      String(object_key),
      { runId: String(run_id), rowsRead: Number(rows_read), rowsAccepted: Number(rows_accepted) },
    ]));
  }

  async runFiles(runId: string): Promise<Pick<LedgerEntry, "key" | "dataset" | "status">[]> {
    const rows = await this.#read("SELECT object_key, dataset, status FROM source_file WHERE run_id = $1", [
      runId,
    ]);
    return rows.map((row) => ({
      key: String(row.object_key),
      dataset: String(row.dataset),
      status: String(row.status) as LedgerEntry["status"],
    }));
  }

  rejectedFiles(of: { runId: string | null; key: string | null }): Promise<RejectedFile[]> {
    return this.#open((db) => rejectedFiles(db, of));
  }

  replayedLines(of: { runId: string; key: string }, after: number): Promise<number[]> {
    return this.#open((db) => replayedLines(db, of, after));
  }

  newByLineage(objects: readonly KeyedContent[]): Promise<Set<string>> {
    return this.#open((db) => newByLineage(db, objects));
  }

  commit(commit: Commit): Promise<void> {
    return this.#transaction((db) => commitRun(db, commit, this.name));
  }

  async pendingMoves(kind: MoveOrder["kind"]): Promise<PendingMove[]> {
    const rows = await this.#read(
      `SELECT m.* FROM pending_move m JOIN pipeline_run r ON r.run_id = m.run_id
       WHERE m.kind = $1 AND m.outcome IS NULL ORDER BY r.token, m.id`,
      [kind],
    );
    return rows.map((row) => ({
      id: Number(row.id),
      runId: String(row.run_id),
      kind,
      from: String(row.from_key),
      to: String(row.to_key),
      etag: String(row.etag),
      sizeBytes: Number(row.size_bytes),
      lastModified: textOrNull(row.last_modified),
      localCopy: textOrNull(row.local_copy),
    }));
  }

  settleMoves(moves: readonly SettledMove[]): Promise<void> {
    return this.#run(
      `UPDATE pending_move SET outcome = s.outcome
       FROM (${rowsOf({ id: "BIGINT", outcome: "VARCHAR" })}) s WHERE pending_move.id = s.id`,
      [JSON.stringify(moves)],
    );
  }

  async publishedObjects(runId: string): Promise<PublishedObject[]> {
    const rows = await this.#read(
      "SELECT to_key, size_bytes FROM pending_move WHERE run_id = $1 AND kind = 'publish' ORDER BY to_key",
      [runId],
    );
    return rows.map((row) => ({ key: String(row.to_key), sizeBytes: Number(row.size_bytes) }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file[Symbol.asyncDispose]();
  }

  #read(sql: string, parameters: (string | number | null)[] = []): Promise<Row[]> {
    return this.#open((db) => db.query(sql, parameters));
  }

  async #run(sql: string, parameters: (string | number | null)[] = []): Promise<void> {
    await this.#read(sql, parameters);
  }

  #transaction<T>(work: (db: Duckdb) => Promise<T>): Promise<T> {
    return this.#open((db) => db.transaction(() => work(db)));
  }

  #open<T>(work: (db: Duckdb) => Promise<T>): Promise<T> {
    return this.#file.use(async (db) => {
      if (this.#readOnly) await shadowOldTables(db);
      return await work(db);
    });
  }
}
