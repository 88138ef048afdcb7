/**
 * A folder's files as a map, for looking at an object store from outside and for comparing before and after.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";

/** Bytes of every file by its path below the folder, with `/` between the segments; hidden files too. */
export type Tree = ReadonlyMap<string, Uint8Array>;

/** Reads a whole folder, ordered by path; a missing folder is empty. */
export async function readTree(folder: string): Promise<Tree> {
  const keys = (await listFiles(folder)).sort();
  return new Map(
    await Promise.all(keys.map(async (key) => [key, await Deno.readFile(join(folder, key))] as const)),
  );
}

/** The paths of all files below a folder, relative to it. */
export async function listFiles(folder: string, below = ""): Promise<string[]> {
  const found: string[] = [];
  try {
    for await (const entry of Deno.readDir(join(folder, below))) {
      if (entry.isDirectory) found.push(...await listFiles(folder, `${below}${entry.name}/`));
      else found.push(below + entry.name);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return found;
}

/** Fails with the paths that are missing, too many or different. */
export function assertSameTree(actual: Tree, expected: Tree, what: string): void {
  const changed: string[] = [];
  for (const [key, bytes] of expected) {
    const found = actual.get(key);
    if (!found) changed.push(`missing: ${key}`);
    else if (Buffer.compare(found, bytes) !== 0) changed.push(`other bytes: ${key}`);
  }
  for (const key of actual.keys()) if (!expected.has(key)) changed.push(`too many: ${key}`);
  assert.deepEqual(changed, [], what);
}
