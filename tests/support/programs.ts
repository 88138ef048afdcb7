/**
 * Programs that the tests need besides Deno: those that are installed, and those that are made once and kept in a cache
 * folder.
 *
 * @module
 */
import { join } from "node:path";

/** Makes the folder in which programs are kept where it is missing; gives its path. */
export async function programFolder(): Promise<string> {
  const cache = Deno.env.get("XDG_CACHE_HOME") || join(Deno.env.get("HOME") ?? "", ".cache");
  const folder = join(cache, "nightly-marts", "bin");
  await Deno.mkdir(folder, { recursive: true });
  return folder;
}

/**
 * Path of a program, which is made where it is missing: of several test files at a time by the first one, and nobody
 * starts half a program.
 *
 * @param make Puts the program there.
 */
export async function keptProgram(
  name: string,
  make: (folder: string, program: string) => Promise<void>,
): Promise<string> {
  const folder = await programFolder();
  const program = join(folder, name);
  using lock = await Deno.open(join(folder, "lock"), { create: true, write: true });
  await lock.lock(true);
  if (!await Deno.stat(program).then((stat) => stat.isFile, () => false)) await make(folder, program);
  return program;
}

/** Path of a program that Go builds; `source` is its package with a version whose builds were seen to work. */
export function goProgram(name: string, source: string): Promise<string> {
  return keptProgram(name, async (folder, program) => {
    const env = { GOBIN: folder, GOFLAGS: "-mod=mod -modcacherw -buildvcs=false" };
    const { success, text } = await runProgram("go", ["install", source], { env });
    if (success) return;
    throw new Error(
      `The tests need ${name}, which Go 1.25 or newer builds: apt-get install -y golang-go, or put the program at ` +
        `${program}. go install ${source} failed: ${text.slice(-2000)}`,
    );
  });
}

/** Runs a program to its end on an input; one that is not there fails. `text` is what it says on both outputs. */
export async function runProgram(
  program: string,
  args: readonly string[],
  { input = "", ...options }: {
    readonly cwd?: string;
    readonly env?: Record<string, string>;
    readonly input?: string;
  } = {},
): Promise<{ success: boolean; text: string; stdout: string }> {
  try {
    const command = new Deno.Command(program, { args: [...args], ...options, ...PIPED });
    await using process = command.spawn();
    const [output] = await Promise.all([process.output(), write(process.stdin, input)]);
    const [stdout, stderr] = [output.stdout, output.stderr].map((bytes) => new TextDecoder().decode(bytes));
    return { success: output.success, text: `${stdout}${stderr}`, stdout: stdout ?? "" };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return { success: false, text: `there is no program ${program}`, stdout: "" };
  }
}

const PIPED = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;

/** Writes all of an input; a program that does not read it may close it before. */
async function write(stdin: WritableStream<Uint8Array>, input: string): Promise<void> {
  const isClosed = (error: unknown) => error instanceof Deno.errors.BrokenPipe;
  await new Blob([input]).stream().pipeTo(stdin).catch((error) => {
    if (!isClosed(error)) throw error;
  });
}
