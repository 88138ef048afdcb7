/**
 * Connections for pieces of work.
 *
 * Each piece of work has a connection for itself, so that a heartbeat never waits for a commit; one that has just been
 * used is used again. A connection that was cut in the middle of its work is ended on the server too, where a statement
 * would otherwise run on and keep its locks.
 *
 * @module
 */
import { wrapSystemError } from "../../errors.ts";
import { MysqlConnection, type MysqlTarget } from "./connection.ts";
import { type MysqlAddress, MysqlFault } from "./errors.ts";
import { describeFault } from "./meanings.ts";

/** A connection that was idle for longer may have been dropped by something between here and the server. */
const IDLE_MS = 10_000;

/** What a piece of work needs besides a connection. */
export interface Need {
  /** Completes `Cannot …`. */
  readonly action: string;
  /** The work uses a new connection, which the signal does not cut. */
  readonly afterSignal?: boolean;
  /** The work leaves something behind on the connection, which is closed therefore. */
  readonly closeAfter?: boolean;
}

/** See the module's head. */
export class MysqlPool implements AsyncDisposable {
  readonly #address: MysqlAddress;
  readonly #findTarget: () => Promise<MysqlTarget>;
  readonly #signal: AbortSignal | undefined;
  #target: Promise<MysqlTarget> | null = null;
  /** Connections that nobody uses, and since when by a clock that only goes forward. */
  readonly #idle: { connection: MysqlConnection; sinceMs: number }[] = [];
  /** Connections that are being ended on the server. */
  readonly #ending = new Set<Promise<void>>();

  /**
   * Connects to nothing yet.
   *
   * @param findTarget Called by the first connection.
   * @param signal Cuts every connection but those of work {@linkcode Need.afterSignal}.
   */
  constructor(address: MysqlAddress, findTarget: () => Promise<MysqlTarget>, signal?: AbortSignal) {
    this.#address = address;
    this.#findTarget = findTarget;
    this.#signal = signal;
  }

  /** Does the work with a connection of its own; once more with a new one if it is lost, or others were in the way. */
  async use<T>(need: Need, work: (connection: MysqlConnection) => Promise<T>): Promise<T> {
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
      if (!afterSignal) this.#signal?.throwIfAborted();
      const { host, port, database } = this.#address;
      throw wrapSystemError(
        describeFault(error, action, this.#address),
        `Cannot use the database ${database} on ${host}:${port}`,
      );
    }
  }

  async #take(isNew: boolean, afterSignal: boolean): Promise<MysqlConnection> {
    if (!afterSignal) this.#signal?.throwIfAborted();
    while (!isNew) {
      const last = this.#idle.pop();
      if (!last) break;
      if (last.connection.isUsable && performance.now() - last.sinceMs < IDLE_MS) return last.connection;
      await last.connection.close();
    }
    return await this.#connect(afterSignal ? undefined : this.#signal);
  }

  async #connect(signal?: AbortSignal): Promise<MysqlConnection> {
    this.#target ??= this.#findTarget();
    return await MysqlConnection.open(await this.#target, signal);
  }

  /** Ends a connection whose work threw, on the server too. */
  #end(connection: MysqlConnection): Promise<void> {
    const wasCut = !connection.isUsable;
    const ending = (wasCut ? this.#kill(connection.id) : connection.close())
      .catch(() => {}).finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
    return ending;
  }

  async #kill(id: number): Promise<void> {
    const killer = await this.#connect();
    try {
      // After a restart of the server the number may be somebody else's.
      const { user, database } = this.#address;
      const processes = await killer.query("SHOW PROCESSLIST");
      const isOurs = processes.some(([number, by, , on]) =>
        number === String(id) && by === user && on === database
      );
      if (isOurs) await killer.run(`KILL ${id}`);
    } finally {
      await killer.close();
    }
  }

  /** Says good-bye to the idle connections, and waits for those that are being ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#idle.splice(0).map(({ connection }) => connection.close()));
    await Promise.all(this.#ending);
  }
}
