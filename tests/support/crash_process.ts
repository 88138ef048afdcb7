/**
 * Pipelines and replays as processes that a test can watch, signal and kill while they run.
 *
 * @module
 */
import { AT_POINT, type CrashPoint } from "./crash_point.ts";
import { parseSummary, REPOSITORY, type Summary, taskCommand, type TaskResult, wordsOf } from "./task.ts";

/** How a process ended. */
export interface Ended extends TaskResult {
  /** The signal that it died of; `null` where it exited. */
  readonly signal: Deno.Signal | null;
  readonly durationMs: number;
}

/** A process that has been started. */
export interface Running {
  readonly pid: number;
  /** Resolves when the process is at its crash point; rejects where it ends without having been there. */
  readonly atPoint: Promise<void>;
  readonly ended: Promise<Ended>;
  /** Sends a signal; nothing where the process has ended. */
  kill(signal: Deno.Signal): void;
}

/** Starts `pipeline --json`; with a point the same by the tests' own entry point. */
export function startPipeline(config: string, point?: CrashPoint): Running {
  return start("pipeline", ["--config", config, "--json"], point);
}

/** Starts `replay --json` with these flags. */
export function startReplay(config: string, flags: readonly string[], point?: CrashPoint): Running {
  return start("replay", ["--config", config, "--json", ...flags], point);
}

function start(task: "pipeline" | "replay", args: readonly string[], point?: CrashPoint): Running {
  const started = performance.now();
  const process = commandOf(task, args, point).spawn();
  const reached = Promise.withResolvers<void>();
  // Not every test waits for it.
  reached.promise.catch(() => {});
  let hasEnded = false;
  const end = async (): Promise<Ended> => {
    const [stdout, stderr, { code, signal }] = await Promise.all([
      new Response(process.stdout).text(),
      readAll(process.stderr, AT_POINT, reached.resolve),
      process.status,
    ]);
    hasEnded = true;
    const text = `${task} ended with ${signal ?? code}\n--- stdout\n${stdout}\n--- stderr\n${stderr}`;
    reached.reject(new Error(`never at ${JSON.stringify(point)}: ${text}`));
    return { code, signal, stdout, stderr, text, durationMs: performance.now() - started };
  };
  return {
    pid: process.pid,
    atPoint: reached.promise,
    ended: end(),
    kill(signal) {
      if (!hasEnded) process.kill(signal);
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

/** Reads a stream to its end and says when a text has come by. */
async function readAll(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  awaited: string,
  onSeen: () => void,
): Promise<string> {
  let text = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.includes(awaited)) onSeen();
  }
  return text;
}
