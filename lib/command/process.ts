/**
 * The process that a command is: its arguments, what it writes on, its signals, and how it ends. The only file that
 * reads the arguments and exits.
 *
 * Nothing goes past {@linkcode CommandProcess}: it takes the place of the console and of the runtime's own reports of
 * warnings and of what nobody caught, which would print whatever is in an error.
 *
 * @module
 */
import node from "node:process";
import { exitCodeOf, InterruptedError, messageOf, PipelineError } from "../errors.ts";
import { type LineLevel, type Lines, openLines } from "../output/lines.ts";
import type { Position } from "../output/position.ts";
import { openTerminal, redirectConsole, type Terminal } from "../output/terminal.ts";
import { fitSummary } from "../report/compact.ts";
import { Redactor } from "../secrets/redactor.ts";
import { NO_TELEMETRY, type Telemetry } from "../telemetry/telemetry.ts";
import { visible } from "../text.ts";
import type { Ending } from "./ending.ts";
import { outputOf } from "./flags.ts";

/** What every command has of its process. There is one for each process: it takes over what is the process's own. */
export class CommandProcess {
  /** What follows the command's name. */
  readonly args: readonly string[] = Deno.args;
  /** Knows the secrets of this process. */
  readonly redactor = new Redactor();
  /** The run and the stage that this process works on. */
  readonly position: Position;
  /** Standard output and error. */
  readonly terminal: Terminal;
  /** The lines on standard error. */
  readonly lines: Lines;
  /** Whether standard output takes JSON and nothing else. */
  readonly isJson: boolean;
  /** Traces what is written; turned off until it is open. */
  telemetry: Telemetry = NO_TELEMETRY;
  /** The file of `--termination-log`, once it is known. */
  terminationLog: string | null = null;
  readonly #endingOf: (error: unknown) => Ending;

  /**
   * Takes over the process.
   *
   * @param name The command, as in `deno task NAME`.
   * @param now The wall clock.
   * @param endingOf What is said of an error that ends the process.
   */
  constructor(name: string, now: () => Date, endingOf: (error: unknown) => Ending) {
    const { isJson, logFormat } = outputOf(this.args);
    this.isJson = isJson;
    this.#endingOf = endingOf;
    this.position = { runId: null, stage: name, attempt: null };
    this.terminal = openTerminal(this.redactor, { bar: logFormat === "text" });
    this.lines = openLines(this.terminal, {
      format: logFormat,
      position: this.position,
      within: (work) => this.telemetry.within(work),
      now,
    });
    this.#takeOver(now);
  }

  #takeOver(now: () => Date): void {
    const note = (level: LineLevel, text: string) =>
      this.lines.write({ timestamp: now().getTime(), level, message: visible(text), properties: {} });
    redirectConsole((level, text) => note(level === "warn" ? "warning" : level, text));
    // Otherwise Node's part of the runtime would print them, past the console.
    node.removeAllListeners("warning");
    node.on("warning", (warning: Error) => note("warning", String(warning)));
    // Otherwise the runtime itself would print what was thrown, with all that is in it.
    for (const type of ["error", "unhandledrejection"] as const) {
      globalThis.addEventListener(type, (event) => {
        event.preventDefault();
        this.exit(this.fail("reason" in event ? event.reason : event.error));
      });
    }
  }

  /** Calls `stop` whenever SIGINT or SIGTERM arrives, and with `hangUp` on SIGHUP as if it were SIGTERM. */
  onSignal(stop: (reason: InterruptedError) => void, { hangUp = false } = {}): void {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      Deno.addSignalListener(signal, () => stop(new InterruptedError(signal)));
    }
    if (hangUp) Deno.addSignalListener("SIGHUP", () => stop(new InterruptedError("SIGTERM")));
  }

  /** Prints a result on standard output: for programs if there is `--json`, else for people. */
  print(result: object, text: string): void {
    if (this.isJson) this.terminal.printJson(result);
    else if (text !== "") this.terminal.print(text);
  }

  /** Says what has ended the command; gives the exit code. */
  fail(error: unknown): number {
    const ending = this.#endingOf(error);
    this.lines.writeError(describeError(error));
    this.print(ending.summary, ending.text);
    this.conclude(ending);
    return exitCodeOf(error);
  }

  /** Ends at once a command that a signal could not stop in time; there is nothing on standard output then. */
  cutShort(reason: InterruptedError): never {
    this.conclude(this.#endingOf(reason));
    return this.exit(reason.exitCode);
  }

  /** Writes the last that a process says: the compact summary, for those who read the log and for the kubelet. */
  conclude({ compact }: Pick<Ending, "compact">): void {
    const summary = fitSummary(compact, this.position, this.redactor);
    try {
      if (this.terminationLog !== null) Deno.writeTextFileSync(this.terminationLog, JSON.stringify(summary));
    } catch (error) {
      // The work is done, or was ended by an error, all the same.
      this.lines.writeError(`Cannot write the summary to ${this.terminationLog}: ${messageOf(error)}`);
    }
    this.lines.writeSummary(summary);
  }

  /** Ends the process. */
  exit(code: number): never {
    Deno.exit(code);
  }
}

/** One line for an error that is to be expected; a bug with its stack too. */
export function describeError(error: unknown): string {
  if (error instanceof PipelineError) {
    const cause = error.cause instanceof Error ? ` (${error.cause.message.split("\n")[0]})` : "";
    return `${error.message}${cause}`;
  }
  const what = error instanceof Error ? error.stack ?? messageOf(error) : String(error);
  const cause = error instanceof Error && error.cause !== undefined
    ? `\nCaused by: ${messageOf(error.cause)}`
    : "";
  return `This is a bug in nightly-marts, please report it: ${what}${cause}`;
}
