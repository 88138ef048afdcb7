/**
 * The right to publish, as this process holds it.
 *
 * The database decides who has the lease; this keeps it alive while the process works and stops remote effects once
 * it may have passed to another: the deadline counts from before each renewal was sent, by a clock that does not stop
 * while the process is paused.
 *
 * @module
 */
import type { Database } from "../database/database.ts";
import { LeaseLostError } from "../database/errors.ts";
import type { LeaseOwner } from "../database/records.ts";
import { UnavailableError } from "../errors.ts";

/** Milliseconds of a clock that only goes forward. */
export type Monotonic = () => number;

const ACQUIRE_RETRY_MS = 500;

/** A held lease with its heartbeat; disposing of it stops the heartbeat and leaves the lease as it is. */
export class Lease implements Disposable {
  /** The fencing token. */
  readonly token: number;
  readonly #database: Database;
  readonly #ttlSeconds: number;
  readonly #monotonic: Monotonic;
  readonly #timer: ReturnType<typeof setInterval>;
  #deadlineMs: number;
  #renewal: Promise<void> | null = null;
  #lost = false;

  private constructor(
    database: Database,
    token: number,
    ttlSeconds: number,
    sentMs: number,
    monotonic: Monotonic,
  ) {
    this.token = token;
    this.#database = database;
    this.#ttlSeconds = ttlSeconds;
    this.#monotonic = monotonic;
    this.#deadlineMs = sentMs + ttlSeconds * 1000;
    // A failed heartbeat is not yet a failure: hold() decides, once the deadline has passed.
    this.#timer = setInterval(() => this.#renew().catch(() => {}), ttlSeconds * 1000 / 3);
    Deno.unrefTimer(Number(this.#timer));
  }

  /**
   * Takes the lease, waiting for another owner as configured.
   *
   * @throws {UnavailableError} `lease_held`, naming the holder and since when.
   */
  static async acquire(
    database: Database,
    owner: LeaseOwner,
    options: { ttlSeconds: number; waitSeconds: number; monotonic: Monotonic; signal: AbortSignal },
  ): Promise<Lease> {
    const { ttlSeconds, waitSeconds, monotonic, signal } = options;
    const waitUntilMs = monotonic() + waitSeconds * 1000;
    while (true) {
      signal.throwIfAborted();
      const sentMs = monotonic();
      const answer = await database.acquireLease(owner, ttlSeconds);
      if ("token" in answer) return new Lease(database, answer.token, ttlSeconds, sentMs, monotonic);
      if (monotonic() >= waitUntilMs) {
        const { holder, runId, since, until } = answer.heldBy;
        throw new UnavailableError(
          "lease_held",
          `Cannot start: run ${runId} of ${holder} has held the lease on ${database.name} since ${since}; ` +
            `it ends by itself at ${until} unless it is renewed`,
        );
      }
      await new Promise((done) => setTimeout(done, ACQUIRE_RETRY_MS));
    }
  }

  /**
   * Goes on with the lease that an earlier stage of the same run took.
   *
   * @throws {LeaseLostError} if another run has taken it since.
   */
  static async resume(
    database: Database,
    token: number,
    options: { ttlSeconds: number; monotonic: Monotonic },
  ): Promise<Lease> {
    const sentMs = options.monotonic();
    if (!await database.renewLease(token, options.ttlSeconds)) throw new LeaseLostError("go on with the run");
    return new Lease(database, token, options.ttlSeconds, sentMs, options.monotonic);
  }

  /**
   * To be called before every remote effect.
   *
   * @param action Completes `Cannot …` if the lease is lost.
   * @throws {LeaseLostError}
   */
  async hold(action: string): Promise<void> {
    if (!this.#lost && this.#monotonic() < this.#deadlineMs) return;
    if (!this.#lost) await this.#renew();
    if (this.#lost) throw new LeaseLostError(action);
  }

  /** Stops the heartbeat and gives the lease back. */
  async release(): Promise<void> {
    this[Symbol.dispose]();
    await this.#database.releaseLease(this.token);
  }

  /** Stops the heartbeat. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #renew(): Promise<void> {
    this.#renewal ??= (async () => {
      try {
        const sentMs = this.#monotonic();
        if (await this.#database.renewLease(this.token, this.#ttlSeconds)) {
          this.#deadlineMs = sentMs + this.#ttlSeconds * 1000;
        } else {
          this.#lost = true;
        }
      } finally {
        this.#renewal = null;
      }
    })();
    return this.#renewal;
  }
}
