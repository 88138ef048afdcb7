import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { AccessError, ConfigError } from "../../../lib/errors.ts";
import { openFolderStore } from "../../../lib/store/folder/store.ts";
import { isVersion } from "../../../lib/store/store.ts";
import { end, removeAtEnd } from "../../support/ending.ts";
import { listAll, put, read, rejects, testObjectStore, text } from "../conformance.ts";

testObjectStore("folder", openTemporary);

/** A store in a new temporary folder, which goes when the store does. */
async function openTemporary(nowMs: () => number = Date.now) {
  const root = await Deno.realPath(await Deno.makeTempDir({ prefix: "folder-store-" }));
  const store = await openFolderStore(root, nowMs);
  return {
    root,
    store,
    /** As people are told to deliver a file: under another name, then renamed. */
    async writeBehind(key: string, bytes: Uint8Array) {
      const path = join(root, key);
      await Deno.mkdir(dirname(path), { recursive: true });
      const part = join(root, `${crypto.randomUUID()}.part`);
      await Deno.writeFile(part, bytes);
      await Deno.rename(part, path);
    },
    async [Symbol.asyncDispose]() {
      await end(() => store[Symbol.asyncDispose]());
      await removeAtEnd(root);
    },
  };
}

/** More than is read at once, in one thread: reading it can be watched. */
const LARGE_BYTES = 128 * 1024;

/** Does something before each large file is read, until it is disposed of. */
function beforeReading(act: () => unknown): Disposable {
  const { read } = Deno.FsFile.prototype;
  const begun = new WeakSet<Deno.FsFile>();
  Deno.FsFile.prototype.read = async function (buffer) {
    const isFirst = !begun.has(this);
    begun.add(this);
    if (isFirst) await act();
    return await read.call(this, buffer);
  };
  return { [Symbol.dispose]: () => void (Deno.FsFile.prototype.read = read) };
}

/** Names of what is in a folder, hidden or not. */
async function namesIn(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder))).map((entry) => entry.name).sort();
}

async function shell(folder: string, script: string): Promise<void> {
  const { success, stderr } = await new Deno.Command("sh", { args: ["-ec", script], cwd: folder }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
}

Deno.test("openFolderStore() says what to do, when the folder is missing", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(join(folder, "file"), "");
    for (const path of [join(folder, "missing"), join(folder, "file"), join(folder, "file", "below")]) {
      await assert.rejects(openFolderStore(path, Date.now), (error) => {
        assert.ok(error instanceof ConfigError);
        assert.equal(error.code, "store_missing");
        assert.ok(error.message.includes(path));
        assert.match(error.message, /mkdir.*deno task demo/);
        return true;
      });
    }
  } finally {
    await removeAtEnd(folder);
  }
});

Deno.test("openFolderStore() follows a symlink, when the root itself is one", async () => {
  await using under = await openTemporary();
  const link = `${under.root}-link`;
  await Deno.symlink(under.root, link);
  try {
    await using store = await openFolderStore(link, Date.now);
    assert.equal(store.name, under.root);
    const written = await put(store, "k", "x");
    assert.deepEqual(await under.store.head("k"), written);
  } finally {
    await removeAtEnd(link);
  }
});

Deno.test("head() gives SHA-256 and the time in milliseconds, when a file was copied in", async () => {
  await using under = await openTemporary();
  await under.writeBehind("a.csv", text("x"));
  for (
    const [time, expected] of [
      ["2023-04-01T02:00:00.123Z", "2023-04-01T02:00:00.123Z"],
      ["1969-12-31T23:59:59.500Z", "1969-12-31T23:59:59.500Z"],
    ] as const
  ) {
    await Deno.utime(join(under.root, "a.csv"), new Date(time), new Date(time));
    assert.deepEqual(await under.store.head("a.csv"), {
      key: "a.csv",
      etag: createHash("sha256").update("x").digest("hex"),
      sizeBytes: 1,
      lastModified: expected,
    });
  }
});

const REFUSED_KEYS = [
  "",
  "/",
  "/etc/passwd",
  "a/",
  "a//b",
  ".",
  "..",
  "../outside",
  "a/../../outside",
  "a/./b",
  "a/..",
  "nul\0",
  "lone surrogate \ud800",
  "x".repeat(256),
  `${"\u00e9".repeat(128)}/y`,
  "deep/".repeat(1000) + "x",
  ".nightly-marts",
  ".nightly-marts/x",
];

Deno.test("every operation refuses the key, when it has no place in the folder", async () => {
  await using under = await openTemporary();
  const { store } = under;
  const { etag } = await put(store, "k", "x");
  for (const key of REFUSED_KEYS) {
    const label = JSON.stringify(key.slice(0, 40));
    const error = await rejects("unhandled_key", () => put(store, key, "x"), label);
    assert.equal(error.key, key);
    await rejects("unhandled_key", () => store.head(key), label);
    await rejects("unhandled_key", () => store.get(key, { ifMatch: etag }), label);
    await rejects("unhandled_key", () => store.copy("k", key, { ifMatch: etag }), label);
    await rejects("unhandled_key", () => store.copy(key, "k2", { ifMatch: etag }), label);
    await rejects("unhandled_key", () => store.delete(key, { ifMatch: etag }), label);
  }
  assert.deepEqual((await listAll(store, "")).map((entry) => entry.key), ["k"]);
  assert.deepEqual(await namesIn(join(under.root, "..", "outside")).catch(() => "nothing"), "nothing");
});

Deno.test("put() refuses the key, when a folder or a file is in its way", async () => {
  await using under = await openTemporary();
  const { store } = under;
  const { etag } = await put(store, "folder/k", "x");
  for (const key of ["folder", "folder/k/below", "folder/k/far/below"]) {
    await rejects("unhandled_key", () => put(store, key, "x"));
    await rejects("unhandled_key", () => store.put(key, { bytes: text("x") }, { ifAbsent: true }));
    await rejects("unhandled_key", () => store.copy("folder/k", key, { ifMatch: etag }));
  }
  assert.deepEqual((await listAll(store, "")).map((entry) => entry.key), ["folder/k"]);
  assert.deepEqual(await namesIn(join(under.root, ".nightly-marts")), []);
});

Deno.test("every operation refuses a symlink, wherever in the path it is and wherever it leads", async () => {
  await using under = await openTemporary();
  await using outside = await openTemporary();
  const { root, store } = under;
  await outside.writeBehind("secret.csv", text("secret"));
  const { etag } = await put(store, "inside/real.csv", "secret");
  await Deno.symlink(outside.root, join(root, "out"));
  await Deno.symlink(join(outside.root, "secret.csv"), join(root, "inside", "out.csv"));
  await Deno.symlink("real.csv", join(root, "inside", "in.csv"));
  await Deno.symlink("nowhere", join(root, "inside", "dangling"));
  const keys = ["out", "out/secret.csv", "out/new/x", "inside/out.csv", "inside/in.csv", "inside/dangling"];
  for (const key of [...keys, "inside/dangling/x"]) {
    await rejects("unhandled_key", () => store.head(key), key);
    await rejects("unhandled_key", () => store.get(key, { ifMatch: etag }), key);
    await rejects("unhandled_key", () => store.copy(key, "k", { ifMatch: etag }), key);
    await rejects("unhandled_key", () => store.copy("inside/real.csv", key, { ifMatch: etag }), key);
    await rejects("unhandled_key", () => store.delete(key, { ifMatch: etag }), key);
    await rejects("unhandled_key", () => put(store, key, "x"), key);
    await rejects("unhandled_key", () => store.put(key, { bytes: text("x") }, { ifAbsent: true }), key);
  }
  const entries = (await listAll(store, "")).map((entry) => [entry.key, isVersion(entry) || entry.reason]);
  assert.deepEqual(entries, [
    ["inside/dangling", "unhandled_key"],
    ["inside/in.csv", "unhandled_key"],
    ["inside/out.csv", "unhandled_key"],
    ["inside/real.csv", true],
    ["out", "unhandled_key"],
  ]);
  assert.deepEqual(await listAll(store, "out/"), [{ key: "out/", reason: "unhandled_key" }]);
  assert.deepEqual(await listAll(store, "out/sec"), [{ key: "out/sec", reason: "unhandled_key" }]);
  await rejects("unhandled_key", () => store.sweep("out/"));
  await store.sweep("inside/");
  await store.sweep("ou");
  assert.deepEqual(await namesIn(root), []);
  assert.deepEqual(await namesIn(outside.root), ["secret.csv"]);
});

Deno.test("list() gives faults in their place, when names or kinds cannot be objects", async () => {
  await using under = await openTemporary();
  const { root, store } = under;
  await shell(
    root,
    `mkfifo a-fifo
    mkdir dir
    printf x > "$(printf 'dir/bad\\377')"
    printf x > "$(printf 'dir/bad\\376')"
    printf x > "$(printf 'dir/bad\\357\\277\\275')"
    mkdir "$(printf 'no\\377folder')"
    printf x > "$(printf 'no\\377folder/x')"
    printf x > z.csv`,
  );
  const found = (await listAll(store, "")).map((entry) => [entry.key, isVersion(entry) || entry.reason]);
  assert.deepEqual(found, [
    ["a-fifo", "unhandled_key"],
    ["dir/bad\ufffd", true],
    ["dir/bad\ufffd", "unhandled_key"],
    ["dir/bad\ufffd", "unhandled_key"],
    ["no\ufffdfolder/", "unhandled_key"],
    ["z.csv", true],
  ]);
  await rejects("unhandled_key", () => store.head("a-fifo"));
  await rejects("unhandled_key", () => store.get("a-fifo", { ifMatch: "x" }));
  await rejects("unhandled_key", () => put(store, "a-fifo", "x"));
  await store.sweep("dir/");
  assert.deepEqual(await namesIn(root), ["a-fifo", "no\ufffdfolder", "z.csv"]);
  await store.sweep("");
  assert.deepEqual((await namesIn(root)).filter((name) => name !== "no\ufffdfolder"), []);
});

Deno.test("list() leaves out what has vanished, when files go while it is read", async () => {
  await using under = await openTemporary();
  await shell(under.root, "seq 1000 2499 | xargs touch");
  const keys: string[] = [];
  for await (const page of under.store.list("")) {
    if (keys.length === 0) await shell(under.root, "rm 2[0-3]*");
    keys.push(...page.map((entry) => entry.key));
  }
  const left = Array.from({ length: 1500 }, (_, i) => `${1000 + i}`).filter((key) => !/^2[0-3]/.test(key));
  assert.deepEqual(keys, left);
});

Deno.test("list() gives a fault and then another etag, when a file grows and then stops", async () => {
  await using under = await openTemporary();
  const { root, store } = under;
  const path = join(root, "growing.csv");
  await Deno.writeFile(path, new Uint8Array(LARGE_BYTES));
  const [before] = await listAll(store, "");
  assert.ok(before && isVersion(before));
  {
    using _ = beforeReading(() => Deno.writeTextFile(path, "x", { append: true }));
    await Deno.writeTextFile(path, "x", { append: true });
    assert.deepEqual(await listAll(store, ""), [{ key: "growing.csv", reason: "changed" }]);
    await rejects("changed", () => store.head("growing.csv"));
    await rejects("changed", () => store.delete("growing.csv", { ifMatch: before.etag }));
  }
  const [after] = await listAll(store, "");
  assert.ok(after && isVersion(after));
  assert.notEqual(after.etag, before.etag);
  await rejects("changed", () => read(store, before));
});

Deno.test("get() fails at its end, when the file changes under the reader", async () => {
  const changes: Record<string, (path: string) => Promise<void>> = {
    "appended to": (path) => Deno.writeTextFile(path, "x", { append: true }),
    "cut off": (path) => Deno.truncate(path, 2 * 1024 * 1024),
    "overwritten": async (path) => {
      using file = await Deno.open(path, { write: true });
      await file.seek(-1, Deno.SeekMode.End);
      await file.write(text("x"));
    },
    "touched": (path) => Deno.utime(path, 1, 1),
  };
  for (const [what, change] of Object.entries(changes)) {
    await using under = await openTemporary();
    const bytes = new Uint8Array(3 * 1024 * 1024);
    const written = await under.store.put("k", { bytes });
    const reader = (await under.store.get("k", { ifMatch: written!.etag })).getReader();
    assert.ok((await reader.read()).value, what);
    await change(join(under.root, "k"));
    await rejects("changed", async () => {
      while (!(await reader.read()).done);
    }, what);
  }
});

Deno.test("get() gives the version that was asked for, when another takes its place meanwhile", async () => {
  await using under = await openTemporary();
  const old = (await under.store.put("k", { bytes: new Uint8Array(3 * 1024 * 1024) }))!;
  const reader = (await under.store.get("k", { ifMatch: old.etag })).getReader();
  let length = (await reader.read()).value!.length;
  await put(under.store, "k", "new");
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
    length += chunk.value.length;
  }
  assert.equal(length, old.sizeBytes);
});

Deno.test("get() closes the file, when it was read, could not be read, or is not wanted any more", async () => {
  await using under = await openTemporary();
  const { etag } = (await under.store.put("k", { bytes: new Uint8Array(2 * 1024 * 1024) }))!;
  const openFiles = async () => {
    const { stdout } = await new Deno.Command("ls", { args: ["-l", `/proc/${Deno.pid}/fd`] }).output();
    return new TextDecoder().decode(stdout).split("\n").filter((line) => line.includes(under.root)).length;
  };
  const uses: Record<string, (stream: ReadableStream) => Promise<unknown>> = {
    read: (stream) => Array.fromAsync(stream),
    cancelled: (stream) => stream.cancel(),
    left: async (stream) => {
      for await (const _ of stream) break;
    },
    failed: async (stream) => {
      await Deno.truncate(join(under.root, "k"), 1024 * 1024);
      await rejects("changed", () => Array.fromAsync(stream));
    },
  };
  for (const [what, use] of Object.entries(uses)) {
    const stream = await under.store.get("k", { ifMatch: etag });
    assert.equal(await openFiles(), 1, what);
    await use(stream);
    assert.equal(await openFiles(), 0, what);
  }
});

Deno.test("get() fails before it reads, when what is known of the file tells enough", async () => {
  await using under = await openTemporary();
  const old = await put(under.store, "k", "first");
  await Deno.writeTextFile(join(under.root, "k"), "longer than the first");
  await rejects("changed", () => under.store.get("k", { ifMatch: old.etag }));
  await put(under.store, "k", "other");
  await rejects("changed", () => under.store.get("k", { ifMatch: old.etag }));
});

Deno.test("delete() keeps the new file, when it takes the old one's place while that is hashed", async () => {
  // By this clock every file is too new for its hash to be kept.
  await using under = await openTemporary(() => 0);
  await under.writeBehind("k", new Uint8Array(LARGE_BYTES));
  const old = (await under.store.head("k"))!;
  {
    using _ = beforeReading(() => under.writeBehind("k", text("new")));
    await rejects("changed", () => under.store.delete("k", { ifMatch: old.etag }));
  }
  assert.equal(await Deno.readTextFile(join(under.root, "k")), "new");
});

Deno.test("list() hashes again, when a file is written anew with the same size and time", async () => {
  await using under = await openTemporary();
  const path = join(under.root, "k");
  const time = new Date("2023-04-01T02:00:00Z");
  const etags = new Set<string>();
  for (const content of ["one", "two", "six", "ten"]) {
    await Deno.writeTextFile(path, content);
    await Deno.utime(path, time, time);
    const [found] = await listAll(under.store, "");
    assert.ok(found && isVersion(found));
    etags.add(found.etag);
  }
  assert.equal(etags.size, 4);
});

Deno.test("list() does not read the file again, when it has not changed for some time", async () => {
  let ageMs = 0;
  await using under = await openTemporary(() => Date.now() + ageMs);
  await under.writeBehind("k", new Uint8Array(LARGE_BYTES));
  let readings = 0;
  using _ = beforeReading(() => readings++);
  for (const [age, expected] of [[-10_000, 1], [-10_000, 2], [10_000, 3], [10_000, 3]] as const) {
    ageMs = age;
    await listAll(under.store, "");
    assert.equal(readings, expected);
  }
});

Deno.test("put() tells why it failed, when what it has written cannot be removed either", async () => {
  await using under = await openTemporary();
  const { write } = Deno.FsFile.prototype, { remove } = Deno;
  const failing = (code: string) => () => Promise.reject(Object.assign(new Error(code), { code }));
  Deno.FsFile.prototype.write = failing("ENOSPC");
  Deno.remove = failing("EROFS");
  try {
    await assert.rejects(under.store.put("k", { bytes: new Uint8Array(LARGE_BYTES) }), { code: "disk_full" });
  } finally {
    Deno.FsFile.prototype.write = write;
    Deno.remove = remove;
  }
  await under.store.sweep("_staging/");
  assert.deepEqual(await namesIn(under.root), []);
});

Deno.test("delete() leaves folders alone, when it has deleted the last object in one", async () => {
  await using under = await openTemporary();
  const { etag } = await put(under.store, "sales_data/2023/a.csv", "x");
  await under.store.delete("sales_data/2023/a.csv", { ifMatch: etag });
  assert.deepEqual(await namesIn(join(under.root, "sales_data")), ["2023"]);
});

Deno.test("sweep() removes the folders that are left empty, and those that an earlier one left", async () => {
  await using under = await openTemporary();
  const { root, store } = under;
  await put(store, "_staging/deep/RUN-1/a/b", "x");
  await put(store, "_staging/RUN-2/a", "x");
  await store.sweep("_staging/deep/RUN-1/");
  assert.deepEqual(await namesIn(join(root, "_staging")), ["RUN-2"]);
  await store.sweep("_staging/RUN-");
  assert.deepEqual(await namesIn(root), []);
  await Deno.mkdir(join(root, "_staging"));
  await store.sweep("_staging/RUN-3/");
  assert.deepEqual(await namesIn(root), []);
});

Deno.test("dispose() leaves no trace of the store's own folder, when objects were written", async () => {
  await using under = await openTemporary();
  const store = await openFolderStore(under.root, Date.now);
  const { etag } = await put(store, "a", "x");
  await store.copy("a", "b", { ifMatch: etag });
  await store.put("a", { bytes: text("y") }, { ifAbsent: true });
  await rejects("changed", () => store.copy("a", "c", { ifMatch: "other" }));
  assert.deepEqual(await namesIn(join(under.root, ".nightly-marts")), []);
  await store[Symbol.asyncDispose]();
  assert.deepEqual(await namesIn(under.root), ["a", "b"]);
});

Deno.test("sweep() removes what a killed process was writing, and its key was never seen", async () => {
  await using under = await openTemporary();
  // An object that somebody dropped is copied by its bytes, a piece of a megabyte at a time.
  const dropped = join(under.root, "large");
  await Deno.writeFile(dropped, new Uint8Array(3 * 1024 * 1024));
  const { signal, stderr } = await runStore(
    under.root,
    `const { write } = Deno.FsFile.prototype;
    let pieces = 0;
    Deno.FsFile.prototype.write = async function (bytes) {
      if (++pieces === 2) Deno.kill(Deno.pid, "SIGKILL");
      return await write.call(this, bytes);
    };
    await store.copy("large", "sales_data/k", { ifMatch: (await store.head("large")).etag });`,
  ).output();
  assert.equal(signal, "SIGKILL", new TextDecoder().decode(stderr));
  await Deno.remove(dropped);
  const own = join(under.root, ".nightly-marts");
  const [left = "", ...others] = await namesIn(own);
  assert.deepEqual(others, []);
  assert.ok((await Deno.stat(join(own, left))).size > 0, "it was not writing yet");
  assert.equal(await under.store.head("sales_data/k"), null);
  assert.deepEqual(await listAll(under.store, ""), []);
  assert.deepEqual(await listAll(under.store, ".nightly-marts/"), []);
  await under.store.sweep("_staging/RUN/");
  assert.deepEqual(await namesIn(under.root), []);
});

/** What to put before a command so that file modes count for it, also when root runs the tests; `null`: unknown. */
const asAnybody = await (async (): Promise<string[] | null> => {
  const file = await Deno.makeTempFile();
  try {
    await Deno.chmod(file, 0);
    if (await Deno.readFile(file).then(() => false, () => true)) return [];
    // Part of util-linux.
    const [command, flag] = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] as const;
    const { success } = await new Deno.Command(command, { args: [flag, "sh", "-c", '! cat "$0"', file] })
      .output();
    return success ? [command, flag] : null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  } finally {
    await removeAtEnd(file);
  }
})();

Deno.test("operations say who may not do what, when file modes forbid it", {
  ignore: asAnybody === null,
}, async () => {
  await using under = await openTemporary();
  const { root } = under;
  for (const key of ["in/secret.csv", "in/open.csv", "locked/k", "private/k"]) {
    await under.writeBehind(key, text("x"));
  }
  await shell(root, "chmod 000 in/secret.csv private; chmod 555 locked");
  try {
    const { stdout, stderr } = await runStore(
      root,
      `const etag = (await store.head("in/open.csv")).etag;
      const list = async (prefix) => (await Array.fromAsync(store.list(prefix))).flat();
      const attempts = {
        head: () => store.head("in/secret.csv"),
        get: () => store.get("in/secret.csv", { ifMatch: etag }),
        "get below": () => store.get("private/k", { ifMatch: etag }),
        "copy from": () => store.copy("in/secret.csv", "copy", { ifMatch: etag }),
        "copy to": () => store.copy("in/open.csv", "locked/copy", { ifMatch: etag }),
        put: () => store.put("locked/k", { bytes: new Uint8Array(1) }),
        "put file": () => store.put("k", { file: "${root}/in/secret.csv" }),
        delete: () => store.delete("locked/k", { ifMatch: etag }),
        sweep: () => store.sweep("locked/"),
      };
      const answers = {};
      for (const [name, act] of Object.entries(attempts)) {
        await act().catch((error) => answers[name] = [error.name, error.reason, error.message]);
      }
      answers.list = await list("in/");
      answers.lists = await list("private/");
      answers.below = await list("private/x");
      console.log(JSON.stringify(answers));`,
      asAnybody!,
    ).output();
    const { list, lists, below, ...failures } = JSON.parse(
      new TextDecoder().decode(stdout) || new TextDecoder().decode(stderr),
    );
    assert.deepEqual(list.map((entry: { key: string; reason?: string }) => [entry.key, entry.reason]), [
      ["in/open.csv", undefined],
      ["in/secret.csv", "access_denied"],
    ]);
    assert.deepEqual(lists, [{ key: "private/", reason: "access_denied" }]);
    assert.deepEqual(below, [{ key: "private/x", reason: "access_denied" }]);
    const answers = Object.fromEntries(
      Object.entries<string[]>(failures).map(([name, [kind, problem]]) => [name, problem ?? kind]),
    );
    assert.deepEqual(answers, {
      head: "access_denied",
      get: "access_denied",
      "get below": "access_denied",
      "copy from": "access_denied",
      "copy to": AccessError.name,
      put: AccessError.name,
      "put file": AccessError.name,
      delete: "access_denied",
      sweep: AccessError.name,
    });
    assert.match(failures.put[2], /"locked\/k"/);
    assert.ok(failures.put[2].includes(root));
  } finally {
    await shell(root, "chmod -R u+rwX .");
  }
});

/** A process of its own that runs `script` on the store. */
function runStore(root: string, script: string, before: readonly string[] = []): Deno.Command {
  const module = import.meta.resolve("../../../lib/store/folder/store.ts");
  const code = `import { openFolderStore } from ${JSON.stringify(module)};
    await using store = await openFolderStore(${JSON.stringify(root)}, Date.now);
    ${script}`;
  const [command, ...args] = [...before, Deno.execPath(), "eval", code];
  const cwd = fileURLToPath(new URL("../../..", import.meta.url));
  return new Deno.Command(command!, { args, cwd, stdout: "piped", stderr: "piped" });
}

Deno.test("put() keeps a local file by a second link, when it is on the same file system", async () => {
  await using under = await openTemporary();
  await using local = await openTemporary();
  const file = join(local.root, "part.parquet");
  await Deno.writeFile(file, new TextEncoder().encode("rows"));
  const put = await under.store.put("k", { file });
  assert.equal((await Deno.stat(join(under.root, "k"))).ino, (await Deno.stat(file)).ino);
  assert.deepEqual(await under.store.head("k"), put);
});
