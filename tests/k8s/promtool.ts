/**
 * Prometheus' own checker of rules: promtool where it is installed, else the one of Debian's package, unpacked only.
 *
 * @module
 */
import { join } from "node:path";
import { removeAtEnd } from "../support/ending.ts";
import { keptProgram, runProgram } from "../support/programs.ts";

/** Runs it in a folder; gives what it says. */
export async function promtool(folder: string, args: readonly string[]): ReturnType<typeof runProgram> {
  return await runProgram(await findPromtool(), args, { cwd: folder });
}

async function findPromtool(): Promise<string> {
  const { success } = await runProgram("promtool", ["--version"]);
  return success ? "promtool" : await keptProgram("promtool", unpack);
}

/** Installed, the package would start a server. */
async function unpack(_folder: string, program: string): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "nightly-marts-promtool-" });
  try {
    await step(folder, "apt-get", ["download", "prometheus"]);
    const [archive] = [...Deno.readDirSync(folder)];
    await step(folder, "dpkg-deb", ["--extract", archive?.name ?? "", "."]);
    await Deno.copyFile(join(folder, "usr/bin/promtool"), program);
  } finally {
    await removeAtEnd(folder);
  }
}

async function step(cwd: string, program: string, args: readonly string[]): Promise<void> {
  const { success, text } = await runProgram(program, args, { cwd });
  if (success) return;
  throw new Error(
    "The alert tests need promtool: put it on the path, or run apt-get update on a Debian, from whose package they take " +
      `it. ${program} ${args.join(" ")} failed: ${text}`,
  );
}
