/**
 * The pipeline or the replay task as a crash test starts it: the product itself, whose store, database and engine are
 * watched from outside. At one chosen call it says so on stderr and kills itself, pauses itself, or waits for the test.
 *
 * Run like `tasks/pipeline.ts`, with `--allow-run` (Deno asks for it where a process signals itself), the point as
 * JSON in `CRASH_POINT`, and which of the tasks in `CRASH_TASK`.
 *
 * @module
 */
import { DuckDBConnection } from "@duckdb/node-api";
import { main, type Task } from "../../lib/command/main.ts";
import { openDatabase } from "../../lib/database/open.ts";
import { openStore } from "../../lib/store/open.ts";
import { openDuckdbEngine } from "../../lib/engine/duckdb.ts";
import { pipeline } from "../../tasks/pipeline.ts";
import { replayTask } from "../../tasks/replay.ts";
import { AT_POINT, type CrashPoint, RESUMED, TIMER } from "./crash_point.ts";

/** Timers of this length and more are limits of the product, and no retries. */
const LIMIT_MS = 1000;

/** Wraps the parts of the world so that the process meets its end at the point. */
class Watch {
  readonly #point: CrashPoint;
  readonly #pattern: RegExp;
  /** Calls that have not returned. */
  readonly #underWay = new Set<unknown>();
  /** Database files that are open. */
  #openFiles = 0;
  #seen = 0;
  /** Resolves when the process has been paused and woken; the others' calls wait for it. */
  #pause: Promise<void> | null = null;

  constructor(point: CrashPoint) {
    this.#point = point;
    this.#pattern = new RegExp(point.match ?? "");
  }

  /** Watches all calls of a part of the world. */
  watch<T extends object>(contract: "store" | "database" | "engine", target: T): T {
    return new Proxy(target, {
      get: (_, name) => {
        // The target itself as `this`: private fields know no proxy.
        const member = Reflect.get(target, name, target);
        if (typeof member !== "function") return member;
        const call = `${contract}.${String(name)}`;
        return (...args: unknown[]) => {
          const act = () => this.#call(call, args, () => this.#note(member.apply(target, args)));
          return this.#pause ? this.#pause.then(act) : act();
        };
      },
    });
  }

  /** Watches the statements of every DuckDB, to die within a transaction, and to know when its file is open. */
  watchStatements(): void {
    const call = this.#call.bind(this);
    const count = (change: number) => this.#openFiles += change;
    const { run, runAndReadAll } = DuckDBConnection.prototype;
    DuckDBConnection.prototype.runAndReadAll = function (...args) {
      return call("duckdb.statement", args, () => runAndReadAll.apply(this, args));
    };
    DuckDBConnection.prototype.run = async function (...args) {
      const isOpening = /\bATTACH\b/.test(args[0]), isClosing = /\bDETACH\b/.test(args[0]);
      if (isOpening) count(+1);
      try {
        return await run.apply(this, args);
      } catch (error) {
        if (isOpening) count(-1);
        throw error;
      } finally {
        // The product closes all of that DuckDB when this fails.
        if (isClosing) count(-1);
      }
    };
  }

  #call<T>(call: string, args: readonly unknown[], act: () => T): T {
    if (this.#point.call !== call || !this.#pattern.test(textOf(args))) return act();
    return this.#around(act) as T;
  }

  async #around(act: () => unknown): Promise<unknown> {
    const { when, then, nth = 1 } = this.#point;
    const isHere = when !== "after" && ++this.#seen === nth;
    using _ = isHere && then === "stop" ? await this.#quieten() : null;
    if (isHere && when === "before") await this.#strike();
    const acting = act();
    if (isHere && when === "during") {
      await nextTick();
      await this.#strike();
    }
    const result = await acting;
    if (when === "after" && ++this.#seen === nth) await this.#strike();
    return result;
  }

  /** Resolves when the call may go on. */
  async #strike(): Promise<void> {
    const { then = "kill" } = this.#point;
    say(AT_POINT);
    if (then === "kill") Deno.kill(Deno.pid, "SIGKILL");
    else if (then === "stop") pause();
    else if (then === "await signal") await awaitSignal();
    else if (then === "hang") await hang();
    else setTimeout(() => Deno.kill(Deno.pid, "SIGKILL"), Number(then.slice("kill in ".length)));
  }

  /** Waits until nothing is under way, and keeps it so: paused with the database's file open, nobody else could have it. */
  async #quieten(): Promise<Disposable> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#pause = promise;
    while (this.#underWay.size > 0 || this.#openFiles > 0) await nextTick();
    return {
      [Symbol.dispose]: () => {
        this.#pause = null;
        resolve();
      },
    };
  }

  #note<T>(result: T): T {
    if (!(result instanceof Promise)) return result;
    this.#underWay.add(result);
    const over = () => this.#underWay.delete(result);
    result.then(over, over);
    return result;
  }
}

/** Stops this process until SIGCONT. */
function pause(): void {
  Deno.kill(Deno.pid, "SIGSTOP");
  say(RESUMED);
}

function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
}

/** Resolves when the product has been told to stop, whose limits never come. */
function awaitSignal(): Promise<void> {
  setLimits(() => {});
  // The product has listened before, so that it is told first.
  return new Promise((done) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, done);
  });
}

/** Never resolves; the product's limits are told, and come at once. */
function hang(): Promise<never> {
  setLimits((limitMs, act) => {
    say(`${TIMER} ${limitMs}`);
    queueMicrotask(act);
  });
  // Something to wait for, else the process would end.
  setInterval(() => {}, LIMIT_MS);
  return new Promise(() => {});
}

/** Lets a test decide when the limits come that are set from now on. */
function setLimits(onLimit: (limitMs: number, act: () => void) => void): void {
  const { setTimeout } = globalThis;
  globalThis.setTimeout = Object.assign(
    (act: (...args: unknown[]) => void, delayMs = 0, ...args: unknown[]) => {
      if (delayMs < LIMIT_MS) return setTimeout(act, delayMs, ...args);
      onLimit(delayMs, () => act(...args));
      // A timer for the caller to hold.
      return setTimeout(() => {}, delayMs);
    },
    setTimeout,
  );
}

/** Lets everything that can go on without the disk or the clock go on. */
function nextTick(): Promise<void> {
  return new Promise((done) => setTimeout(done));
}

function textOf(args: readonly unknown[]): string {
  const withoutBytes = (_: string, value: unknown) => value instanceof Uint8Array ? null : value;
  return args.map((arg) => typeof arg === "string" ? arg : JSON.stringify(arg, withoutBytes)).join(" ");
}

/** Lets the heart beat as often as it can: a run may be over before the first beat is due. */
function hurryHeart(): void {
  const { setInterval } = globalThis;
  globalThis.setInterval = Object.assign(
    (act: (...args: unknown[]) => void, _intervalMs = 0, ...args: unknown[]) => setInterval(act, 1, ...args),
    setInterval,
  );
}

if (import.meta.main) {
  const point: CrashPoint = JSON.parse(Deno.env.get("CRASH_POINT") ?? "{}");
  if (point.call === "database.renewLease") hurryHeart();
  const watch = new Watch(point);
  watch.watchStatements();
  const night: Task = {
    name: "pipeline",
    description: "Runs all stages of a night and crashes at a point.",
    options: ["dry-run"],
    releaseLease: true,
    run: pipeline,
  };
  await main(Deno.env.get("CRASH_TASK") === "replay" ? replayTask() : night, {
    async openStore(config, options) {
      return watch.watch("store", await openStore(config, options));
    },
    async openDatabase(config, options) {
      // By this clock the wait for a database file that another process has open is never over.
      const monotonic = () => 0;
      return watch.watch("database", await openDatabase(config, { ...options, monotonic }));
    },
    async openEngine(options) {
      return watch.watch("engine", await openDuckdbEngine(options));
    },
  });
}
