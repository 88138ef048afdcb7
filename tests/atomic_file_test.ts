import assert from "node:assert/strict";
import { join } from "node:path";
import { replaceFile, writeFileAtomic } from "../lib/atomic_file.ts";
import { AccessError, UnavailableError } from "../lib/errors.ts";
import { removeAtEnd } from "./support/ending.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);

/** A folder with one file, which holds `old`. */
async function createFile() {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "atomic-" }));
  const path = join(folder, "a.jsonc");
  await Deno.writeTextFile(path, "old");
  const names = async () => (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
  return { folder, path, names, [Symbol.asyncDispose]: () => removeAtEnd(folder) };
}

/** Lets a function of the runtime fail. */
function failing(name: "rename" | "chmod", error: Error): Disposable {
  const original = Deno[name];
  Deno[name] = () => Promise.reject(error);
  return { [Symbol.dispose]: () => void Object.assign(Deno, { [name]: original }) };
}

const replace = (path: string, before = "old") =>
  replaceFile(path, { before: bytesOf(before), after: bytesOf("new") });

const isChanged = (error: unknown) => error instanceof UnavailableError && error.code === "file_changed";

Deno.test("replaceFile() puts the new content in place and leaves mode, owner and other files alone", async () => {
  await using file = await createFile();
  await Deno.chmod(file.path, 0o440);
  // Only the superuser may give files away.
  if ((await Deno.stat(file.path)).uid === 0) await Deno.chown(file.path, 4321, 4322);
  const { uid, gid } = await Deno.stat(file.path);
  const precious = join(file.folder, "precious");
  await Deno.writeTextFile(precious, "not mine");
  await Deno.symlink(precious, `${file.path}.tmp`);
  await replace(file.path);
  assert.equal(await Deno.readTextFile(file.path), "new");
  const after = await Deno.stat(file.path);
  assert.deepEqual([after.mode! & 0o7777, after.uid, after.gid], [0o440, uid, gid]);
  assert.equal(await Deno.readTextFile(precious), "not mine");
  assert.deepEqual(await file.names(), ["a.jsonc", "a.jsonc.tmp", "precious"]);
});

Deno.test("replaceFile() writes nothing, when the file is changed, deleted, or locked by another process", async () => {
  await using file = await createFile();
  await assert.rejects(replace(file.path, "older"), isChanged);
  {
    using held = await Deno.open(file.path);
    await held.lock(true);
    await assert.rejects(replace(file.path), isChanged);
  }
  assert.equal(await Deno.readTextFile(file.path), "old");
  await Deno.remove(file.path);
  await assert.rejects(replace(file.path), isChanged);
  assert.deepEqual(await file.names(), []);
});

Deno.test("replaceFile() writes nothing, when another file took the place before the lock was there", async () => {
  await using file = await createFile();
  const { tryLock } = Deno.FsFile.prototype;
  Deno.FsFile.prototype.tryLock = async function (exclusive) {
    // The same content: only the lock tells that it is another file, which somebody else may hold.
    await Deno.writeTextFile(`${file.path}.other`, "old");
    await Deno.rename(`${file.path}.other`, file.path);
    return await tryLock.call(this, exclusive);
  };
  try {
    await assert.rejects(replace(file.path), isChanged);
  } finally {
    Deno.FsFile.prototype.tryLock = tryLock;
  }
});

Deno.test("replaceFile() lets one of several win and loses nothing, when they come at the same time", async () => {
  await using file = await createFile();
  const writers = Array.from({ length: 8 }, (_, i) => bytesOf(`writer ${i}`));
  const results = await Promise.allSettled(
    writers.map((after) => replaceFile(file.path, { before: bytesOf("old"), after })),
  );
  const won = results.flatMap(({ status }, i) => status === "fulfilled" ? [`writer ${i}`] : []);
  assert.deepEqual(won, [await Deno.readTextFile(file.path)]);
  for (const result of results) if (result.status === "rejected") assert.ok(isChanged(result.reason));
  assert.deepEqual(await file.names(), ["a.jsonc"]);
});

Deno.test("replaceFile() leaves no temporary file, when a step fails, and says what to do", async () => {
  await using file = await createFile();
  const denied = Object.assign(new Deno.errors.PermissionDenied("no"), { code: "EPERM" });
  const busy = Object.assign(new Deno.errors.Busy("busy"), { code: "EBUSY" });
  for (
    const [name, error, says] of [["chmod", denied, /denied/], ["rename", busy, /mount of its own/]] as const
  ) {
    using _ = failing(name, error);
    await assert.rejects(replace(file.path), (thrown) => {
      assert.ok(thrown instanceof AccessError);
      assert.match(thrown.message, says);
      return true;
    });
    assert.deepEqual(await file.names(), ["a.jsonc"]);
  }
  assert.equal(await Deno.readTextFile(file.path), "old");
});

Deno.test("writeFileAtomic() takes over what a crash has left, and leaves nothing when it fails", async () => {
  await using file = await createFile();
  await Deno.writeTextFile(`${file.path}.tmp`, "half of something longer");
  await writeFileAtomic(file.path, "new");
  assert.equal(await Deno.readTextFile(file.path), "new");
  const full = Object.assign(new Error("full"), { code: "ENOSPC" });
  {
    using _ = failing("rename", full);
    await assert.rejects(
      writeFileAtomic(file.path, "newer"),
      (error) => error instanceof UnavailableError && error.code === "disk_full",
    );
  }
  assert.equal(await Deno.readTextFile(file.path), "new");
  assert.deepEqual(await file.names(), ["a.jsonc"]);
});

Deno.test("writeFileAtomic() says that it may work later, when the folder is gone", async () => {
  await using file = await createFile();
  await assert.rejects(writeFileAtomic(join(file.folder, "gone", "a"), "x"), isChanged);
});
