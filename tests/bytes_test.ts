/**
 * Writes that take fewer bytes than they are given.
 *
 * @module
 */
import assert from "node:assert/strict";
import { writeAll, writeAllSync } from "../lib/bytes.ts";

/** A file that takes at most so many bytes at a time. */
function slowFile(most: number) {
  const taken: number[] = [];
  const writeSync = (bytes: Uint8Array) => {
    taken.push(...bytes.subarray(0, most));
    return Math.min(most, bytes.length);
  };
  return { taken, writeSync, write: (bytes: Uint8Array) => Promise.resolve(writeSync(bytes)) };
}

Deno.test("writeAll() and writeAllSync() write every byte once, when a write takes fewer", async () => {
  const bytes = Uint8Array.from({ length: 10 }, (_, i) => i);
  for (const most of [1, 3, 10, 11]) {
    const file = slowFile(most), fileSync = slowFile(most);
    await writeAll(file, bytes);
    writeAllSync(fileSync, bytes);
    assert.deepEqual([file.taken, fileSync.taken], [[...bytes], [...bytes]]);
  }
});

Deno.test("writeAll() and writeAllSync() throw what the write throws, when the disk is full", async () => {
  const full = () => {
    throw new Error("full");
  };
  await assert.rejects(writeAll({ write: full }, new Uint8Array(1)), /full/);
  assert.throws(() => writeAllSync({ writeSync: full }, new Uint8Array(1)), /full/);
});
