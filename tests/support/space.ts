/**
 * Wrappers under which a task has little space on the disk.
 *
 * @module
 */
import assert from "node:assert/strict";

/** A wrapper that runs `script` in a mount namespace of its own, whose mounts end with it; the task is `"$@"`. */
export function withMounts(script: string): string[] {
  const user = IS_ROOT ? [] : ["--map-root-user"];
  return ["unshare", "--mount", ...user, "sh", "-ec", script, "sh"];
}

/** A wrapper under which a folder has room for so much: a file system of that size, else a limit for every file. */
export function withLittleSpace(folder: string, kibibytes: number): string[] {
  if (NO_MOUNTS === null) {
    return withMounts(`mount -t tmpfs -o size=${kibibytes}k tmpfs '${folder}'; exec "$@"`);
  }
  const wrapper = ["sh", "-c", `trap '' XFSZ; ulimit -f ${kibibytes}; exec "$@"`, "sh"];
  const reason = whyNot([...wrapper, "true"]);
  assert.equal(reason, null, `this test needs mounts (${NO_MOUNTS}) or ulimit`);
  return wrapper;
}

/** Runs a command; `null` where it succeeds, else why not. */
export function whyNot([program = "", ...args]: string[]): string | null {
  try {
    const { success, stderr } = new Deno.Command(program, { args }).outputSync();
    return success ? null : new TextDecoder().decode(stderr).trim() || `${program} failed`;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return `${program} is not installed`;
    throw error;
  }
}

/** Whether root runs the tests. */
export const IS_ROOT =
  new TextDecoder().decode(new Deno.Command("id", { args: ["-u"] }).outputSync().stdout).trim() === "0";

/** Why this machine allows no mounts; `null` where it does. */
export const NO_MOUNTS = whyNot([...withMounts("mount -t tmpfs tmpfs /mnt"), "true"]);
