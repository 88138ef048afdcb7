/**
 * Runs a command and measures it with all its descendants: time, processor time and peak memory.
 *
 * Done by a small process of its own, this very file: Deno reads `/proc` only with `--allow-all`, which the bench does
 * not have, and one that is busy with something else would miss samples.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

/** What a command took. */
export interface Usage {
  /** From before the start of its process to its end. */
  readonly durationMs: number;
  /** User and system time of the process tree, up to the last sample; `null` where there is no `/proc`. */
  readonly cpuMs: number | null;
  /**
   * The most resident memory that the process tree had at one moment, or that the kernel saw one process have, if that
   * is more. Mapped files count, the page cache does not. `null` where there is no `/proc`.
   */
  readonly peakBytes: number | null;
}

/** What a command took, and how it ended. */
export interface Measurement extends Usage {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

const SAMPLE_INTERVAL_MS = 20;
/** What `/proc/PID/stat` counts time in: USER_HZ, 100 on every platform that Deno runs on. */
const TICK_MS = 10;

/** Runs a command, its words as for `execve`, in a folder. */
export async function measure(words: readonly string[], cwd: string): Promise<Measurement> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-config", "--allow-all", fileURLToPath(import.meta.url), ...words],
    cwd,
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  if (code !== 0) throw new Error(`Cannot measure ${words.join(" ")}: ${decoder.decode(stderr)}`);
  return { ...JSON.parse(decoder.decode(stdout)), stderr: decoder.decode(stderr) };
}

async function runAndSample(program: string, args: readonly string[]): Promise<Omit<Measurement, "stderr">> {
  let peakBytes: number | null = null;
  let cpuMs: number | null = null;
  const startedMs = performance.now();
  const child = new Deno.Command(program, { args: [...args], stdout: "piped", stderr: "inherit" }).spawn();
  const sample = () => {
    const usages = processTree(child.pid).map(readUsage).filter((usage) => usage !== null);
    if (usages.length === 0) return;
    const residentBytes = usages.reduce((sum, usage) => sum + usage.residentBytes, 0);
    peakBytes = Math.max(peakBytes ?? 0, residentBytes, ...usages.map((usage) => usage.peakBytes));
    cpuMs = Math.max(cpuMs ?? 0, usages.reduce((sum, usage) => sum + usage.cpuMs, 0));
  };
  const timer = setInterval(sample, SAMPLE_INTERVAL_MS);
  const stdout = new Response(child.stdout).text();
  const { code } = await child.status;
  const durationMs = performance.now() - startedMs;
  clearInterval(timer);
  return { exitCode: code, stdout: await stdout, durationMs, cpuMs, peakBytes };
}

/** A process and its descendants. */
function processTree(pid: number): number[] {
  const threads = readIfThere(() => [...Deno.readDirSync(`/proc/${pid}/task`)]) ?? [];
  const children = threads.flatMap(({ name }) =>
    readIfThere(() => Deno.readTextFileSync(`/proc/${pid}/task/${name}/children`))?.match(/\d+/g)?.map(
      Number,
    ) ?? []
  );
  return [pid, ...children.flatMap(processTree)];
}

/** What a process uses now, and the most memory it had; `null` where it has ended. */
function readUsage(pid: number): { residentBytes: number; peakBytes: number; cpuMs: number } | null {
  const status = readIfThere(() => Deno.readTextFileSync(`/proc/${pid}/status`));
  const stat = readIfThere(() => Deno.readTextFileSync(`/proc/${pid}/stat`));
  if (status === null || stat === null) return null;
  const bytesOf = (field: string) =>
    Number(new RegExp(`^${field}:\\s*(\\d+) kB`, "m").exec(status)?.[1] ?? 0) * 1024;
  // Behind the name, which may hold anything, are the fields from the third on; 14 to 17 are user and system time of
  // the process and of its ended children.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ").map(Number);
  const ticks = fields.slice(14 - 3, 17 - 3 + 1).reduce((sum, field) => sum + field, 0);
  return { residentBytes: bytesOf("VmRSS"), peakBytes: bytesOf("VmHWM"), cpuMs: ticks * TICK_MS };
}

/** `null` where the process or thread has ended meanwhile. */
function readIfThere<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}

if (import.meta.main) {
  const [program = "", ...args] = Deno.args;
  const bytes = new TextEncoder().encode(JSON.stringify(await runAndSample(program, args)));
  for (let written = 0; written < bytes.length;) written += Deno.stdout.writeSync(bytes.subarray(written));
}
