/**
 * Runs the tasks of `deno.json` as processes of their own, with exactly the flags and permissions given there.
 *
 * @module
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import project from "../../deno.json" with { type: "json" };

/** What the `--json` summary promises of each file. */
export interface FileSummary {
  readonly key: string;
  readonly dataset: string;
  readonly status: "accepted" | "rejected" | "duplicate" | "skipped";
  readonly reason: string | null;
  readonly rowsRead: number;
  readonly rowsAccepted: number;
  readonly rowsRejected: number;
  readonly warnings: Readonly<Record<string, number>>;
  readonly rejects: Readonly<Record<string, number>>;
  readonly knownKey?: true;
  readonly earlier?: { readonly runId: string; readonly rowsRead: number; readonly rowsAccepted: number };
  readonly destination: string | null;
}

/** What the `--json` summary of `pipeline` promises. */
export interface Summary {
  readonly runId: string;
  readonly state: "committed" | "recovered" | "nothing-to-do" | "failed";
  readonly recovered: readonly string[];
  readonly files: readonly FileSummary[];
  readonly rows: { readonly read: number; readonly accepted: number; readonly rejected: number };
  readonly marts: Readonly<Record<string, number>>;
  readonly stages: readonly { readonly name: string; readonly durationMs: number }[];
  readonly pendingMoves?: number;
  readonly dryRun?: boolean;
  readonly committed?: boolean;
  readonly error?: { readonly exitCode: number; readonly code: string; readonly message: string };
}

/** How a task ended. */
export interface TaskResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** All of it with the command, for the message of a failing assertion. */
  readonly text: string;
}

/** How a task is run, where it differs from `deno.json`. */
export interface TaskOptions {
  /** Environment variables. Of the tests' own environment the task sees only what Deno needs. */
  readonly env?: Readonly<Record<string, string>>;
  /** Instead of all `--allow-…` flags. */
  readonly permissions?: readonly string[];
  /** The folder of the program that is run: a copy, whose `node_modules` is a link. Left out: the repository. */
  readonly program?: string;
  /** What {@linkcode runTask} gives the task on standard input; left out: nothing. */
  readonly input?: string | Uint8Array<ArrayBuffer>;
}

/** The repository's folder, where tasks run; ends in a separator. */
export const REPOSITORY = fileURLToPath(new URL("../../", import.meta.url));

/** The names of the tasks that are a script in `tasks/`. */
export const TASK_NAMES: readonly string[] = Object.entries(project.tasks)
  .filter(([, { command }]) => /^deno run .* tasks\/[\w-]+\.ts\b/.test(command)).map(([name]) => name);

/** The words of a task's command after `deno`, as the shell of `deno task` makes them of it but for variables. */
export function wordsOf(name: string): string[] {
  const task = Object.entries(project.tasks).find(([other]) => other === name)?.[1];
  if (task === undefined) throw new RangeError(`deno.json has no task "${name}"`);
  const expanded = task.command.replace(
    /\$\(cat ([\w./]+)\)/g,
    (_, file) => Deno.readTextFileSync(join(REPOSITORY, file)).trim(),
  );
  return expanded.split(/\s+/).slice(1);
}

/** A task that takes longer hangs, and is killed by {@linkcode runTask}. */
const HANGING_MS = 600_000;

/** What Deno itself needs of the environment. */
const KEPT_ENVIRONMENT = ["PATH", "HOME", "DENO_DIR", "XDG_CACHE_HOME", "TMPDIR"];

/** A task as a command that can be spawned, its output piped. */
export function taskCommand(name: string, args: readonly string[], options: TaskOptions = {}): Deno.Command {
  const env: Record<string, string> = { NO_COLOR: "1", ...options.env };
  for (const variable of KEPT_ENVIRONMENT) {
    const value = Deno.env.get(variable);
    if (value !== undefined) env[variable] ??= value;
  }
  let words = wordsOf(name);
  if (args.includes("--config") || args.includes("--work-dir")) {
    words = words.filter((word) => word !== "--config" && word !== '"$ETL_CONFIG"');
  }
  words = words.map((word) => word === '"$ETL_CONFIG"' ? env["ETL_CONFIG"] ?? "" : word);
  if (options.permissions) {
    const [run = "", ...rest] = words.filter((word) => !word.startsWith("--allow-"));
    words = [run, ...options.permissions, ...rest];
  }
  if (options.program) {
    // Deno goes by where a file really is.
    const modules = Deno.realPathSync(join(options.program, "node_modules"));
    words = words.map((word) => word.replace(/^--allow-ffi=.*$/, `--allow-ffi=${modules}`));
  }
  return new Deno.Command(Deno.execPath(), {
    args: [...words, ...args],
    cwd: options.program ?? REPOSITORY,
    clearEnv: true,
    env,
    stdin: options.input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  });
}

/** Runs a task to its end. */
export async function runTask(
  name: string,
  args: readonly string[],
  options?: TaskOptions,
): Promise<TaskResult> {
  const process = taskCommand(name, args, options).spawn();
  const timer = setTimeout(() => process.kill("SIGKILL"), HANGING_MS);
  // A task that fails early closes it.
  if (options?.input !== undefined) new Blob([options.input]).stream().pipeTo(process.stdin).catch(() => {});
  const { code, stdout, stderr } = await process.output().finally(() => clearTimeout(timer));
  const decoder = new TextDecoder();
  const out = decoder.decode(stdout), err = decoder.decode(stderr);
  const text = `${name} ${args.join(" ")} exited with ${code}\n--- stdout\n${out}\n--- stderr\n${err}`;
  return { code, stdout: out, stderr: err, text };
}

/** The `--json` summary that a task printed: stdout holds it and nothing else. */
export function parseSummary(result: TaskResult): Summary {
  try {
    return JSON.parse(result.stdout);
  } catch (cause) {
    throw new Error(`stdout is not one JSON document: ${result.text}`, { cause });
  }
}

/** Runs `pipeline --json`, which must exit with 0. */
export async function runPipeline(
  config: string,
  flags: readonly string[] = [],
  options?: TaskOptions,
): Promise<Summary> {
  const result = await runTask("pipeline", ["--config", config, "--json", ...flags], options);
  if (result.code !== 0) throw new Error(result.text);
  return parseSummary(result);
}
