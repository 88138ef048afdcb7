/**
 * The database in MySQL 8 or MariaDB 10.6 and newer.
 *
 * Every method takes a connection for itself, so that a heartbeat never waits for a commit; one that has just been used
 * is used again. A connection that was cut in the middle of its work is ended on the server too, where a statement would
 * otherwise run on and keep its locks.
 *
 * @module
 */
import { resolve } from "node:path";
import { Duckdb, type Resources } from "../../duckdb/duckdb.ts";
import { ConfigError, wrapSystemError } from "../../errors.ts";
import type { Secret } from "../../secrets/secret.ts";
import {
  type Commit,
  COUNT_TRIES,
  type Database,
  type LeaseAnswer,
  type LeaseOwner,
  type LedgerEntry,
  type MoveOrder,
  type PendingMove,
  type RejectedFile,
  type RunState,
  type SettledMove,
  type Snapshot,
  type UnfinishedRun,
} from "../database.ts";
import { commitRun, NOW, requireToken, transaction } from "./commit.ts";
import { MysqlConnection, type MysqlTarget, type SqlParameter, type SqlRow } from "./connection.ts";
import { describeFault, MysqlFault } from "./errors.ts";
import { newByLineage, rejectedFiles, replayedLines } from "./replay.ts";
import { keyHash } from "./rows.ts";
import { writeSnapshot } from "./snapshot.ts";
import { usesTls } from "./tls.ts";
import { migrate, readOrEmpty } from "./tables.ts";

/** How to open the database. */
export interface MysqlDatabaseOptions {
  /** Name or address of the server. */
  readonly host: string;
  /** TCP port. */
  readonly port: number;
  /** Schema name; must exist. */
  readonly database: string;
  /** Account name. */
  readonly user: string;
  /** Of the account. */
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
  /** DuckDB's limits, which reads and writes the Parquet files. */
  readonly resources: Resources;
  /** Changes nothing, for a dry run; tables that are missing count as empty. */
  readonly readOnly?: boolean;
  /** A fresh random UUID. */
  readonly newId: () => string;
  /** Ends what is under way; only the lease can be given back afterwards. */
  readonly signal?: AbortSignal;
}

/** A connection that was idle for longer may have been dropped by something between here and the server. */
const IDLE_MS = 10_000;
/** Values looked up by one query. */
const BATCH = 1000;

/** A database that is connected to by its first method. */
export function openMysqlDatabase(options: MysqlDatabaseOptions): Database {
  return new MysqlDatabase(options);
}

/** What a piece of work needs besides a connection. */
interface Need {
  /** Completes `Cannot …`. */
  readonly action: string;
  /** Uses a new connection, which the signal does not cut. */
  readonly afterSignal?: boolean;
  /** Leaves something behind on the connection. */
  readonly closeAfter?: boolean;
}

class MysqlDatabase implements Database {
  readonly #options: MysqlDatabaseOptions;
  #target: Promise<MysqlTarget> | null = null;
  /** Connections that nobody uses, and since when by a clock that only goes forward. */
  readonly #idle: { connection: MysqlConnection; sinceMs: number }[] = [];
  /** Connections that are being ended on the server. */
  readonly #ending = new Set<Promise<void>>();

  constructor(options: MysqlDatabaseOptions) {
    this.#options = options;
  }

  get name(): string {
    const { host, port, database } = this.#options;
    return `${database} on ${host}:${port}`;
  }

  prepare(): Promise<void> {
    const need = { action: "create the pipeline's tables" };
    return this.#use(need, (connection) => migrate(connection, this.name, this.#options.newId));
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

  acquireLease({ owner, holder, runId }: LeaseOwner, ttlSeconds: number): Promise<LeaseAnswer> {
    return this.#use({ action: "take the lease" }, (connection) =>
      transaction(connection, async () => {
        const [row] = await connection.query(
          `SELECT owner, holder, run_id, token, acquired_at, expires_at, expires_at <= ${NOW} FROM pipeline_lease
           WHERE id = 1 FOR UPDATE`,
        );
        const [heldBy = null, by, forRun, token, since, until, isExpired] = row ?? [];
        if (heldBy !== null && heldBy !== owner && isExpired !== "1") {
          return {
            heldBy: {
              holder: String(by),
              runId: String(forRun),
              since: isoInstant(since),
              until: isoInstant(until),
            },
          };
        }
        await connection.run(
          `UPDATE pipeline_lease SET owner = ?, holder = ?, run_id = ?, token = token + 1, acquired_at = ${NOW},
             expires_at = ${NOW} + INTERVAL ? SECOND WHERE id = 1`,
          [owner, holder, runId, ttlSeconds],
        );
        return { token: Number(token) + 1 };
      }));
  }

  renewLease(token: number, ttlSeconds: number): Promise<boolean> {
    return this.#use({ action: "renew the lease" }, async (connection) => {
      const { rowCount } = await connection.run(
        `UPDATE pipeline_lease SET expires_at = ${NOW} + INTERVAL ? SECOND WHERE id = 1 AND token = ?`,
        [ttlSeconds, token],
      );
      return rowCount === 1;
    });
  }

  releaseLease(token: number): Promise<void> {
    return this.#use({ action: "release the lease", afterSignal: true }, async (connection) => {
      await connection.run(`UPDATE pipeline_lease SET expires_at = ${NOW} WHERE id = 1 AND token = ?`, [
        token,
      ]);
    });
  }

  beginRun(
    { runId, token, configHash }: { runId: string; token: number; configHash: string },
  ): Promise<number> {
    return this.#use({ action: "begin the run" }, (connection) =>
      transaction(connection, async () => {
        await requireToken(connection, token, "begin the run");
        await connection.run(
          `UPDATE pipeline_run SET state = 'abandoned', finished_at = ${NOW} WHERE state = 'open' AND run_id <> ?`,
          [runId],
        );
        await connection.run(
          `INSERT INTO pipeline_run (run_id, token, state, config_hash, started_at) VALUES (?, ?, 'open', ?, ${NOW})
           ON DUPLICATE KEY UPDATE run_id = run_id`,
          [runId, token, configHash],
        );
        const [row] = await connection.query(COUNT_TRIES);
        return Number(row?.[0]);
      }));
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
      "SELECT run_id, state FROM pipeline_run WHERE run_id IN",
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

  snapshot(folder: string): Promise<Snapshot> {
    return this.#use({ action: "read the dimensions", closeAfter: true }, async (connection) => {
      await using duckdb = await this.#openDuckdb();
      return await writeSnapshot(connection, duckdb, folder, this.name);
    });
  }

  async acceptedContent(sha256: readonly string[]): Promise<Set<string>> {
    const rows = await this.#among(
      "read the ledger",
      sha256,
      "SELECT DISTINCT sha256 FROM source_file WHERE status = 'accepted' AND rows_read > 0 AND sha256 IN",
    );
    return new Set(rows.map(([hash]) => String(hash)));
  }

  async knownKeys(keys: readonly string[]): Promise<Set<string>> {
    const hashes = new Map(keys.map((key) => [keyHash(key), key]));
    const rows = await this.#among(
      "read the ledger",
      [...hashes.keys()],
      "SELECT DISTINCT LOWER(HEX(key_hash)) FROM source_file WHERE key_hash IN",
      "UNHEX(?)",
    );
    return new Set(rows.map(([hash]) => hashes.get(String(hash)) ?? ""));
  }

  async runFiles(runId: string): Promise<Pick<LedgerEntry, "key" | "status">[]> {
    const rows = await this.#read(
      "read the ledger",
      "SELECT CONVERT(object_key USING utf8mb4), status FROM source_file WHERE run_id = ?",
      [runId],
    );
    return rows.map(([key, status]) => ({
      key: String(key),
      status: String(status) as LedgerEntry["status"],
    }));
  }

  rejectedFiles(of: { runId: string | null; key: string | null }): Promise<RejectedFile[]> {
    return rejectedFiles((...query) => this.#read("read the ledger", ...query), of);
  }

  replayedLines(of: { runId: string; key: string }, after: number): Promise<number[]> {
    return replayedLines((...query) => this.#read("read what was replayed", ...query), of, after);
  }

  async newByLineage(objects: readonly { key: string; sha256: string }[]): Promise<Set<string>> {
    const read = (...query: Parameters<Parameters<typeof newByLineage>[0]>) =>
      this.#read("read what was replayed", ...query);
    const found: string[] = [];
    for (const part of batches(objects)) found.push(...await newByLineage(read, part));
    return new Set(found);
  }

  commit(commit: Commit): Promise<"committed"> {
    return this.#use({ action: "commit the run", closeAfter: true }, async (connection) => {
      await using duckdb = await this.#openDuckdb();
      return await commitRun(connection, duckdb, commit);
    });
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
      for (const ids of batches(settled.map(({ id }) => id))) {
        await this.#run(
          "settle moves",
          `UPDATE pending_move SET outcome = ? WHERE id IN (${ids.map(() => "?").join(", ")})`,
          [outcome, ...ids],
        );
      }
    }
  }

  async publishedObjects(runId: string): Promise<{ key: string; sizeBytes: number }[]> {
    const rows = await this.#read(
      "read the published objects",
      `SELECT CONVERT(to_key USING utf8mb4), size_bytes FROM pending_move WHERE run_id = ? AND kind = 'publish'
       ORDER BY to_key`,
      [runId],
    );
    return rows.map(([key, sizeBytes]) => ({ key: String(key), sizeBytes: Number(sizeBytes) }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#idle.splice(0).map(({ connection }) => connection.close()));
    await Promise.all(this.#ending);
  }

  #run(action: string, sql: string, parameters: readonly SqlParameter[] = []): Promise<void> {
    return this.#use({ action }, async (connection) => {
      await connection.run(sql, parameters);
    });
  }

  /** Rows of the pipeline's own tables. */
  #read(action: string, sql: string, parameters: readonly SqlParameter[] = []): Promise<SqlRow[]> {
    return this.#use(
      { action },
      (connection) =>
        this.#options.readOnly ? readOrEmpty(connection, sql, parameters) : connection.query(sql, parameters),
    );
  }

  async #among(action: string, values: readonly string[], sql: string, each = "?"): Promise<SqlRow[]> {
    const found: SqlRow[] = [];
    for (const part of batches(values)) {
      found.push(...await this.#read(action, `${sql} (${part.map(() => each).join(", ")})`, part));
    }
    return found;
  }

  /** Does the work with a connection of its own; once more with a new one where it is lost, or others were in the way. */
  async #use<T>(need: Need, work: (connection: MysqlConnection) => Promise<T>): Promise<T> {
    const { action, afterSignal = false, closeAfter = false } = need;
    try {
      for (let attempt = 1;; attempt++) {
        const connection = await this.#take(afterSignal || attempt > 1, afterSignal);
        try {
          const result = await work(connection);
          if (closeAfter) await connection.close();
          else this.#idle.push({ connection, sinceMs: performance.now() });
          return result;
        } catch (error) {
          const ending = this.#end(connection);
          const isPassing = error instanceof MysqlFault && ["lost", "contended"].includes(error.kind);
          if (!isPassing || attempt > 1) throw error;
          // What it still does must not be in the way of the second attempt, nor happen after it.
          await ending;
        }
      }
    } catch (error) {
      if (!afterSignal) this.#options.signal?.throwIfAborted();
      throw wrapSystemError(
        describeFault(error, action, this.#options),
        `Cannot use the database ${this.name}`,
      );
    }
  }

  async #take(isNew: boolean, afterSignal: boolean): Promise<MysqlConnection> {
    const { signal } = this.#options;
    if (!afterSignal) signal?.throwIfAborted();
    while (!isNew) {
      const last = this.#idle.pop();
      if (!last) break;
      if (last.connection.isUsable && performance.now() - last.sinceMs < IDLE_MS) return last.connection;
      await last.connection.close();
    }
    this.#target ??= targetOf(this.#options);
    return await MysqlConnection.open(await this.#target, afterSignal ? undefined : signal);
  }

  /** Ends a connection whose work failed, on the server too. */
  #end(connection: MysqlConnection): Promise<void> {
    const wasCut = !connection.isUsable;
    const ending = (async () => {
      if (!wasCut) return await connection.close();
      this.#target ??= targetOf(this.#options);
      const killer = await MysqlConnection.open(await this.#target);
      try {
        // After a restart of the server the number may be somebody else's.
        const { user, database } = this.#options;
        const processes = await killer.query("SHOW PROCESSLIST");
        const isOurs = processes.some(([id, by, , on]) =>
          id === String(connection.id) && by === user && on === database
        );
        if (isOurs) await killer.run(`KILL ${connection.id}`);
      } finally {
        await killer.close();
      }
    })().catch(() => {}).finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
    return ending;
  }

  #openDuckdb(): Promise<Duckdb> {
    const { workDir, resources, signal } = this.#options;
    return Duckdb.open({
      allowedFolders: [workDir],
      spillFolder: resolve(workDir, "spill"),
      resources,
      ...(signal ? { signal } : {}),
    });
  }
}

async function targetOf(options: MysqlDatabaseOptions): Promise<MysqlTarget> {
  const { host, tls, readOnly = false } = options;
  // Where TLS is used the host is a name: the configuration takes nothing else.
  const ca = tls?.caFile === undefined ? {} : { ca: await readAuthorities(tls.caFile) };
  return { ...options, readOnly, tls: usesTls(host, tls?.mode) ? ca : null };
}

async function readAuthorities(caFile: string): Promise<string> {
  try {
    return await Deno.readTextFile(caFile);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw wrapSystemError(error, `Cannot read ${caFile}`);
    throw new ConfigError(
      "ca_file_missing",
      `Cannot read ${caFile}: no such file; correct database.tls.caFile`,
    );
  }
}

function isoInstant(datetime: string | null | undefined): string {
  return `${String(datetime).replace(" ", "T")}Z`;
}

function batches<T>(values: readonly T[]): T[][] {
  return Array.from(
    { length: Math.ceil(values.length / BATCH) },
    (_, i) => values.slice(i * BATCH, (i + 1) * BATCH),
  );
}
