/**
 * Pipelines and replays as processes that a test can watch, signal and kill while they run.
 *
 * @module
 */
import { AT_POINT, type CrashPoint, RESUMED } from "./crash_point.ts";
import { killAtEnd, signal } from "./ending.ts";
import { finished } from "./waiting.ts";
import { parseSummary, REPOSITORY, type Summary, taskCommand, type TaskResult, wordsOf } from "./task.ts";

const RESUME_INTERVAL_MS = 20;

/** How a process ended. */
export interface Ended extends TaskResult {
  /** The signal that it died of; `null` where it exited. */
  readonly signal: Deno.Signal | null;
  readonly durationMs: number;
}

/** A process that has been started; its disposal kills it and waits for its end. */
export interface Running extends AsyncDisposable {
  readonly pid: number;
  /** Resolves when the process is at its crash point; rejects where it ends without having been there. */
  readonly atPoint: Promise<void>;
  readonly ended: Promise<Ended>;
  /** Sends a signal; nothing where the process has ended. */
  kill(signal: Deno.Signal): void;
  /** Lets a process go on that has paused itself, or is about to. */
  resume(): Promise<void>;
}

/** Starts `pipeline --json`; with a point the same by the tests' own entry point. */
export function startPipeline(config: string, point?: CrashPoint, flags: readonly string[] = []): Running {
  return start("pipeline", ["--config", config, "--json", ...flags], point);
}

/** Starts `replay --json` with these flags. */
export function startReplay(config: string, flags: readonly string[], point?: CrashPoint): Running {
  return start("replay", ["--config", config, "--json", ...flags], point);
}

/** What became of two runs that were started together. */
export interface Race {
  /** The one that got as far as its commit; where its configuration was given. */
  readonly winner: Ended & { readonly pid: number; readonly index: number };
  readonly loser: Ended;
}

/**
 * Starts two runs together. Whichever gets as far as its commit is paused there until the other has ended, which
 * therefore has not waited for it.
 *
 * @throws {Error} if both get there, or none.
 */
export async function raceToCommit(configs: readonly [string, string]): Promise<Race> {
  const point = { when: "before", call: "database.commit", then: "stop" } as const;
  await using one = startPipeline(configs[0], point);
  await using other = startPipeline(configs[1], point);
  const runs = [one, other];
  const bothThere = Promise.all(runs.map(({ atPoint }) => atPoint)).then(() => null);
  const ends = runs.map(({ ended }, i) => ended.then((end) => ({ end, i })));
  const first = await finished("one of two runs", Promise.any([bothThere, ...ends]));
  if (first === null) throw new Error("both runs are about to commit");
  const index = 1 - first.i, winner = runs[index]!;
  await winner.resume();
  return { winner: { ...await winner.ended, pid: winner.pid, index }, loser: first.end };
}

function start(task: "pipeline" | "replay", args: readonly string[], point?: CrashPoint): Running {
  const started = performance.now();
  const process = commandOf(task, args, point).spawn();
  const atPoint = Promise.withResolvers<void>(), resumed = Promise.withResolvers<void>();
  // Not every test waits for it.
  for (const { promise } of [atPoint, resumed]) promise.catch(() => {});
  const end = async (): Promise<Ended> => {
    const [stdout, stderr, status] = await Promise.all([
      new Response(process.stdout).text(),
      readAll(process.stderr, { [AT_POINT]: atPoint.resolve, [RESUMED]: resumed.resolve }),
      process.status,
    ]);
    const text = `${task} ended with ${
      status.signal ?? status.code
    }\n--- stdout\n${stdout}\n--- stderr\n${stderr}`;
    for (const { reject } of [atPoint, resumed]) {
      reject(new Error(`never at ${JSON.stringify(point)}, or beyond: ${text}`));
    }
    return {
      code: status.code,
      signal: status.signal,
      stdout,
      stderr,
      text,
      durationMs: performance.now() - started,
    };
  };
  const ended = end();
  return {
    pid: process.pid,
    atPoint: atPoint.promise,
    ended,
    kill: (name) => signal(process, name),
    async resume() {
      // It may have said that it is there, and not be paused yet: then SIGCONT changes nothing.
      const timer = setInterval(() => signal(process, "SIGCONT"), RESUME_INTERVAL_MS);
      await resumed.promise.finally(() => clearInterval(timer));
    },
    async [Symbol.asyncDispose]() {
      await killAtEnd(process);
      await ended;
    },
  };
}

/** The summary of a process that was not killed. */
export function summaryOf(ended: Ended): Summary {
  return parseSummary(ended);
}

function commandOf(task: "pipeline" | "replay", args: readonly string[], point?: CrashPoint): Deno.Command {
  if (!point) return taskCommand(task, args);
  const flags = wordsOf(task).slice(0, -1);
  return new Deno.Command(Deno.execPath(), {
    args: [...flags, "--allow-run", "tests/support/killing_pipeline.ts", ...args],
    cwd: REPOSITORY,
    env: { NO_COLOR: "1", CRASH_TASK: task, CRASH_POINT: JSON.stringify(point) },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

/** Reads a stream to its end and says when texts have come by. */
async function readAll(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  onSeen: Readonly<Record<string, () => void>>,
): Promise<string> {
  let text = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (const [awaited, say] of Object.entries(onSeen)) if (text.includes(awaited)) say();
  }
  return text;
}
