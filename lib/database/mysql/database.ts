/**
 * The database in MySQL 8 or MariaDB 10.6 and newer.
 *
 * @module
 */
import { readAuthorities } from "../../authorities.ts";
import { resolve } from "node:path";
import { Duckdb, type Resources } from "../../duckdb/duckdb.ts";
import type { Secret } from "../../secrets/secret.ts";
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
import { commitRun } from "./commit.ts";
import type { MysqlConnection, MysqlTarget, SqlParameter, SqlRow } from "./connection.ts";
import { acquireLease, beginRun } from "./lease.ts";
import { acceptedContent, versionsOf } from "./ledger.ts";
import { MysqlPool } from "./pool.ts";
import { newByLineage, rejectedFiles, replayedLines } from "./replay.ts";
import { batches, NOW } from "./rows.ts";
import { writeSnapshot } from "./snapshot.ts";
import { requireReportingTables } from "./found_tables.ts";
import { createMissing, migrate, readOwn } from "./tables.ts";
import { usesTls } from "./tls.ts";
import { transaction } from "./transaction.ts";

/** How to open the database. */
export interface MysqlDatabaseOptions {
  /** The server's name or address. */
  readonly host: string;
  /** The server's TCP port. */
  readonly port: number;
  /** The schema's name; the schema must exist. */
  readonly database: string;
  /** The account's name. */
  readonly user: string;
  /** The account's password. */
  readonly password: Secret;
  /** Left out: required, except for loopback hosts. `required` checks the certificate and the host name in it. */
  readonly tls?:
    | {
      readonly mode: "required" | "off";
      /** PEM file with the authorities to trust, absolute; left out: the built-in ones. */
      readonly caFile?: string | undefined;
    }
    | undefined;
  /** The work dir: snapshots are written there and totals read from it. */
  readonly workDir: string;
  /** The limits of the DuckDB that reads and writes the Parquet files. */
  readonly resources: Resources;
  /** Changes nothing, for a dry run; see the contract. */
  readonly readOnly?: boolean;
  /** Gives a fresh random UUID. */
  readonly newId: () => string;
  /** Ends what is under way; only the lease can be given back afterwards. */
  readonly signal?: AbortSignal;
}

/** A database that is connected to by its first method. */
export function openMysqlDatabase(options: MysqlDatabaseOptions): Database {
  return new MysqlDatabase(options);
}

class MysqlDatabase implements Database {
  readonly #options: MysqlDatabaseOptions;
  readonly #pool: MysqlPool;

  constructor(options: MysqlDatabaseOptions) {
    this.#options = options;
    this.#pool = new MysqlPool(options, () => targetOf(options), options.signal);
  }

  get name(): string {
    const { host, port, database } = this.#options;
    return `${database} on ${host}:${port}`;
  }

  prepare(): Promise<void> {
    const need = { action: "create the pipeline's tables" };
    return this.#pool.use(need, (connection) => migrate(connection, this.name, this.#options.newId));
  }

  prepareTables(tables: readonly ReportingTable[]): Promise<void> {
    const need = { action: "create the reporting tables" };
    return this.#pool.use(need, async (connection) => {
      if (!connection.isReadOnly) await createMissing(connection, tables);
      await requireReportingTables(connection, tables, this.name);
    });
  }

  async binding(): Promise<{ id: string; bound: boolean }> {
    const [row] = await this.#read(
      "read the binding",
      "SELECT database_id, bound FROM pipeline_schema WHERE id = 1",
    );
    return { id: row?.[0] ?? "", bound: row?.[1] === "1" };
  }

  bind(): Promise<void> {
    return this.#run("note the binding", "UPDATE pipeline_schema SET bound = TRUE WHERE id = 1");
  }

  acquireLease(owner: LeaseOwner, ttlSeconds: number): Promise<LeaseAnswer> {
    return this.#pool.use(
      { action: "take the lease" },
      (connection) => transaction(connection, () => acquireLease(connection, owner, ttlSeconds)),
    );
  }

  renewLease(token: number, ttlSeconds: number): Promise<boolean> {
    return this.#pool.use({ action: "renew the lease" }, async (connection) => {
      const { rowCount } = await connection.run(
        `UPDATE pipeline_lease SET expires_at = ${NOW} + INTERVAL ? SECOND WHERE id = 1 AND token = ?`,
        [ttlSeconds, token],
      );
      return rowCount === 1;
    });
  }

  releaseLease(token: number): Promise<void> {
    return this.#pool.use({ action: "release the lease", afterSignal: true }, async (connection) => {
      await connection.run(`UPDATE pipeline_lease SET expires_at = ${NOW} WHERE id = 1 AND token = ?`, [
        token,
      ]);
    });
  }

  beginRun(run: NewRun): Promise<number> {
    return this.#pool.use(
      { action: "begin the run" },
      (connection) => transaction(connection, () => beginRun(connection, run)),
    );
  }

  async runState(runId: string): Promise<RunState | null> {
    const [row] = await this.#read("read the runs", "SELECT state FROM pipeline_run WHERE run_id = ?", [
      runId,
    ]);
    return (row?.[0] ?? null) as RunState | null;
  }

  async runStates(runIds: readonly string[]): Promise<Map<string, RunState>> {
    const rows = await this.#among(
      "read the runs",
      runIds,
      (connection, part) =>
        readOwn(connection, "SELECT run_id, state FROM pipeline_run WHERE run_id IN (?)", [part]),
    );
    return new Map(rows.map(([runId, state]) => [String(runId), state as RunState]));
  }

  async unfinishedRuns(): Promise<UnfinishedRun[]> {
    const rows = await this.#read(
      "read the runs",
      `SELECT r.run_id, r.state, COUNT(CASE WHEN m.kind = 'publish' THEN 1 END),
         COUNT(CASE WHEN m.kind = 'archive' THEN 1 END)
       FROM pipeline_run r LEFT JOIN pending_move m ON m.run_id = r.run_id AND m.outcome IS NULL
       WHERE r.state IN ('committed', 'published')
       GROUP BY r.run_id, r.state, r.token
       HAVING r.state = 'committed' OR COUNT(m.id) > 0
       ORDER BY r.token`,
    );
    return rows.map(([runId, state, publishes, archives]) => ({
      runId: String(runId),
      openPublishes: Number(publishes),
      openArchives: Number(archives),
      published: state === "published",
    }));
  }

  finishRun(runId: string, state: "nothing-to-do" | "recovered" | "published"): Promise<void> {
    const from = state === "published" ? "committed" : "open";
    return this.#run(
      "finish the run",
      `UPDATE pipeline_run SET state = ?, finished_at = ${NOW} WHERE run_id = ? AND state = ?`,
      [state, runId, from],
    );
  }

  snapshot(folder: string, dimensions: Dimensions): Promise<Snapshot> {
    return this.#withDuckdb(
      "read the dimensions",
      (connection, duckdb) => writeSnapshot(connection, duckdb, { folder, dimensions, name: this.name }),
    );
  }

  async acceptedContent(dataset: string, sha256: readonly string[]): Promise<Set<string>> {
    const find = (connection: MysqlConnection, part: readonly string[]) =>
      acceptedContent(connection, dataset, part);
    return new Set(await this.#among("read the ledger", sha256, find));
  }

  async earlierVersions(keys: readonly string[]): Promise<Map<string, EarlierVersion>> {
    return new Map(await this.#among("read the ledger", keys, versionsOf));
  }

  async runFiles(runId: string): Promise<Pick<LedgerEntry, "key" | "dataset" | "status">[]> {
    const rows = await this.#read(
      "read the ledger",
      "SELECT CONVERT(object_key USING utf8mb4), dataset, status FROM source_file WHERE run_id = ?",
      [runId],
    );
    return rows.map(([key, dataset, status]) => ({
      key: String(key),
      dataset: String(dataset),
      status: String(status) as LedgerEntry["status"],
    }));
  }

  rejectedFiles(of: { runId: string | null; key: string | null }): Promise<RejectedFile[]> {
    return this.#pool.use({ action: "read the ledger" }, (connection) => rejectedFiles(connection, of));
  }

  replayedLines(of: { runId: string; key: string }, after: number): Promise<number[]> {
    const need = { action: "read what was replayed" };
    return this.#pool.use(need, (connection) => replayedLines(connection, of, after));
  }

  newByLineage(objects: readonly KeyedContent[]): Promise<Set<string>> {
    const need = { action: "read what was replayed" };
    return this.#pool.use(need, (connection) => newByLineage(connection, objects));
  }

  commit(commit: Commit): Promise<void> {
    return this.#withDuckdb(
      "commit the run",
      (connection, duckdb) => commitRun(connection, duckdb, commit, this.name),
    );
  }

  async pendingMoves(kind: MoveOrder["kind"]): Promise<PendingMove[]> {
    const rows = await this.#read(
      "read the pending moves",
      `SELECT m.id, m.run_id, CONVERT(m.from_key USING utf8mb4), CONVERT(m.to_key USING utf8mb4), m.etag,
         m.size_bytes, m.last_modified, CONVERT(m.local_copy USING utf8mb4)
       FROM pending_move m JOIN pipeline_run r ON r.run_id = m.run_id
       WHERE m.kind = ? AND m.outcome IS NULL ORDER BY r.token, m.id`,
      [kind],
    );
    return rows.map(([id, runId, from, to, etag, sizeBytes, lastModified = null, localCopy = null]) => ({
      id: Number(id),
      runId: String(runId),
      kind,
      from: String(from),
      to: String(to),
      etag: String(etag),
      sizeBytes: Number(sizeBytes),
      lastModified,
      localCopy,
    }));
  }

  async settleMoves(moves: readonly SettledMove[]): Promise<void> {
    for (const [outcome, settled] of Map.groupBy(moves, (move) => move.outcome)) {
      for (const part of batches(settled)) {
        const ids = part.map(({ id }) => id);
        await this.#run("settle moves", "UPDATE pending_move SET outcome = ? WHERE id IN (?)", [
          outcome,
          ids,
        ]);
      }
    }
  }

  async publishedObjects(runId: string): Promise<PublishedObject[]> {
    const rows = await this.#read(
      "read the published objects",
      `SELECT CONVERT(to_key USING utf8mb4), size_bytes FROM pending_move WHERE run_id = ? AND kind = 'publish'
       ORDER BY to_key`,
      [runId],
    );
    return rows.map(([key, sizeBytes]) => ({ key: String(key), sizeBytes: Number(sizeBytes) }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool[Symbol.asyncDispose]();
  }

  #run(action: string, sql: string, parameters: readonly SqlParameter[] = []): Promise<void> {
    return this.#pool.use({ action }, async (connection) => {
      await connection.run(sql, parameters);
    });
  }

  #read(action: string, sql: string, parameters: readonly SqlParameter[] = []): Promise<SqlRow[]> {
    return this.#pool.use({ action }, (connection) => readOwn(connection, sql, parameters));
  }

  /** Looks values up, as many at a time as one query takes. */
  async #among<Row = SqlRow>(
    action: string,
    values: readonly string[],
    lookUp: (connection: MysqlConnection, part: readonly string[]) => Promise<Row[]>,
  ): Promise<Row[]> {
    const found: Row[] = [];
    for (const part of batches(values)) {
      found.push(...await this.#pool.use({ action }, (connection) => lookUp(connection, part)));
    }
    return found;
  }

  /** Does work that leaves settings or temporary tables behind on its connection. */
  #withDuckdb<T>(
    action: string,
    work: (connection: MysqlConnection, duckdb: Duckdb) => Promise<T>,
  ): Promise<T> {
    const { workDir, resources, signal } = this.#options;
    return this.#pool.use({ action, closeAfter: true }, async (connection) => {
      await using duckdb = await Duckdb.open({
        allowedFolders: [workDir],
        spillFolder: resolve(workDir, "spill"),
        resources,
        ...(signal ? { signal } : {}),
      });
      return await work(connection, duckdb);
    });
  }
}

async function targetOf(options: MysqlDatabaseOptions): Promise<MysqlTarget> {
  const { host, tls, readOnly = false } = options;
  // With TLS the host is a name: the configuration takes nothing else.
  const ca = tls?.caFile === undefined
    ? {}
    : { ca: await readAuthorities(tls.caFile, "database.tls.caFile") };
  return { ...options, readOnly, tls: usesTls(host, tls?.mode) ? ca : null };
}
