/**
 * The command line: what each task takes, and what was given.
 *
 * @module
 */
import { Command, CommanderError, Option } from "commander";
import { ExitCode, UsageError } from "../errors.ts";
import { LOG_FORMATS, type LogFormat } from "../output/lines.ts";
import { LOG_LEVELS, type LogThreshold } from "../output/log.ts";

/** Names of the options that only some tasks have. */
export type OptionName =
  | "work-dir"
  | "run"
  | "dry-run"
  | "path"
  | "force"
  | "of-run"
  | "file"
  | "reason"
  | "as"
  | "dataset";

/** What a task or an action is called, and which options it takes. */
export interface Usage {
  /** The task, as in `deno task NAME`, or the action, which follows it. */
  readonly name: string;
  /** One sentence for `--help`. */
  readonly description: string;
  /** The options that it takes besides the common ones. */
  readonly options: readonly OptionName[];
  /** The name of the one argument that it takes besides options. */
  readonly operand?: string;
  /** Whether it has a configuration of its own, and takes no `--config`. */
  readonly ownConfig?: boolean;
  /** The common options that it takes although it has no use for them; they are not in `--help`. */
  readonly ignores?: readonly ("config" | "log-level")[];
}

/** The options that were given. */
export interface Flags {
  /** The configuration file. */
  readonly config?: string;
  /** A work dir in place of the configured one. */
  readonly workDir?: string;
  /** A run in place of the newest one; for replay the run that rejected something. */
  readonly run?: string;
  /** The whole key of a source file. */
  readonly file?: string;
  /** The reason of a reject, as a code of the contract. */
  readonly reason?: string;
  /** The name below the landing prefix that a local file would have. */
  readonly as?: string;
  /** A dataset of the model. */
  readonly dataset?: string;
  /** A field of the configuration. */
  readonly path?: string;
  /** Whether a machine-readable summary is printed on standard output. */
  readonly json: boolean;
  /** Whether nothing is to be changed. */
  readonly dryRun?: boolean;
  /** Whether a secret may be shown. */
  readonly force?: boolean;
  /** The least level that is logged. */
  readonly logLevel: LogThreshold;
  /** The format of the lines on standard error; only tasks that have no actions take it. */
  readonly logFormat?: LogFormat;
  /** A file that gets the compact summary. */
  readonly terminationLog?: string;
}

/** How to write, which has to be known before the arguments are read, and if they are wrong. */
export function outputOf(args: readonly string[]): { isJson: boolean; logFormat: LogFormat } {
  const given = args.find((arg, index) =>
    arg.startsWith("--log-format=") || args[index - 1] === "--log-format"
  );
  return { isJson: args.includes("--json"), logFormat: given?.endsWith("json") ? "json" : "text" };
}

/** What a command line asks for. */
export type Request<Name> =
  /** The text of `--help`, which has been printed. */
  | { readonly kind: "help" }
  /** To run what this usage is of, with these flags. */
  | { readonly kind: "run"; readonly usage: Name; readonly flags: Flags };

/**
 * Reads the arguments of a task.
 *
 * @param print Takes the text of `--help`.
 * @throws {UsageError} if they are wrong.
 */
export function parseFlags<T extends Usage>(
  task: T,
  args: readonly string[],
  print: (text: string) => void,
): Request<T> {
  const command = withOptions(new Command(`deno task ${task.name}`), task)
    .addOption(
      new Option("--log-format <format>", "lines on standard error").choices(LOG_FORMATS).default("text"),
    )
    .option("--termination-log <file>", "write the compact summary there, for Kubernetes");
  let request: Request<T> = { kind: "help" };
  command.action((flags: Flags) => void (request = { kind: "run", usage: task, flags }));
  parse(command, args, print);
  return request;
}

/**
 * Reads the arguments of a command that works on one thing, which its only argument names.
 *
 * @param print Takes the text of `--help`.
 * @throws {UsageError} if they are wrong.
 */
export function parseOperand<T extends Usage>(
  usage: T,
  args: readonly string[],
  print: (text: string) => void,
): Request<T> & { readonly operand: string } {
  const command = withOptions(new Command(`deno task ${usage.name}`), usage).argument(`<${usage.operand}>`);
  let request: Request<T> = { kind: "help" }, operand = "";
  command.action((given: string, flags: Flags) => {
    operand = given;
    request = { kind: "run", usage, flags };
  });
  parse(command, args, print);
  return { ...request as Request<T>, operand };
}

/**
 * Reads the arguments of a task that has actions, of which the first argument names one.
 *
 * @param print Takes the text of `--help`.
 * @throws {UsageError} if they are wrong.
 */
export function parseAction<T extends Usage>(
  task: Pick<Usage, "name" | "description"> & { readonly actions: readonly T[] },
  args: readonly string[],
  print: (text: string) => void,
): Request<T> {
  const command = new Command(`deno task ${task.name}`).description(task.description);
  let request: Request<T> = { kind: "help" };
  for (const usage of task.actions) {
    withOptions(command.command(usage.name), usage)
      .action((flags: Flags) => void (request = { kind: "run", usage, flags }));
  }
  if (args.length === 0) {
    const names = task.actions.map(({ name }) => name).join(", ");
    throw new UsageError(`deno task ${task.name} needs one of: ${names}; see deno task ${task.name} --help`);
  }
  parse(command, args, print);
  return request;
}

const OPTIONS: Readonly<Record<OptionName, () => Option>> = {
  "work-dir": () => new Option("--work-dir <dir>", "work dir, in place of the configured one"),
  run: () => new Option("--run <run>", "run id, in place of the newest"),
  "dry-run": () => new Option("--dry-run", "say what would be done, and change nothing"),
  "of-run": () => new Option("--run <run>", "what this run rejected"),
  file: () => new Option("--file <key>", "what was rejected of this source file: its whole key then"),
  reason: () => new Option("--reason <code>", "what was rejected for this reason"),
  as: () => new Option("--as <name>", "name below the landing prefix, as north/a.csv; else the file's own"),
  dataset: () => new Option("--dataset <name>", "dataset of the model; else the only one, or sales"),
  path: () =>
    new Option("--path <field>", "field of the configuration, as database.password").makeOptionMandatory(),
  force: () => new Option("--force", "print the value although standard output is no terminal"),
};

function withOptions(command: Command, { description, options, ownConfig, ignores = [] }: Usage): Command {
  const level = new Option("--log-level <level>", "least level to log").choices(LOG_LEVELS).default("info");
  const config = new Option(
    "--config <file>",
    "configuration (default: $ETL_CONFIG, else config/local.jsonc)",
  );
  command.description(description)
    .option("--json", "print a machine-readable summary on stdout", false)
    .addOption(level.hideHelp(ignores.includes("log-level")))
    .allowExcessArguments(false);
  if (!ownConfig) command.addOption(config.hideHelp(ignores.includes("config")));
  for (const name of options) command.addOption(OPTIONS[name]());
  return command;
}

function parse(command: Command, args: readonly string[], print: (text: string) => void): void {
  for (const each of [command, ...command.commands]) {
    each.exitOverride().configureOutput({
      writeOut: print,
      writeErr: () => {},
      getOutHasColors: () => false,
    });
  }
  try {
    command.parse(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode !== ExitCode.ok) {
      throw new UsageError(`${faultOf(error)}; see ${command.name()} --help`);
    }
  }
}

const NO_SECRETS = "a secret comes from standard input, never from an argument";

/** What is wrong, without any value that was given: somebody may have taken an argument for the place of a secret. */
function faultOf({ code, message }: CommanderError): string {
  // A suggestion is a name that there is, and nothing that was given.
  const [suggestion = ""] = / \(Did you mean [^()]*\?\)$/.exec(message.replaceAll("\n", " ")) ?? [];
  switch (code) {
    case "commander.unknownOption": {
      const [, name = ""] = /unknown option '(--[^=']*|-[^'])/.exec(message) ?? [];
      return `there is no option ${name}${suggestion}; ${NO_SECRETS}`;
    }
    case "commander.unknownCommand":
      return `there is no such action${suggestion}; ${NO_SECRETS}`;
    case "commander.excessArguments":
      return `there are more arguments than it takes; ${NO_SECRETS}`;
    case "commander.invalidArgument":
      return message.replace(/^error: (.*?) argument '.*' is invalid\. /s, "$1: ");
    default:
      return message.replace(/^error: /, "");
  }
}
