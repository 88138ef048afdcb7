/**
 * Runs a command that has several actions, of which the first argument names one. An action works on files of the
 * configuration, not on a run: no session, no lease.
 *
 * @module
 */
import type { ConfigWorld } from "../config/values.ts";
import { ExitCode } from "../errors.ts";
import { summariseError } from "../report/summary.ts";
import type { RandomBytes } from "../secrets/encryption.ts";
import { readSecret } from "../secrets/prompt.ts";
import { type Flags, parseAction, parseOperand, type Usage } from "./flags.ts";
import { CommandProcess } from "./process.ts";
import { configPathOf, REAL_WORLD } from "./world.ts";

/** A command that has several actions. */
export interface Toolbox {
  /** The command, as in `deno task NAME`. */
  readonly name: string;
  /** One sentence for `--help`. */
  readonly description: string;
  /** What it can do. */
  readonly actions: readonly Action[];
}

/** One action of a {@linkcode Toolbox}. */
export interface Action extends Usage {
  /** What `--json` prints besides the error, if one ends the action. */
  readonly besidesError?: object;
  /** Does it; gives what is printed on standard output. */
  run(call: ActionCall): Promise<ActionResult>;
}

/** What an action has to say. */
export interface ActionResult {
  /** The result for people; ends in a line end. */
  readonly text: string;
  /** The result for programs, which `--json` prints. */
  readonly json: object;
}

/** What an action is given. */
export interface ActionCall extends ConfigWorld {
  /** The configuration file. */
  readonly configPath: string;
  /** The field that `--path` names. */
  readonly path: string;
  /** What else was given. */
  readonly flags: Flags;
  /** Whether somebody looks at what is printed on standard output. */
  readonly isShown: boolean;
  /** Fresh random bytes. */
  readonly randomBytes: RandomBytes;
  /** Reads a secret from standard input. */
  readSecret(name: string): Promise<string>;
}

/** Runs the action that the arguments name, and ends the process. */
export function mainOf(toolbox: Toolbox): Promise<never> {
  const { env, randomBytes } = REAL_WORLD;
  const besides = (args: readonly string[]) =>
    toolbox.actions.find(({ name }) => name === args[0])?.besidesError;
  return carryOut({ name: toolbox.name, besides }, (command) => {
    // What an action writes is there whole or not at all, so it may end anywhere. The runtime's exit also sets right a
    // terminal that does not show what is typed, which a signal that ends the process at once would not.
    command.onSignal((reason) => command.exit(reason.exitCode), { hangUp: true });
    const request = parseAction(toolbox, command.args, command.terminal.print);
    if (request.kind === "help") return null;
    const { usage: action, flags } = request;
    return action.run({
      configPath: configPathOf(flags, env),
      path: flags.path ?? "",
      flags,
      env,
      redactor: command.redactor,
      isShown: Deno.stdout.isTerminal(),
      randomBytes,
      readSecret,
    });
  });
}

/** Does a command's work, prints the result unless it was about help, and ends the process. */
async function carryOut(
  { name, besides }: { name: string; besides?: (args: readonly string[]) => object | undefined },
  work: (command: CommandProcess) => Promise<ActionResult> | null,
): Promise<never> {
  const command: CommandProcess = new CommandProcess(name, REAL_WORLD.now, (thrown) => {
    const error = summariseError(thrown);
    return { summary: { ...besides?.(command.args), error }, text: "", compact: { state: "failed", error } };
  });
  try {
    const result = await work(command);
    if (result !== null) command.print(result.json, result.text);
    return command.exit(ExitCode.ok);
  } catch (error) {
    return command.exit(command.fail(error));
  }
}

/** A command that works on one thing, which its only argument names. */
export interface Command extends Usage {
  /** Does it; gives what is printed on standard output. */
  run(call: CommandCall): Promise<ActionResult>;
}

/** What a {@linkcode Command} is given. */
export interface CommandCall extends ConfigWorld {
  /** The configuration file. */
  readonly configPath: string;
  /** What the argument names. */
  readonly operand: string;
  /** What else was given. */
  readonly flags: Flags;
  /** Aborted by a signal. */
  readonly signal: AbortSignal;
}

/** Runs a command that works on one thing, and ends the process. */
export function mainOfOne(usage: Command): Promise<never> {
  const { env } = REAL_WORLD;
  return carryOut(usage, (command) => {
    const stop = new AbortController();
    command.onSignal((reason) => stop.abort(reason));
    const request = parseOperand(usage, command.args, command.terminal.print);
    if (request.kind === "help") return null;
    const { operand, flags } = request;
    return usage.run({
      configPath: configPathOf(flags, env),
      operand,
      flags,
      env,
      redactor: command.redactor,
      signal: stop.signal,
    });
  });
}
