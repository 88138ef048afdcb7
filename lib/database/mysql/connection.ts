/**
 * One connection to MySQL or MariaDB, in a known state and with a deadline on everything; the only file that knows the
 * driver.
 *
 * The driver's own timeouts leave the socket open, and its `destroy()` waits for the peer: here a deadline, a lost
 * connection and an aborted signal all end in the same way, by cutting the socket, and the connection is not used again.
 *
 * @module
 */
import { createReadStream, type ReadStream } from "node:fs";
import { connect, type Socket } from "node:net";
import mysql from "mysql2";
import { ConfigError } from "../../errors.ts";
import type { Secret } from "../../secrets/secret.ts";
import { faultOf, type MysqlAddress, MysqlFault } from "./errors.ts";
import { pinSession } from "./session.ts";

/** A value to be sent; numbers must be whole. A list becomes the values of `IN (?)`, one of lists those of `VALUES ?`. */
export type SqlParameter = string | number | null | Uint8Array | readonly SqlParameter[];

/** One row; numbers arrive as text, so that they are exact. Binary columns have to be converted by the query. */
export type SqlRow = readonly (string | null)[];

/** What a statement that returns no rows did. */
export interface Outcome {
  /** Rows that the statement matched, also if it did not change them. */
  readonly rowCount: number;
  /** Warnings that it raised. */
  readonly warningCount: number;
}

/** The server to connect to, the account, and the options. */
export interface MysqlTarget extends MysqlAddress {
  /** The account's password. */
  readonly password: Secret;
  /** PEM certificates to trust in place of the built-in ones; `null`: no TLS at all. */
  readonly tls: { readonly ca?: string } | null;
  /** Whether the server is to refuse changes. */
  readonly readOnly: boolean;
}

/** Connecting, TLS and log-in. */
export const CONNECT_TIMEOUT_MS = 10_000;
/** A statement that touches few rows, with its wait for locks. */
export const QUERY_TIMEOUT_MS = 30_000;
/** A statement that touches millions of rows; adding 6 million totals takes minutes. */
export const BULK_TIMEOUT_MS = 1_800_000;
/** Between two rows of a long answer. */
const STREAM_TIMEOUT_MS = 60_000;
/** Idle time after which the system begins to ask whether the peer is still there. */
const KEEP_ALIVE_MS = 30_000;
/** Saying good-bye. */
const END_TIMEOUT_MS = 500;
/** Rows that the driver holds back until they are asked for. */
const STREAM_ROWS = 4096;
/** Bytes of a file on the way to the server. */
const INFILE_CHUNK_BYTES = 256 * 1024;

/** See the module's head. Runs one statement at a time. */
export class MysqlConnection {
  /** The server's id of this connection. */
  readonly id: number;
  /** Whether the server refuses changes. */
  readonly isReadOnly: boolean;
  readonly #driver: mysql.Connection;
  readonly #socket: Socket;
  readonly #signal: AbortSignal | undefined;
  #isUsable = true;
  #maxPacketBytes = 0;

  private constructor(
    driver: mysql.Connection,
    socket: Socket,
    { isReadOnly, signal }: { isReadOnly: boolean; signal: AbortSignal | undefined },
  ) {
    this.#driver = driver;
    this.#socket = socket;
    this.#signal = signal;
    this.isReadOnly = isReadOnly;
    this.id = driver.threadId;
    // Without a listener a connection that the server closes while it is idle would end the process.
    driver.on("error", () => this.destroy());
    driver.on("end", () => this.destroy());
  }

  /**
   * Connects and logs in.
   *
   * @param signal Cuts the connection.
   * @throws {MysqlFault}
   * @throws {ConfigError} if the session cannot be pinned.
   */
  static async open(target: MysqlTarget, signal?: AbortSignal): Promise<MysqlConnection> {
    const { host, port, tls } = target;
    let socket: Socket | undefined;
    try {
      socket = connect(port, host).setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_MS);
      const driver = mysql.createConnection({
        host,
        port,
        user: target.user,
        password: target.password.reveal(),
        database: target.database,
        stream: socket,
        charset: "utf8mb4_bin",
        // The driver's default is not to look at the name.
        ...(tls ? { ssl: { ...tls, rejectUnauthorized: true, verifyIdentity: true } } : {}),
        connectTimeout: 0,
        rowsAsArray: true,
        supportBigNumbers: true,
        bigNumberStrings: true,
        dateStrings: true,
        jsonStrings: true,
      });
      await deadline(CONNECT_TIMEOUT_MS, signal, () => cut(driver, socket), (done, failed) => {
        driver.once("connect", () => done(undefined));
        driver.on("error", failed);
      });
      const connection = new MysqlConnection(driver, socket, { isReadOnly: target.readOnly, signal });
      connection.#maxPacketBytes = await pinSession(connection, target.readOnly);
      return connection;
    } catch (error) {
      socket?.destroy();
      signal?.throwIfAborted();
      throw error instanceof ConfigError ? error : faultOf(error);
    }
  }

  /** Bytes of a statement at the most: the server's max_allowed_packet. */
  get maxPacketBytes(): number {
    return this.#maxPacketBytes;
  }

  /** Whether it may be used again. */
  get isUsable(): boolean {
    return this.#isUsable;
  }

  /**
   * Reads the rows of a query, whole.
   *
   * @param parameters A value for each `?`.
   */
  async query(sql: string, parameters: readonly SqlParameter[] = []): Promise<SqlRow[]> {
    const answer = await this.#send({ sql, values: [...parameters] }, QUERY_TIMEOUT_MS) as unknown[][];
    return answer.map((row) => row.map((value) => value === null ? null : String(value)));
  }

  /**
   * Runs a statement that returns no rows.
   *
   * @param file For LOAD DATA LOCAL: what the server gets, whatever name it asks for.
   */
  async run(
    sql: string,
    parameters: readonly SqlParameter[] = [],
    { timeoutMs = QUERY_TIMEOUT_MS, file }: { timeoutMs?: number; file?: string } = {},
  ): Promise<Outcome> {
    // The driver knows this option, its types do not.
    const options: mysql.QueryOptions & { infileStreamFactory?: () => unknown } = {
      sql,
      values: [...parameters],
    };
    let source: ReadStream | undefined;
    if (file !== undefined) {
      options.infileStreamFactory = () =>
        source = createReadStream(file, { highWaterMark: INFILE_CHUNK_BYTES });
    }
    try {
      const answer = await this.#send(options, timeoutMs);
      const { affectedRows, warningStatus } = answer as mysql.ResultSetHeader;
      return { rowCount: Number(affectedRows), warningCount: warningStatus };
    } finally {
      // The driver leaves it open if the connection is lost.
      source?.destroy();
    }
  }

  /** Reads the rows of a query in batches, as they arrive and no faster than they are taken. */
  async *stream(sql: string): AsyncGenerator<SqlRow[]> {
    this.#signal?.throwIfAborted();
    const rows = this.#driver.query({ sql, rowsAsArray: true }).stream({ highWaterMark: STREAM_ROWS });
    const fail = (error: unknown) => {
      this.destroy();
      rows.destroy(error as Error);
    };
    const onAbort = () => fail(this.#signal?.reason);
    this.#signal?.addEventListener("abort", onAbort);
    const onClose = () => fail(new MysqlFault("lost", 0, "PROTOCOL_CONNECTION_LOST"));
    this.#socket.once("close", onClose);
    const expire = () => fail(new MysqlFault("timeout", 0, "ETIMEDOUT"));
    let timer = setTimeout(expire, STREAM_TIMEOUT_MS);
    let isDone = false;
    try {
      let batch: SqlRow[] = [];
      for await (const row of rows) {
        batch.push(row);
        if (batch.length < STREAM_ROWS) continue;
        clearTimeout(timer);
        yield batch;
        batch = [];
        timer = setTimeout(expire, STREAM_TIMEOUT_MS);
      }
      isDone = true;
      if (batch.length > 0) yield batch;
    } catch (error) {
      this.#signal?.throwIfAborted();
      throw faultOf(error);
    } finally {
      clearTimeout(timer);
      this.#signal?.removeEventListener("abort", onAbort);
      this.#socket.off("close", onClose);
      // The rest of the rows would be taken for the next answer.
      if (!isDone) this.destroy();
    }
  }

  /** Cuts the connection; the server ends it when it notices, which may be after a long statement. */
  destroy(): void {
    this.#isUsable = false;
    cut(this.#driver, this.#socket);
  }

  /** Says good-bye. */
  async close(): Promise<void> {
    if (!this.#isUsable) return;
    this.#isUsable = false;
    await deadline(END_TIMEOUT_MS, undefined, () => {}, (done) => this.#driver.end(done)).catch(() => {});
    this.destroy();
  }

  async #send(options: mysql.QueryOptions, timeoutMs: number): Promise<unknown> {
    this.#signal?.throwIfAborted();
    try {
      return await deadline(timeoutMs, this.#signal, () => this.destroy(), (done, failed) => {
        const onClose = () => failed(new MysqlFault("lost", 0, "PROTOCOL_CONNECTION_LOST"));
        this.#socket.once("close", onClose);
        this.#driver.query(options, (error, answer) => {
          this.#socket.off("close", onClose);
          if (error) failed(error);
          else done(answer);
        });
      });
    } catch (error) {
      this.#signal?.throwIfAborted();
      const fault = faultOf(error);
      if (fault.kind === "lost" || fault.kind === "timeout") this.destroy();
      throw fault;
    }
  }
}

/** Waits for the work; if that takes too long, or the signal is aborted, ends it and throws. */
async function deadline<T>(
  timeoutMs: number,
  signal: AbortSignal | undefined,
  end: () => void,
  work: (done: (value: T) => void, failed: (error: unknown) => void) => void,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const fail = (error: unknown) => {
    reject(error);
    end();
  };
  const timer = setTimeout(() => fail(new MysqlFault("timeout", 0, "ETIMEDOUT")), timeoutMs);
  const onAbort = () => fail(signal?.reason);
  signal?.addEventListener("abort", onAbort);
  try {
    work(resolve, reject);
    return await promise;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

function cut(driver: mysql.Connection, socket: Socket | undefined): void {
  driver.destroy();
  socket?.destroy();
}
