/**
 * Servers that are newer than the system's own, from the packages of Debian's unstable suite: unpacked into the cache
 * folder with every library that they need, and started with these. Nothing is installed.
 *
 * @module
 */
import { join } from "node:path";
import { keptProgram, programFolder, runProgram } from "../support/programs.ts";

/** A folder of unpacked packages. */
export interface Unpacked {
  /** The root of the packages' file system. */
  readonly root: string;
  /** A program of them with arguments, such as `usr/sbin/mysqld`; it needs no library of this system. */
  command(program: string, args: readonly string[]): readonly [program: string, args: readonly string[]];
}

/** Unpacks packages once; `name` is the folder that keeps them. */
export async function sidPackages(name: string, packages: readonly string[]): Promise<Unpacked> {
  const folder = await programFolder();
  const root = join(folder, name);
  await keptProgram(`${name}.ready`, async (_folder, ready) => {
    await unpack(root, packages);
    await Deno.writeTextFile(ready, `${packages.join(" ")}\n`);
  });
  const lib = join(root, "usr/lib/x86_64-linux-gnu");
  return {
    root,
    command: (program, args) => [
      join(root, "usr/lib64/ld-linux-x86-64.so.2"),
      ["--library-path", lib, join(root, program), ...args],
    ],
  };
}

/** Downloads packages and all that they depend on, by apt with lists of its own and nothing that counts as installed. */
async function unpack(root: string, packages: readonly string[]): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "nightly-marts-sid-" });
  try {
    for (const name of ["lists/partial", "cache/archives/partial"]) {
      await Deno.mkdir(join(folder, name), { recursive: true });
    }
    await Deno.writeTextFile(join(folder, "status"), "");
    await Deno.writeTextFile(
      join(folder, "sources.list"),
      `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${await findMirror()} sid main\n`,
    );
    const options = [
      `Dir::Etc::sourcelist=${folder}/sources.list`,
      "Dir::Etc::sourceparts=/dev/null",
      `Dir::State::lists=${folder}/lists`,
      `Dir::State::status=${folder}/status`,
      `Dir::Cache=${folder}/cache`,
      "APT::Install-Recommends=0",
      "APT::Sandbox::User=root",
    ].flatMap((option) => ["-o", option]);
    await step("apt-get", ["-qq", ...options, "update"]);
    await step("apt-get", ["-qq", ...options, "-y", "--download-only", "install", ...packages]);
    await Deno.mkdir(root, { recursive: true });
    const archives = join(folder, "cache/archives");
    for (const { name } of Deno.readDirSync(archives)) {
      if (name.endsWith(".deb")) await step("dpkg-deb", ["--extract", join(archives, name), root]);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The archive that this system takes its own packages from. */
async function findMirror(): Promise<string> {
  const args = ["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"];
  const { stdout, text } = await runProgram("apt-get", args);
  const mirror = stdout.split("\n").find((uri) => /\/debian\/?$/.test(uri));
  if (mirror !== undefined) return mirror;
  throw new Error(`apt-get knows no archive of Debian, from which the tests take newer servers: ${text}`);
}

async function step(program: string, args: readonly string[]): Promise<void> {
  const { success, text } = await runProgram(program, args);
  if (success) return;
  throw new Error(
    "The tests take newer servers from Debian's packages, which needs root on a Debian with the package " +
      `debian-archive-keyring. ${program} ${args.join(" ")} failed: ${text.slice(-2000)}`,
  );
}
