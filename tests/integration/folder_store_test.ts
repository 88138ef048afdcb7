/**
 * The folder store across file systems; Deno gives `/dev/shm` only to who may do everything, as the tests here may.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { openFolderStore } from "../../lib/store/folder/store.ts";
import { removeAtEnd } from "../support/ending.ts";

Deno.test("put() copies a local file, when it is on another file system", async () => {
  const root = await Deno.makeTempDir();
  const file = await Deno.makeTempFile({ dir: "/dev/shm" });
  try {
    assert.notEqual((await Deno.stat(root)).dev, (await Deno.stat(file)).dev, "both are on one file system");
    await Deno.writeTextFile(file, "rows");
    await using store = await openFolderStore(root, Date.now);
    const put = await store.put("a/k", { file });
    assert.equal(await Deno.readTextFile(join(root, "a/k")), "rows");
    assert.deepEqual(await store.head("a/k"), put);
  } finally {
    await removeAtEnd(root);
    await removeAtEnd(file);
  }
});
