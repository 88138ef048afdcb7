/**
 * The composition root: arguments, environment, signals, the choice of store, database and engine, the summary, and
 * the exit code. The only place that knows the process it runs in.
 *
 * @module
 */
import { Argument, Command, CommanderError, Option } from "commander";
import { fileURLToPath } from "node:url";
import type { Config } from "./config_schema.ts";
import type { Database } from "./database/database.ts";
import { openDuckdbDatabase } from "./database/duckdb.ts";
import { openDuckdbEngine } from "./engine/duckdb.ts";
import {
  AccessError,
  ExitCode,
  exitCodeOf,
  InterruptedError,
  PipelineError,
  UnavailableError,
  UsageError,
} from "./errors.ts";
import { LOG_LEVELS, type LogThreshold, openLog } from "./log.ts";
import { openProgress } from "./progress.ts";
import { Session, type World } from "./session.ts";
import { openFolderStore } from "./store/folder.ts";
import { ObjectError, type ObjectStore } from "./store/store.ts";
import { NO_RUN, renderSummary, summarise, summariseFailure } from "./summary.ts";
import { openTerminal } from "./terminal.ts";

/** A task of the command line. */
export interface Task {
  /** As in `deno task NAME`. */
  readonly name: string;
  /** One sentence for `--help`. */
  readonly description: string;
  /** What it takes besides the common options. */
  readonly options: readonly ("work-dir" | "run" | "dry-run")[];
  /** Give the lease back at the end also where the run is not over. */
  readonly releaseLease?: boolean;
  /** A configuration of its own, in place of `--config` and `$ETL_CONFIG`. */
  readonly config?: string;
  /** Does the work, by the stages of the session. */
  run(session: Session): Promise<void>;
  /** A word that must follow the task's name. */
  readonly action?: string;
  /** Printed on stdout at the end, after the summary for people; everything is closed by then. */
  report?(session: Session): Promise<string>;
}

/** A stop that takes longer than this after a signal is cut short. */
const STOP_TIMEOUT_MS = 4000;
/** After a signal the lease is given back within this time, or not at all. */
const RELEASE_TIMEOUT_MS = 1000;

/**
 * Runs a task and ends the process.
 *
 * @param parts Replaces parts of the outside world, for tests.
 */
export async function main(task: Task, parts: Partial<World> = {}): Promise<never> {
  const terminal = openTerminal();
  const controller = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      const reason = new InterruptedError(signal);
      controller.abort(reason);
      Deno.unrefTimer(setTimeout(() => Deno.exit(reason.exitCode), STOP_TIMEOUT_MS));
    });
  }
  let json = Deno.args.includes("--json");
  try {
    const flags = parseFlags(task);
    json = flags.json;
    const log = await openLog(terminal, flags.logLevel);
    const world = { ...realWorld(), ...parts };
    const progress = openProgress(terminal, log, world.monotonic);
    const options = {
      configPath: task.config || flags.config || configFromEnvironment() || DEFAULT_CONFIG,
      workDir: flags.workDir ?? null,
      runId: flags.run ?? null,
      dryRun: flags.dryRun,
    };
    await using session = new Session(options, world, { log, progress, signal: controller.signal });
    Deno.exit(await runTask(task, session, json, controller.signal));
  } catch (error) {
    // Nothing was begun: wrong usage.
    terminal.writeLine(describe(error));
    if (json) print(JSON.stringify(summariseFailure(null, error), null, 1) + "\n");
    Deno.exit(exitCodeOf(error));
  }
}

/** Runs the task in the session, prints its summary, and gives the exit code. */
async function runTask(task: Task, session: Session, json: boolean, signal: AbortSignal): Promise<ExitCode> {
  const terminal = openTerminal();
  try {
    await task.run(session);
    const { manifest } = session;
    if (task.releaseLease || manifest?.work === "nothing") await session.releaseLease();
    await session[Symbol.asyncDispose]();
    const summary = manifest ? summarise(manifest) : NO_RUN;
    if (json) {
      print(JSON.stringify(summary, null, 1) + "\n");
    } else {
      if (manifest) print(renderSummary(summary, session.config));
      if (task.report) print(await task.report(session));
    }
    return ExitCode.ok;
  } catch (thrown) {
    // What failed because of the signal failed for the signal's reason.
    const error = signal.aborted ? signal.reason : failureOf(thrown);
    await closeAfterFailure(session, signal, (message) => terminal.writeLine(message));
    // Wrong usage and configuration: no run was begun.
    const begun = exitCodeOf(error) === ExitCode.config ? null : session.manifest;
    const summary = summariseFailure(begun, error);
    terminal.writeLine(describe(error));
    print(json ? JSON.stringify(summary, null, 1) + "\n" : renderSummary(summary, session.config));
    return exitCodeOf(error);
  }
}

/** The run's failure, where an object that it cannot go on without could not be dealt with, or a driver not loaded. */
function failureOf(error: unknown): unknown {
  if (error instanceof Deno.errors.NotCapable) {
    return new AccessError("Cannot go on: a permission of Deno is missing", { cause: error });
  }
  if (!(error instanceof ObjectError)) return error;
  if (error.problem === "access_denied") return new AccessError(error.message, { cause: error.cause });
  return new UnavailableError(`object_${error.problem}`, error.message, { cause: error.cause });
}

/** Gives the lease back and closes; a failure of that must not hide the first one. */
async function closeAfterFailure(
  session: Session,
  signal: AbortSignal,
  say: (message: string) => void,
): Promise<void> {
  try {
    const release = session.releaseLease().catch(() => {});
    const timeout = new Promise((done) => setTimeout(done, RELEASE_TIMEOUT_MS));
    await (signal.aborted ? Promise.race([release, timeout]) : release);
    await session[Symbol.asyncDispose]();
  } catch (error) {
    say(`While stopping: ${describe(error)}`);
  }
}

/** One line for an expected failure; the stack too for a bug. */
function describe(error: unknown): string {
  if (error instanceof PipelineError) {
    const cause = error.cause instanceof Error ? ` (${error.cause.message.split("\n")[0]})` : "";
    return `${error.message}${cause}`;
  }
  return `This is a bug in nightly-marts, please report it: ${
    error instanceof Error ? error.stack : String(error)
  }`;
}

interface Flags {
  config?: string;
  workDir?: string;
  run?: string;
  json: boolean;
  dryRun: boolean;
  logLevel: LogThreshold;
}

const DEFAULT_CONFIG = fileURLToPath(new URL("../config/local.jsonc", import.meta.url));

function parseFlags(task: Task): Flags {
  const command = new Command(`deno task ${task.name}`)
    .description(task.description)
    .option("--json", "print a machine-readable summary on stdout", false)
    .addOption(new Option("--log-level <level>", "least level to log").choices(LOG_LEVELS).default("info"))
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({ writeOut: print, writeErr: () => {}, getOutHasColors: () => false });
  if (task.config === undefined) {
    command.option("--config <file>", "configuration (default: $ETL_CONFIG, else config/local.jsonc)");
  }
  if (task.action) command.addArgument(new Argument("<action>").choices([task.action]));
  if (task.options.includes("work-dir")) {
    command.option("--work-dir <dir>", "work dir, in place of the configured one");
  }
  if (task.options.includes("run")) command.option("--run <run>", "run id, in place of the newest");
  if (task.options.includes("dry-run")) {
    command.option("--dry-run", "say what would be done, and change nothing", false);
  }
  try {
    command.parse(Deno.args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) Deno.exit(ExitCode.ok);
    throw new UsageError(`${error.message.replace(/^error: /, "")}; see deno task ${task.name} --help`);
  }
  const { dryRun = false, ...flags } = command.opts<Flags>();
  return { ...flags, dryRun };
}

/** `$ETL_CONFIG`, where this process may read it: compute stages get it as an argument instead. */
function configFromEnvironment(): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable: "ETL_CONFIG" });
  return state === "granted" ? Deno.env.get("ETL_CONFIG") : undefined;
}

function realWorld(): World {
  const newId = () => crypto.randomUUID();
  return {
    env: (name) => Deno.env.get(name),
    now: () => new Date(),
    monotonic: () => performance.now(),
    newId,
    holder: `process ${Deno.pid}`,
    openStore,
    openDatabase: (config, options) => openDatabase(config, { ...options, newId }),
    openEngine: openDuckdbEngine,
  };
}

// The drivers of S3 and MySQL are loaded where they are used only: that takes longer than a small night.

/** Opens the configured store. */
export async function openStore(
  config: Config["store"],
  options: { signal: AbortSignal },
): Promise<ObjectStore> {
  if (config.kind === "folder") return await openFolderStore(config.path, Date.now);
  const { openS3Store } = await import("./store/s3.ts");
  return await openS3Store(config, options);
}

/** Opens the configured database. */
export async function openDatabase(
  config: Config["database"],
  options: Parameters<World["openDatabase"]>[1] & { newId: () => string },
): Promise<Database> {
  if (config.kind === "duckdb") return openDuckdbDatabase({ ...options, path: config.path });
  const { openMysqlDatabase } = await import("./database/mysql.ts");
  return openMysqlDatabase({ ...options, ...config });
}

function print(text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let written = 0; written < bytes.length;) written += Deno.stdout.writeSync(bytes.subarray(written));
}
