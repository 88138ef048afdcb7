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
export async function mainOf(toolbox: Toolbox): Promise<never> {
  const { env, now, randomBytes } = REAL_WORLD;
  const command: CommandProcess = new CommandProcess(toolbox.name, now, (thrown) => {
    const besides = toolbox.actions.find(({ name }) => name === command.args[0])?.besidesError;
    const error = summariseError(thrown);
    return { summary: { ...besides, error }, text: "", compact: { state: "failed", error } };
  });
  // What an action writes is there whole or not at all, so it may end anywhere. The runtime's exit also sets right a
  // terminal that does not show what is typed, which a signal that ends the process at once would not.
  command.onSignal((reason) => command.exit(reason.exitCode), { hangUp: true });
  try {
    const request = parseAction(toolbox, command.args, command.terminal.print);
    if (request.kind === "help") return command.exit(ExitCode.ok);
    const { usage: action, flags } = request;
    const { json, text } = await action.run({
      configPath: configPathOf(flags, env),
      path: flags.path ?? "",
      flags,
      env,
      redactor: command.redactor,
      isShown: Deno.stdout.isTerminal(),
      randomBytes,
      readSecret,
    });
    command.print(json, text);
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

/** Runs a command that has no actions, and ends the process. */
export async function mainOfOne(usage: Command): Promise<never> {
  const { env, now } = REAL_WORLD;
  const stop = new AbortController();
  const command: CommandProcess = new CommandProcess(usage.name, now, (thrown) => {
    const error = summariseError(thrown);
    return { summary: { error }, text: "", compact: { state: "failed", error } };
  });
  command.onSignal((reason) => stop.abort(reason));
  try {
    const request = parseOperand(usage, command.args, command.terminal.print);
    if (request.kind === "help") return command.exit(ExitCode.ok);
    const { operand, flags } = request;
    const { json, text } = await usage.run({
      configPath: configPathOf(flags, env),
      operand,
      flags,
      env,
      redactor: command.redactor,
      signal: stop.signal,
    });
    command.print(json, text);
    return command.exit(ExitCode.ok);
  } catch (error) {
    return command.exit(command.fail(error));
  }
}
