/**
 * What every object store must do, as cases that run on any of them.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import pMap from "p-map";
import {
  isVersion,
  LIST_PAGE_SIZE,
  ObjectError,
  type ObjectFault,
  type ObjectReason,
  type ObjectStore,
  type ObjectVersion,
} from "../../lib/store/store.ts";
import { removeAtEnd } from "../support/ending.ts";

/** An empty store of its own for one case. */
export interface StoreUnderTest extends AsyncDisposable {
  readonly store: ObjectStore;
  /** Puts an object as another program would, without the instance under test. */
  writeBehind(key: string, bytes: Uint8Array): Promise<void>;
}

/** Registers the cases for one kind of store. */
export function testObjectStore(kind: string, open: () => Promise<StoreUnderTest>): void {
  /** Registers a case that gets an empty store. */
  function test(name: string, body: (under: StoreUnderTest) => Promise<void>): void {
    Deno.test(`${kind}: ${name}`, async () => {
      await using under = await open();
      await body(under);
    });
  }

  test("put() writes what head(), get() and list() then give, when the key is new", async ({ store }) => {
    const written = await put(store, "sales_data/a.csv", "customer_id\n1\n");
    assert.equal(written.key, "sales_data/a.csv");
    assert.equal(written.sizeBytes, 14);
    const age = Date.now() - Date.parse(written.lastModified);
    assert.ok(age > -60_000 && age < 60_000, `lastModified is ${written.lastModified}`);
    assert.match(written.lastModified, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
    assert.deepEqual(await store.head("sales_data/a.csv"), written);
    assert.deepEqual(await listAll(store, "sales_data/"), [written]);
    assert.equal(await read(store, written), "customer_id\n1\n");
  });

  test("put() gives the etag of what it wrote, when the source is a file", async ({ store }) => {
    const file = await Deno.makeTempFile();
    try {
      const bytes = randomBytes(3 * 1024 * 1024 + 1);
      await Deno.writeFile(file, bytes);
      const fromFile = await store.put("from-file", { file });
      const fromBytes = await store.put("from-bytes", { bytes });
      assert.deepEqual(fromFile, await store.head("from-file"));
      assert.deepEqual(fromBytes, await store.head("from-bytes"));
      assert.equal(fromFile?.sizeBytes, bytes.length);
      assert.ok(bytes.equals(await readBytes(store, fromFile!)));
      assert.ok(bytes.equals(await readBytes(store, fromBytes!)));
    } finally {
      await removeAtEnd(file);
    }
  });

  test("put() replaces the object, when the key is taken", async ({ store }) => {
    const first = await put(store, "k", "first");
    const second = await put(store, "k", "other");
    assert.notEqual(second.etag, first.etag);
    assert.deepEqual(await store.head("k"), second);
    assert.equal(await read(store, second), "other");
  });

  test("put() gives the same object, when it is repeated", async ({ store }) => {
    const first = await put(store, "k", "same");
    const second = await put(store, "k", "same");
    assert.equal(second.sizeBytes, first.sizeBytes);
    assert.equal(await read(store, second), "same");
    assert.deepEqual(await listAll(store, ""), [second]);
  });

  test("put() writes an object without bytes, when the source is empty", async ({ store }) => {
    const written = await put(store, "empty", "");
    assert.equal(written.sizeBytes, 0);
    assert.deepEqual(await listAll(store, ""), [written]);
    assert.equal(await read(store, written), "");
    assert.equal(await read(store, await store.copy("empty", "copy", { ifMatch: written.etag })), "");
    await store.delete("empty", { ifMatch: written.etag });
    assert.equal(await store.head("empty"), null);
  });

  test("put() with ifAbsent leaves the object as it is, when the key is taken", async ({ store, writeBehind }) => {
    await writeBehind("k", text("theirs"));
    const theirs = await store.head("k");
    assert.equal(await store.put("k", { bytes: text("mine") }, { ifAbsent: true }), null);
    assert.deepEqual(await store.head("k"), theirs);
    const mine = await store.put("other", { bytes: text("mine") }, { ifAbsent: true });
    assert.deepEqual(await store.head("other"), mine);
  });

  test("put() with ifAbsent lets exactly one win, when ten want the same key", async ({ store }) => {
    for (const key of ["race", "in/a/new/folder/race"]) {
      const writers = Array.from({ length: 10 }, (_, i) => `writer ${i}`);
      const answers = await Promise.all(
        writers.map((name) => store.put(key, { bytes: text(name) }, { ifAbsent: true })),
      );
      const winners = answers.flatMap((answer, i) => answer ? [{ answer, name: writers[i] }] : []);
      assert.equal(winners.length, 1);
      assert.equal(await read(store, winners[0]!.answer), winners[0]!.name);
    }
  });

  test("put() shows one content or the other, when a reader looks all the time", async ({ store }) => {
    const contents = [1, 2].map((byte) => Buffer.alloc(5 * 1024 * 1024, byte));
    await store.put("k", { bytes: contents[0]! });
    let writing = true;
    const writer = (async () => {
      for (let i = 1; i <= 12; i++) await store.put("k", { bytes: contents[i % 2]! });
      writing = false;
    })();
    let whole = 0;
    while (writing) {
      const seen = await store.head("k");
      assert.ok(seen, "the key is missing while it is replaced");
      assert.equal(seen.sizeBytes, contents[0]!.length);
      try {
        const bytes = await readBytes(store, seen);
        assert.ok(contents.some((content) => content.equals(bytes)), "a mixture was read");
        whole++;
      } catch (error) {
        if (!(error instanceof ObjectError)) throw error;
        assert.equal(error.reason, "changed");
      }
    }
    await writer;
    assert.ok(whole > 0, "nothing was read while it was replaced");
  });

  test("head() gives null, when there is no such object", async ({ store }) => {
    await put(store, "folder/k", "x");
    for (const key of ["k", "folder", "folder/k/below", "fold", "folder/k2"]) {
      assert.equal(await store.head(key), null, key);
    }
  });

  test("head() gives another etag, when the content has changed", async ({ store, writeBehind }) => {
    const first = await put(store, "k", "first");
    await writeBehind("k", text("other"));
    const second = await store.head("k");
    assert.notEqual(second?.etag, first.etag);
  });

  test("get() fails, when the object is not that version", async ({ store, writeBehind }) => {
    const old = await put(store, "k", "first");
    await writeBehind("k", text("other"));
    await rejects("changed", () => read(store, old));
    await writeBehind("k", text("much longer than the first"));
    await rejects("changed", () => read(store, old));
    await rejects("vanished", () => read(store, { ...old, key: "missing" }));
    await rejects("vanished", () => read(store, { ...old, key: "k/below" }));
  });

  test("get() streams in several chunks that stay as they are, when the object is large", async ({ store }) => {
    const bytes = randomBytes(5 * 1024 * 1024 + 17);
    const written = await store.put("large", { bytes });
    const chunks = await Array.fromAsync(await store.get("large", { ifMatch: written!.etag }));
    assert.ok(chunks.length > 1);
    assert.ok(chunks.every((chunk) => chunk.length <= 1024 * 1024));
    assert.ok(bytes.equals(Buffer.concat(chunks)));
  });

  test("get() lets go of the object, when its reader stops", async ({ store }) => {
    const written = await store.put("large", { bytes: randomBytes(3 * 1024 * 1024) });
    const unread = await store.get("large", { ifMatch: written!.etag });
    await unread.cancel();
    const begun = (await store.get("large", { ifMatch: written!.etag })).getReader();
    await begun.read();
    await begun.cancel();
    await store.delete("large", { ifMatch: written!.etag });
    assert.equal(await store.head("large"), null);
  });

  test("copy() gives the same content under another key, and replaces what is there", async ({ store }) => {
    const source = await put(store, "from/a.csv", "content");
    await put(store, "to/b.csv", "what was there");
    for (const to of ["to/b.csv", "to/new/c.csv", "to/b.csv"]) {
      const copied = await store.copy("from/a.csv", to, { ifMatch: source.etag });
      assert.equal(copied.sizeBytes, source.sizeBytes);
      assert.deepEqual(copied, await store.head(to));
      assert.equal(await read(store, copied), "content");
    }
    assert.deepEqual(await store.head("from/a.csv"), source);
  });

  test("copy() writes nothing, when the source is not that version", async ({ store, writeBehind }) => {
    const old = await put(store, "k", "first");
    await writeBehind("k", text("other"));
    await rejects("changed", () => store.copy("k", "copy", { ifMatch: old.etag }));
    await rejects("vanished", () => store.copy("missing", "copy", { ifMatch: old.etag }));
    assert.equal(await store.head("copy"), null);
    const kept = await put(store, "copy", "kept");
    await rejects("changed", () => store.copy("k", "copy", { ifMatch: old.etag }));
    assert.deepEqual(await store.head("copy"), kept);
  });

  test("delete() deletes the object, and succeeds again when it is gone", async ({ store }) => {
    const { etag, lastModified } = await put(store, "folder/k", "x");
    const beside = await put(store, "folder/k2", "x");
    for (let i = 0; i < 2; i++) {
      await store.delete("folder/k", { ifMatch: etag, lastModified });
      assert.equal(await store.head("folder/k"), null);
    }
    await store.delete("never/was", { ifMatch: etag });
    await store.delete("folder/k2/below", { ifMatch: etag });
    assert.deepEqual(await listAll(store, ""), [beside]);
  });

  test("delete() keeps the object, when it is not that version", async ({ store, writeBehind }) => {
    const old = await put(store, "k", "first");
    await writeBehind("k", text("other"));
    await rejects("changed", () => store.delete("k", { ifMatch: old.etag }));
    const now = await store.head("k");
    assert.ok(now);
    const lastModified = "2001-02-03T04:05:06.000000000Z";
    await rejects("changed", () => store.delete("k", { ifMatch: now.etag, lastModified }));
    assert.deepEqual(await store.head("k"), now);
  });

  test("delete() keeps the object, when it was written anew with the same content", async (under) => {
    const { store, writeBehind } = under;
    const old = await put(store, "k", "same");
    // S3 keeps times in whole seconds.
    let now = old;
    while (now.lastModified === old.lastModified) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      await writeBehind("k", text("same"));
      now = (await store.head("k"))!;
    }
    assert.equal(now.etag, old.etag);
    await rejects("changed", () => store.delete("k", { ifMatch: old.etag, lastModified: old.lastModified }));
    assert.deepEqual(await store.head("k"), now);
    await store.delete("k", { ifMatch: old.etag });
    assert.equal(await store.head("k"), null);
  });

  test("list() gives nothing, when nothing has the prefix", async ({ store }) => {
    await put(store, "sales_data/a.csv", "x");
    const without = [
      "missing/",
      "sales_data/b",
      "sales_data/a.csv/",
      "sales_data//",
      "/",
      "/sales_data/",
      "S",
    ];
    for (const prefix of [...without, "./", "../", "sales_data/../", "sales_data/./"]) {
      assert.deepEqual(await Array.fromAsync(store.list(prefix)), [], prefix);
    }
  });

  test("list() gives all keys that begin with the prefix, when it ends within a name", async ({ store }) => {
    const keys = ["a", "ab", "abc/d", "abd", "b/ab", "sales_data/a.csv", "sales_data_processed/a.csv"];
    for (const key of keys) await put(store, key, key);
    for (const prefix of ["", "a", "ab", "abc", "abc/", "abc/d", "b/a", "sales_data", "sales_data/", "s"]) {
      const expected = keys.filter((key) => key.startsWith(prefix));
      assert.deepEqual((await listAll(store, prefix)).map((entry) => entry.key), expected, prefix);
    }
  });

  test("list() orders by the bytes of the whole key, and pages, when there are 2,500", async (under) => {
    const { store, writeBehind } = under;
    // The first ones tell whole keys from names, and UTF-8 from UTF-16.
    const tricky = ["a.csv", "a/b.csv", "a/b/c", "a0", "a-b", "Z", "\u00e9", "\uff5e/a", "\u{1f600}"];
    const many = Array.from({ length: 2_500 - tricky.length }, (_, i) => `d${i % 7}${"/.-"[i % 3]}${i}.csv`);
    const keys = [...tricky, ...many];
    await pMap(keys, (key) => writeBehind(key, text(key)), { concurrency: 16 });
    const expected = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

    const pages = await Array.fromAsync(store.list(""));
    assert.deepEqual(pages.flat().map((entry) => entry.key), expected);
    assert.ok(pages.every((page) => page.length > 0 && page.length <= LIST_PAGE_SIZE));
    assert.ok(pages.length > 2);
    const inFolder = expected.filter((key) => key.startsWith("d3/"));
    assert.deepEqual((await listAll(store, "d3/")).map((entry) => entry.key), inFolder);
    const sample = pages[1]![17]!;
    assert.ok(isVersion(sample));
    assert.equal(await read(store, sample), sample.key);
  });

  for (const [what, key] of ODD_KEYS) {
    test(`every operation takes the key as it is, when it has ${what}`, async ({ store }) => {
      const written = await put(store, key, what);
      assert.equal(written.key, key);
      assert.deepEqual(await store.head(key), written);
      assert.deepEqual(await listAll(store, ""), [written]);
      assert.deepEqual(await listAll(store, key), [written]);
      assert.equal(await read(store, written), what);
      const copied = await store.copy(key, `copies/${key}`, { ifMatch: written.etag });
      assert.deepEqual(await listAll(store, "copies/"), [copied]);
      assert.equal(await read(store, copied), what);
      await store.delete(key, { ifMatch: written.etag });
      assert.deepEqual(await listAll(store, ""), [copied]);
    });
  }

  test("sweep() deletes what is under the prefix and nothing else, also when it is repeated", async ({ store }) => {
    const kept = ["_staging/RUN-2/a", "_staging/RUN-10/a", "sales_data/a.csv"];
    const swept = ["_staging/RUN-1/a", "_staging/RUN-1/b/c", "_staging/RUN-1/b/d/e.parquet"];
    for (const key of [...kept, ...swept]) await put(store, key, key);
    for (let i = 0; i < 2; i++) {
      await store.sweep("_staging/RUN-1/");
      assert.deepEqual((await listAll(store, "")).map((entry) => entry.key), kept.toSorted());
    }
    await store.sweep("_staging/RUN");
    assert.deepEqual((await listAll(store, "")).map((entry) => entry.key), ["sales_data/a.csv"]);
    for (const prefix of ["missing/", "sales_data/a.csv/", "../", "sales_data//"]) await store.sweep(prefix);
    assert.deepEqual((await listAll(store, "")).map((entry) => entry.key), ["sales_data/a.csv"]);
    await put(store, "_staging/RUN-1/a", "again");
    await store.sweep("");
    assert.deepEqual(await listAll(store, ""), []);
  });

  test("sweep() leaves other writes alone, when they run beside it", async ({ store }) => {
    const keys = Array.from({ length: 40 }, (_, i) => `_staging/NEW/${i % 4}/${i}`);
    await Promise.all([
      pMap(keys, (key) => put(store, key, key), { concurrency: 4 }),
      pMap(keys, (_, i) => store.sweep(`_staging/OLD-${i}/`), { concurrency: 2 }),
    ]);
    assert.deepEqual((await listAll(store, "")).map((entry) => entry.key), keys.toSorted());
  });
}

/** Keys that a shell, a URL, XML, a file system or a careless comparison could spoil. */
const ODD_KEYS: readonly (readonly [what: string, key: string])[] = [
  ["blanks", "a folder/ file .csv "],
  ["quotes", `it's "quoted" \`here\`.csv`],
  ["percent signs", "100%/%2F%41.csv"],
  ["plus signs", "a+b/c d+e.csv"],
  ["a fragment and a query", "a#b?c=d&e;f.csv"],
  ["markup", "<a>&amp;</a>.csv"],
  ["a backslash", "a\\b\\..\\c.csv"],
  ["shell wildcards", "*?[a]{b}~$HOME.csv"],
  ["a line end", "line\nend\r.csv"],
  ["accents, composed and combining", "\u00e9-e\u0301.csv"],
  ["characters beyond 16 bits", "\u{1f600}/\u{20000}.csv"],
  ["a replacement character", "\ufffd.csv"],
  ["dots", "...a/..b/.c/d..csv"],
  ["an equals sign", "run_id=RUN/sales_month=2023-03/part-0.parquet"],
  ["a segment of 255 bytes", `${"\u00e9".repeat(127)}x/y`],
];

/** Runs `act`, which must fail with an `ObjectError` of this reason; `what` says which case it is. */
export async function rejects(
  reason: ObjectReason,
  act: () => Promise<unknown>,
  what = "",
): Promise<ObjectError> {
  try {
    await act();
  } catch (error) {
    assert.ok(error instanceof ObjectError, `${what} failed with ${error}`);
    assert.equal(error.reason, reason, what);
    return error;
  }
  assert.fail(`${what} did not fail with ${reason}`);
}

/** Puts a text under a key. */
export async function put(store: ObjectStore, key: string, content: string): Promise<ObjectVersion> {
  const written = await store.put(key, { bytes: text(content) });
  assert.ok(written);
  return written;
}

/** The bytes of one version. */
export async function readBytes(store: ObjectStore, { key, etag }: ObjectVersion): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(await store.get(key, { ifMatch: etag })));
}

/** The content of one version, as text. */
export async function read(store: ObjectStore, version: ObjectVersion): Promise<string> {
  return (await readBytes(store, version)).toString();
}

/** All pages of a listing as one. */
export async function listAll(
  store: ObjectStore,
  prefix: string,
): Promise<(ObjectVersion | ObjectFault)[]> {
  return (await Array.fromAsync(store.list(prefix))).flat();
}

/** The UTF-8 bytes of a text. */
export function text(content: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(content);
}

function randomBytes(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  // The most that one call gives (Web Crypto, section 10.1.1).
  for (let i = 0; i < length; i += 65_536) crypto.getRandomValues(bytes.subarray(i, i + 65_536));
  return bytes;
}
