/**
 * Runs a command that does a run's stages: arguments, telemetry, log and session around it, its summary, and the exit
 * code.
 *
 * A signal does not end the process: it aborts what is under way, so that the lease is given back and the summary is
 * written. Only a stop that takes too long is cut short.
 *
 * @module
 */
import {
  AccessError,
  errorsIn,
  ExitCode,
  type InterruptedError,
  UnavailableError,
  wrapSystemError,
} from "../errors.ts";
import { openLog } from "../output/log.ts";
import { PersonalFields } from "../output/personal.ts";
import { openProgress } from "../output/progress.ts";
import { ObjectError } from "../store/store.ts";
import { openTelemetry } from "../telemetry/telemetry.ts";
import { type Ending, endingOf, failedEndingOf } from "./ending.ts";
import { type Flags, parseFlags, type Usage } from "./flags.ts";
import { CommandProcess, describeError } from "./process.ts";
import { Session } from "./session.ts";
import { configPathOf, readIfAllowed, REAL_WORLD, type World } from "./world.ts";

/** A command that runs stages. */
export interface Task extends Usage {
  /** Give the lease back at the end even if the run is not over. */
  readonly releaseLease?: boolean;
  /** A configuration of its own, in place of `--config` and `$ETL_CONFIG`. */
  readonly config?: string;
  /** Does the work, by the stages of the session. */
  run(session: Session, flags: Flags): Promise<void>;
  /** Says what it did, or which error has ended it; left out: the same as a night says. */
  ending?(thrown: { error: unknown } | null): Ending;
  /** Printed at the end, after the summary for people; everything is closed by then. */
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
  const world = { ...REAL_WORLD, ...parts };
  let session: Session | null = null;
  const command: CommandProcess = new CommandProcess(task.name, world.now, (error) => {
    const ending = task.ending?.({ error }) ??
      failedEndingOf(session?.manifest ?? null, session?.config ?? null, error);
    // Whoever gave wrong arguments is told so, and no more.
    return session ? ending : { ...ending, text: "" };
  });
  const { signal } = stopOnSignal(command);
  try {
    const usage = task.config === undefined ? task : { ...task, ownConfig: true };
    const request = parseFlags(usage, command.args, command.terminal.print);
    if (request.kind === "help") return command.exit(ExitCode.ok);
    session = await openSession(task, request.flags, { command, world, signal });
    return command.exit(await runTask(task, request.flags, { session, command, signal }));
  } catch (error) {
    return command.exit(command.fail(error));
  }
}

/** Aborts what is under way when a signal arrives, and ends the process if that takes too long. */
function stopOnSignal(command: CommandProcess): AbortController {
  const controller = new AbortController();
  command.onSignal((reason: InterruptedError) => {
    controller.abort(reason);
    Deno.unrefTimer(setTimeout(() => command.cutShort(reason), STOP_TIMEOUT_MS));
  });
  return controller;
}

async function openSession(
  task: Task,
  flags: Flags,
  { command, world, signal }: { command: CommandProcess; world: World; signal: AbortSignal },
): Promise<Session> {
  const { terminal, lines, position, redactor } = command;
  command.terminationLog = flags.terminationLog ?? null;
  const telemetry = command.telemetry = await openTelemetry(position, redactor);
  const personal = new PersonalFields();
  const log = await openLog(lines, { threshold: flags.logLevel, personal });
  const progress = openProgress(terminal, log, world.monotonic);
  const options = {
    configPath: task.config ?? configPathOf(flags, world.env),
    workDir: flags.workDir ?? null,
    runId: flags.run ?? null,
    dryRun: flags.dryRun ?? false,
    leaseOwner: readIfAllowed("ETL_LEASE_OWNER", world.env) || null,
  };
  return new Session(options, world, { log, progress, redactor, personal, signal, position, telemetry });
}

/** Runs the task in the session, closes that, prints the summary, and gives the exit code. */
async function runTask(
  task: Task,
  flags: Flags,
  { session, command, signal }: { session: Session; command: CommandProcess; signal: AbortSignal },
): Promise<number> {
  try {
    await task.run(session, flags);
    if (task.releaseLease || session.manifest?.work === "nothing") await session.releaseLease();
    await session[Symbol.asyncDispose]();
    const ending = task.ending?.(null) ?? endingOf(session.manifest, session.config);
    command.print(ending.summary, ending.text);
    if (task.report && !command.isJson) command.terminal.print(await task.report(session));
    command.conclude(ending);
    return ExitCode.ok;
  } catch (thrown) {
    const [first, ...later] = errorsIn(thrown);
    const say = (error: unknown) => command.lines.writeError(`While stopping: ${describeError(error)}`);
    later.forEach(say);
    (await closeAfterError(session, signal)).forEach(say);
    // What went wrong because of the signal went wrong for the signal's reason.
    return command.fail(signal.aborted ? signal.reason : runErrorOf(first));
  }
}

/** Gives the lease back and closes the session; gives the errors of that, which must not hide the first one. */
async function closeAfterError(session: Session, signal: AbortSignal): Promise<unknown[]> {
  try {
    const release = session.releaseLease().catch(() => {});
    const timeout = new Promise((done) => setTimeout(done, RELEASE_TIMEOUT_MS));
    await (signal.aborted ? Promise.race([release, timeout]) : release);
    await session[Symbol.asyncDispose]();
    return [];
  } catch (error) {
    return errorsIn(error);
  }
}

/**
 * The error that ends the run: of an object that the run cannot go on without, of a permission, and of the file system
 * or a driver if nobody has said what for.
 */
function runErrorOf(error: unknown): unknown {
  if (error instanceof Deno.errors.NotCapable) {
    return new AccessError("Cannot go on: a permission of Deno is missing", { cause: error });
  }
  if (!(error instanceof ObjectError)) return wrapSystemError(error, "Cannot go on");
  if (error.reason === "access_denied") return new AccessError(error.message, { cause: error.cause });
  return new UnavailableError(`object_${error.reason}`, error.message, { cause: error.cause });
}
