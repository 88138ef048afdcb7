/**
 * The composition root: arguments, environment, signals, the choice of store, database and engine, the summary, and
 * the exit code. The only place that knows the process it runs in.
 *
 * @module
 */
import nodeProcess from "node:process";
import { fileURLToPath } from "node:url";
import { type Compact, compactSummary, fitSummary } from "../report/compact.ts";
import type { Config } from "../config/schema.ts";
import type { ConfigWorld } from "../config/values.ts";
import type { Database } from "../database/database.ts";
import { openDuckdbDatabase } from "../database/duckdb/database.ts";
import type { RandomBytes } from "../secrets/encryption.ts";
import { openDuckdbEngine } from "../engine/duckdb.ts";
import {
  AccessError,
  errorsIn,
  ExitCode,
  exitCodeOf,
  InterruptedError,
  messageOf,
  PipelineError,
  UnavailableError,
  wrapSystemError,
} from "../errors.ts";
import { type Flags, outputOf, parseAction, parseFlags, type Usage } from "./flags.ts";
import { type LineLevel, type Lines, openLines } from "../output/lines.ts";
import { openLog } from "../output/log.ts";
import type { Manifest } from "../run/manifest.ts";
import type { Position } from "../output/position.ts";
import { openProgress } from "../output/progress.ts";
import { Redactor } from "../secrets/redactor.ts";
import { readSecret } from "../secrets/prompt.ts";
import { Session, type World } from "./session.ts";
import { openFolderStore } from "../store/folder/store.ts";
import { ObjectError, type ObjectStore } from "../store/store.ts";
import { NO_RUN, renderSummary, summarise, summariseError, summariseFailure } from "../report/summary.ts";
import { NO_TELEMETRY, openTelemetry, type Telemetry } from "../telemetry/telemetry.ts";
import { openTerminal, redirectConsole, type Terminal } from "../output/terminal.ts";
import { visible } from "../text.ts";

/** A task that runs stages. */
export interface Task extends Usage {
  /** Give the lease back at the end also where the run is not over. */
  readonly releaseLease?: boolean;
  /** A configuration of its own, in place of `--config` and `$ETL_CONFIG`. */
  readonly config?: string;
  /** Does the work, by the stages of the session. */
  run(session: Session, flags: Flags): Promise<void>;
  /** Says what it did, or with a failure why it could not; left out: as a night does. */
  ending?(failure: { error: unknown } | null): Ending;
  /** Printed on stdout at the end, after the summary for people; everything is closed by then. */
  report?(session: Session): Promise<string>;
}

/** What a task says at its end. */
export interface Ending {
  /** For `--json`. */
  readonly summary: object;
  /** For people. */
  readonly text: string;
  /** For the last line of a log as JSON and the termination log: bounded, but for the error's message. */
  readonly compact: Compact;
}

/** A task that has several actions, of which the first argument names one. */
export interface Toolbox {
  /** As in `deno task NAME`. */
  readonly name: string;
  /** One sentence for `--help`. */
  readonly description: string;
  /** What it can do. */
  readonly actions: readonly Action[];
}

/** One action of a {@linkcode Toolbox}. */
export interface Action extends Usage {
  /** What the JSON of a failure has besides the error. */
  readonly failure?: object;
  /** Does it; gives what is printed on stdout. */
  run(call: ActionCall): Promise<ActionResult>;
}

/** What an action has to say. */
export interface ActionResult {
  /** For people; ends in a line end. */
  readonly text: string;
  /** With `--json`. */
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
  /** Whether somebody looks at what is printed on stdout. */
  readonly isShown: boolean;
  /** Fresh random bytes. */
  readonly randomBytes: RandomBytes;
  /** Reads a secret from standard input. */
  readSecret(name: string): Promise<string>;
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
  const process = beginProcess(task.name, (error) => task.ending?.({ error }) ?? failureEnding(null, error));
  const { terminal, redactor, lines, position } = process;
  const controller = new AbortController();
  const cutShort = (reason: InterruptedError) => {
    conclude(process, process.endingOf(reason));
    Deno.exit(reason.exitCode);
  };
  onSignal((reason) => {
    controller.abort(reason);
    Deno.unrefTimer(setTimeout(cutShort, STOP_TIMEOUT_MS, reason));
  });
  const { signal } = controller;
  try {
    const usage = task.config === undefined ? task : { ...task, ownConfig: true };
    const request = parseFlags(usage, Deno.args, terminal.print);
    if (request.kind === "help") Deno.exit(ExitCode.ok);
    const { flags } = request;
    process.terminationLog = flags.terminationLog ?? null;
    process.telemetry = await openTelemetry(position, redactor);
    const log = await openLog(lines, flags.logLevel);
    const world = { ...realWorld(redactor), ...parts };
    const progress = openProgress(terminal, log, world.monotonic);
    const options = {
      configPath: task.config ?? configPathOf(flags),
      workDir: flags.workDir ?? null,
      runId: flags.run ?? null,
      dryRun: flags.dryRun ?? false,
      leaseOwner: readEnv("ETL_LEASE_OWNER") || null,
    };
    const { telemetry } = process;
    const surroundings = { log, progress, redactor, signal, position, telemetry };
    await using session = new Session(options, world, surroundings);
    process.endingOf = (error) => task.ending?.({ error }) ?? nightEnding(session, { error });
    Deno.exit(await runTask(task, session, flags, { ...process, signal }));
  } catch (error) {
    Deno.exit(reportFailure(error, process));
  }
}

/** Runs one action of a toolbox and ends the process. */
export async function mainOf(toolbox: Toolbox): Promise<never> {
  const failure = toolbox.actions.find(({ name }) => name === Deno.args[0])?.failure;
  const process = beginProcess(toolbox.name, (thrown) => {
    const error = summariseError(thrown);
    return { summary: { ...failure, error }, text: "", compact: { state: "failed", error } };
  });
  const { terminal, redactor } = process;
  // What an action writes is there whole or not at all: it may end anywhere. The runtime's exit also sets right a
  // terminal that does not show what is typed, which a signal that ends the process at once would not.
  const end = (reason: InterruptedError) => Deno.exit(reason.exitCode);
  onSignal(end);
  Deno.addSignalListener("SIGHUP", () => end(new InterruptedError("SIGTERM")));
  try {
    const request = parseAction(toolbox, Deno.args, terminal.print);
    if (request.kind === "help") Deno.exit(ExitCode.ok);
    const { usage: action, flags } = request;
    const result = await action.run({
      configPath: configPathOf(flags),
      path: flags.path ?? "",
      flags,
      env: (name) => Deno.env.get(name),
      redactor,
      isShown: Deno.stdout.isTerminal(),
      randomBytes: (size) => crypto.getRandomValues(new Uint8Array(size)),
      readSecret,
    });
    if (flags.json) terminal.printJson(result.json);
    else terminal.print(result.text);
    Deno.exit(ExitCode.ok);
  } catch (error) {
    Deno.exit(reportFailure(error, process));
  }
}

/** What every command has of its process. */
interface CommandProcess {
  readonly terminal: Terminal;
  readonly lines: Lines;
  readonly redactor: Redactor;
  readonly position: Position;
  /** None until it is open. */
  telemetry: Telemetry;
  /** Whether stdout takes JSON and nothing else. */
  readonly isJson: boolean;
  /** Of `--termination-log`, once it is known. */
  terminationLog: string | null;
  /** What is said of a failure: of the run, once there may be one. */
  endingOf: (error: unknown) => Ending;
}

function beginProcess(name: string, endingOf: CommandProcess["endingOf"]): CommandProcess {
  const { isJson, logFormat } = outputOf(Deno.args);
  const redactor = new Redactor();
  const terminal = openTerminal(redactor, { bar: logFormat === "text" });
  const position: Position = { runId: null, stage: name, attempt: null };
  const within: Telemetry["within"] = (work) => process.telemetry.within(work);
  const options = { format: logFormat, position, within, now: () => new Date() };
  const process: CommandProcess = {
    terminal,
    lines: openLines(terminal, options),
    redactor,
    position,
    telemetry: NO_TELEMETRY,
    isJson,
    terminationLog: null,
    endingOf,
  };
  const note = (level: LineLevel, text: string) =>
    process.lines.write({ timestamp: Date.now(), level, message: visible(text), properties: {} });
  redirectConsole((level, text) => note(level === "warn" ? "warning" : level, text));
  // Else Node's part of the runtime would print them, past the console.
  nodeProcess.removeAllListeners("warning");
  nodeProcess.on("warning", (warning: Error) => note("warning", String(warning)));
  // Else the runtime itself would print what was thrown, with all that is in it.
  for (const type of ["error", "unhandledrejection"] as const) {
    globalThis.addEventListener(type, (event) => {
      event.preventDefault();
      Deno.exit(reportFailure("reason" in event ? event.reason : event.error, process));
    });
  }
  return process;
}

function onSignal(stop: (reason: InterruptedError) => void): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => stop(new InterruptedError(signal)));
  }
}

/** Says what ended a process outside of a run; gives the exit code. */
function reportFailure(error: unknown, process: CommandProcess): ExitCode {
  const { terminal, lines, isJson, endingOf } = process;
  const ending = endingOf(error);
  lines.writeFailure(describe(error));
  if (isJson) terminal.printJson(ending.summary);
  conclude(process, ending);
  return exitCodeOf(error);
}

/** The last that a process says: the compact summary, for those who read the log and for the kubelet. */
function conclude(
  { lines, position, redactor, terminationLog }: CommandProcess,
  { compact }: Pick<Ending, "compact">,
): void {
  const summary = fitSummary(compact, position, redactor);
  try {
    if (terminationLog !== null) Deno.writeTextFileSync(terminationLog, JSON.stringify(summary));
  } catch (error) {
    // The work is done, or has failed, all the same.
    lines.writeFailure(`Cannot write the summary to ${terminationLog}: ${messageOf(error)}`);
  }
  lines.writeSummary(summary);
}

/** Runs the task in the session, prints its summary, and gives the exit code. */
async function runTask(
  task: Task,
  session: Session,
  flags: Flags,
  process: CommandProcess & { readonly signal: AbortSignal },
): Promise<ExitCode> {
  const { terminal, lines, isJson, signal } = process;
  try {
    await task.run(session, flags);
    if (task.releaseLease || session.manifest?.work === "nothing") await session.releaseLease();
    await session[Symbol.asyncDispose]();
    const ending = task.ending?.(null) ?? nightEnding(session, null);
    const { summary, text } = ending;
    if (isJson) {
      terminal.printJson(summary);
    } else {
      if (text !== "") terminal.print(text);
      if (task.report) terminal.print(await task.report(session));
    }
    conclude(process, ending);
    return ExitCode.ok;
  } catch (thrown) {
    // What failed because of the signal failed for the signal's reason.
    const [first, ...later] = errorsIn(thrown);
    const error = signal.aborted ? signal.reason : failureOf(first);
    for (const each of later) sayWhileStopping(each, lines.writeFailure);
    await closeAfterFailure(session, signal, lines.writeFailure);
    const ending = process.endingOf(error);
    lines.writeFailure(describe(error));
    if (isJson) terminal.printJson(ending.summary);
    else terminal.print(ending.text);
    conclude(process, ending);
    return exitCodeOf(error);
  }
}

function nightEnding({ manifest, config }: Session, failure: { error: unknown } | null): Ending {
  if (failure === null) {
    const summary = manifest ? summarise(manifest) : NO_RUN;
    const text = manifest ? renderSummary(summary, config) : "";
    return { summary, text, compact: compactSummary(summary) };
  }
  const { error } = failure;
  // Wrong usage and configuration: no run was begun.
  return failureEnding(exitCodeOf(error) === ExitCode.config ? null : manifest, error, config);
}

function failureEnding(manifest: Manifest | null, error: unknown, config: Config | null = null): Ending {
  const summary = summariseFailure(manifest, error);
  return { summary, text: renderSummary(summary, config), compact: compactSummary(summary) };
}

/**
 * The run's failure, where an object that it cannot go on without could not be dealt with, a driver not loaded, or the
 * file system failed where nobody said what for.
 */
function failureOf(error: unknown): unknown {
  if (error instanceof Deno.errors.NotCapable) {
    return new AccessError("Cannot go on: a permission of Deno is missing", { cause: error });
  }
  if (!(error instanceof ObjectError)) return wrapSystemError(error, "Cannot go on");
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
    for (const each of errorsIn(error)) sayWhileStopping(each, say);
  }
}

function sayWhileStopping(error: unknown, say: (message: string) => void): void {
  say(`While stopping: ${describe(error)}`);
}

/** One line for an expected failure; the stack too for a bug. */
function describe(error: unknown): string {
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

const DEFAULT_CONFIG = fileURLToPath(new URL("../../config/local.jsonc", import.meta.url));

/** `--config`, else `$ETL_CONFIG` where this process may read it: compute stages get it as an argument instead. */
function configPathOf({ config }: Flags): string {
  return config || readEnv("ETL_CONFIG") || DEFAULT_CONFIG;
}

/** A variable, where this process may read it. */
function readEnv(variable: string): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable });
  return state === "granted" ? Deno.env.get(variable) : undefined;
}

function realWorld(redactor: Redactor): World {
  const newId = () => crypto.randomUUID();
  const monotonic = () => performance.now();
  return {
    env: (name) => Deno.env.get(name),
    now: () => new Date(),
    monotonic,
    newId,
    holder: `process ${Deno.pid}`,
    giveUpRights,
    openStore: (config, options) =>
      openStore(config, { ...options, learnSecret: (value) => redactor.add(value) }),
    openDatabase: (config, options) => openDatabase(config, { ...options, newId, monotonic }),
    openEngine: openDuckdbEngine,
  };
}

/**
 * Gives up, for this process and for good, what only other configurations need: a folder and a DuckDB file need no
 * network, and only S3's default chain looks into the environment again.
 */
function giveUpRights({ store, database }: Config): void {
  if (store.kind === "s3") return;
  const unused = database.kind === "mysql" ? ["env", "sys"] as const : ["env", "sys", "net"] as const;
  for (const name of unused) Deno.permissions.revokeSync({ name });
}

// The drivers of S3 and MySQL are loaded where they are used only: that takes longer than a small night.

/** Opens the configured store; `learnSecret` gets the secrets that S3 finds by itself. */
export async function openStore(
  config: Config["store"],
  options: { signal: AbortSignal; learnSecret?: (value: string) => void },
): Promise<ObjectStore> {
  if (config.kind === "folder") return await openFolderStore(config.path, Date.now);
  const { openS3Store } = await import("../store/s3/store.ts");
  return await openS3Store(config, options);
}

/** Opens the configured database. */
export async function openDatabase(
  config: Config["database"],
  options: Parameters<World["openDatabase"]>[1] & Pick<World, "newId" | "monotonic">,
): Promise<Database> {
  if (config.kind === "duckdb") return openDuckdbDatabase({ ...options, path: config.path });
  const { openMysqlDatabase } = await import("../database/mysql/database.ts");
  return openMysqlDatabase({ ...options, ...config });
}
