/**
 * How tests end what they began: temporary folders, processes, connections.
 *
 * What is thrown while something is disposed of, or in `finally`, takes the place of the error that ended the test: the
 * report then shows a SuppressedError without either. So nothing is thrown there. Each file of tests fails at its very
 * end instead, in a report of its own, if something could not be ended.
 *
 * @module
 */
import { messageOf } from "../../lib/errors.ts";

const errors: unknown[] = [];

Deno.test.afterAll(() => {
  if (errors.length > 0) throw new Error(`Cannot end what a test began: ${errors.map(messageOf).join("; ")}`);
});

/** Ends something, or notes why it cannot; to be called where something is disposed of, or in `finally`. */
export async function end(work: () => unknown): Promise<void> {
  try {
    await work();
  } catch (error) {
    errors.push(error);
  }
}

/** Kills a process, unless it has ended, and waits for its end. */
export async function killAtEnd(process: Deno.ChildProcess): Promise<void> {
  signal(process, "SIGKILL");
  await process.status;
}

/** Sends a process a signal; nothing if it has ended. */
export function signal(process: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    process.kill(signal);
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Deletes a folder or a file at the end of the test that made it. */
export function removeAtEnd(path: string): Promise<void> {
  return end(() => Deno.remove(path, { recursive: true }));
}
