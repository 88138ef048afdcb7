/**
 * How long and how much: deadlines, sizes and numbers of S3 requests, and what keeps to them.
 *
 * @module
 */

/** Deadlines and sizes of requests. */
export interface S3Limits {
  /** A connection must stand within this time. */
  readonly connectTimeoutMs: number;
  /** A server that has neither sent nor taken a byte for this time is given up, and asked again. */
  readonly silenceTimeoutMs: number;
  /** An answer must have come within this time, the bytes of an object excepted; else it is asked for again. */
  readonly answerTimeoutMs: number;
  /** Requests for one answer, the first included; the SDK makes them. */
  readonly maxAttempts: number;
  /** New requests for the rest of a body that broke off. */
  readonly maxResumes: number;
  /** The wait before the first of these requests; it doubles every time. */
  readonly resumeDelayMs: number;
  /** A larger file is uploaded in parts of this size, or of a larger one if there would be too many. */
  readonly partBytes: number;
  /** A larger object is copied in parts of this size, or of a larger one if there would be too many. */
  readonly copyPartBytes: number;
  /** Connections at a time. */
  readonly maxSockets: number;
  /** Pieces of files in memory at a time, each of {@linkcode partBytes} or less. */
  readonly maxBuffers: number;
}

/** What holds in production: 64 MiB of buffers, and a server that is silent is given up after 6 to 12 minutes. */
export const S3_LIMITS: S3Limits = {
  connectTimeoutMs: 5_000,
  silenceTimeoutMs: 60_000,
  answerTimeoutMs: 120_000,
  maxAttempts: 6,
  maxResumes: 5,
  resumeDelayMs: 200,
  partBytes: 8 * 1024 ** 2,
  // S3 copies up to 5 GiB at once (CopyObject, API reference). But a server may say nothing while it copies, until its
  // silence is taken for its end.
  copyPartBytes: 1024 ** 3,
  maxSockets: 32,
  maxBuffers: 8,
};

/** Requests for one key each at a time, if a listing or a sweep needs them. */
export const KEY_CONCURRENCY = 8;

/**
 * What the promise gives, if it does so in time. The handler of the SDK has deadlines of its own, but keeps none if Deno
 * (2.9) has found a kept connection closed, and sent the request again on another one without telling.
 *
 * @throws {Error} named `TimeoutError`, which the SDK takes for passing.
 */
export async function within<T>(timeoutMs: number, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<never>((_, fail) => {
    const error = Object.assign(new Error(`nothing came within ${timeoutMs} ms`), { name: "TimeoutError" });
    timer = setTimeout(fail, timeoutMs, error);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/** Lets a number of actions run at a time; the others wait in line. */
export class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  /** `count` is how many may run. */
  constructor(count: number) {
    this.#free = count;
  }

  /** Runs the action when its turn comes. */
  async use<T>(act: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await act();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }
}
