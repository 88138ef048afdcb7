/**
 * Fetching one source file from a real store: what is whole is on the disk afterwards, and nothing else.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { join } from "node:path";
import process from "node:process";
import { gzipSync } from "node:zlib";
import { type Downloaded, downloadFile, type DownloadOrder } from "../../lib/run/download_file.ts";
import { openFolderStore } from "../../lib/store/folder/store.ts";
import { ObjectError, type ObjectStore } from "../../lib/store/store.ts";
import { removeAtEnd } from "../support/ending.ts";

const MIB = 1024 * 1024;

/** A store with objects that can be downloaded, and where they go. */
interface Delivery {
  readonly store: ObjectStore;
  /** The store's folder. */
  readonly root: string;
  readonly runFolder: string;
  /** Delivers the bytes and downloads them. */
  download(name: string, bytes: Uint8Array, options?: Partial<DownloadOrder>): Promise<Downloaded>;
  /** Downloads what is there. */
  order(name: string, options?: Partial<DownloadOrder>): Promise<Downloaded>;
  /** A downloaded file. */
  read(path: string | null): Promise<Buffer>;
  /** Names in the run's folder of files. */
  left(): Promise<string[]>;
}

async function withDelivery(use: (delivery: Delivery) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "download-file-" });
  const root = join(folder, "store"), runFolder = join(folder, "run");
  try {
    await Deno.mkdir(root);
    await Deno.mkdir(join(runFolder, "files"), { recursive: true });
    await using store = await openFolderStore(root, Date.now);
    let id = 0;
    const order: Delivery["order"] = async (key, options) => {
      const { etag, sizeBytes } = await store.head(key) ?? assert.fail(key);
      id++;
      return await downloadFile(store, {
        ...{ id, key, etag, sizeBytes, gzip: key.endsWith(".gz"), runFolder, maxFileBytes: 64 * MIB },
        signal: new AbortController().signal,
        ...options,
      });
    };
    await use({
      store,
      root,
      runFolder,
      order,
      download: async (name, bytes, options) => {
        await Deno.writeFile(join(root, name), bytes);
        return await order(name, options);
      },
      read: async (path) => Buffer.from(await Deno.readFile(join(runFolder, path ?? assert.fail("no path")))),
      left: async () =>
        (await Array.fromAsync(Deno.readDir(join(runFolder, "files")))).map(({ name }) => name).sort(),
    });
  } finally {
    await removeAtEnd(folder);
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Numbers that do not compress to nothing. */
const TEXT = Buffer.from(Array.from({ length: 60_000 }, (_, i) => `${i},${i * 7919 % 10_007}\n`).join(""));
const SMALL = Buffer.from("a,b\n1,2\n");
const EMPTY = Buffer.alloc(0);

function concat(...parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat(parts);
}

Deno.test("downloadFile() gives the object's bytes, path and hash, when it is not compressed", async (test) => {
  await withDelivery(async ({ download, read, left }) => {
    for (const bytes of [SMALL, EMPTY, TEXT, Buffer.from([0xff, 0, 0x0d])]) {
      await test.step(`${bytes.length} bytes`, async () => {
        const { content, original, ...found } = await download("a.csv", bytes);
        assert.deepEqual(found, { sha256: sha256(bytes), fault: null });
        assert.equal(content, original);
        assert.deepEqual(await read(content), bytes);
      });
    }
    assert.deepEqual(await left(), ["1.csv", "2.csv", "3.csv", "4.csv"]);
  });
});

/** Bytes of a .csv.gz and the text in them. */
const WHOLE: readonly (readonly [string, Buffer, Buffer])[] = [
  ["one member", gzipSync(SMALL), SMALL],
  ["a larger one", gzipSync(TEXT), TEXT],
  ["a stored one", gzipSync(TEXT, { level: 0 }), TEXT],
  ["two members", concat(gzipSync(SMALL), gzipSync(TEXT)), concat(SMALL, TEXT)],
  ["many members", concat(...Array(50).fill(gzipSync(SMALL))), concat(...Array(50).fill(SMALL))],
  ["an empty member", gzipSync(EMPTY), EMPTY],
  ["empty members around a full one", concat(gzipSync(EMPTY), gzipSync(SMALL), gzipSync(EMPTY)), SMALL],
  ["no bytes, which is an empty file", EMPTY, EMPTY],
];

Deno.test("downloadFile() unpacks a gzip file and keeps the original, when it is whole", async (test) => {
  await withDelivery(async ({ download, read, left }) => {
    for (const [i, [what, packed, text]] of WHOLE.entries()) {
      await test.step(what, async () => {
        const { content, original, ...found } = await download("a.csv.gz", packed);
        assert.deepEqual(found, { sha256: sha256(text), fault: null });
        assert.deepEqual(await read(content), text);
        assert.deepEqual(await read(original), packed);
        assert.deepEqual(
          await left(),
          Array.from({ length: i + 1 }, (_, k) => [`${k + 1}.csv`, `${k + 1}.gz`]).flat().sort(),
        );
      });
    }
  });
});

/** A copy in which the bits of one byte are turned around. */
function corrupt(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = ~(copy.at(at) ?? 0);
  return copy;
}

const PACKED = gzipSync(TEXT), PACKED_SMALL = gzipSync(SMALL);

const BROKEN: readonly (readonly [string, Buffer])[] = [
  ...[1, 2, 9, 10, 15, PACKED_SMALL.length - 8, PACKED_SMALL.length - 1].map((size) =>
    [`cut off after ${size} bytes`, PACKED_SMALL.subarray(0, size)] as const
  ),
  ["a larger one cut off in the middle", PACKED.subarray(0, PACKED.length / 2)],
  ["a larger one without its last byte", PACKED.subarray(0, -1)],
  ["a second member cut off", concat(PACKED_SMALL, PACKED_SMALL.subarray(0, -3))],
  ["a second member's first byte", concat(PACKED_SMALL, PACKED_SMALL.subarray(0, 1))],
  ["a second member's header", concat(PACKED_SMALL, PACKED_SMALL.subarray(0, 10))],
  ["text after it", concat(PACKED_SMALL, SMALL)],
  ["a line end after it", concat(PACKED_SMALL, Buffer.from("\n"))],
  ["a zero after it", concat(PACKED_SMALL, Buffer.alloc(1))],
  ["zeros after a larger one", concat(PACKED, Buffer.alloc(100_000))],
  ["zeros and another member after it", concat(PACKED_SMALL, Buffer.alloc(3), PACKED_SMALL)],
  ["another checksum", corrupt(PACKED_SMALL, PACKED_SMALL.length - 5)],
  ["another length", corrupt(PACKED_SMALL, PACKED_SMALL.length - 1)],
  ["other data", corrupt(PACKED_SMALL, 12)],
  ["other data in the middle", corrupt(PACKED, PACKED.length / 2 | 0)],
  ["another method", corrupt(PACKED_SMALL, 2)],
  ["another magic number", corrupt(PACKED_SMALL, 0)],
  ["text that is not compressed", SMALL],
  ["zeros", Buffer.alloc(100)],
];

Deno.test("downloadFile() says bad_gzip and keeps the original only, when a gzip file is not whole", async (test) => {
  await withDelivery(async ({ download, read, left }) => {
    for (const [i, [what, bytes]] of BROKEN.entries()) {
      await test.step(what, async () => {
        const { original, fault, ...found } = await download("a.csv.gz", bytes);
        assert.deepEqual(found, { content: null, sha256: null });
        assert.equal(fault?.reason, "bad_gzip");
        assert.match(fault.detail, /^not a whole gzip file: \w/);
        assert.deepEqual(await read(original), bytes);
        assert.deepEqual(await left(), Array.from({ length: i + 1 }, (_, k) => `${k + 1}.gz`).sort());
      });
    }
  });
});

Deno.test("downloadFile() says what is in a file, when it is only called gzip", async () => {
  const table: readonly (readonly [Buffer, RegExp])[] = [
    [Buffer.from("a,b\r\n1,2\r\n"), /; it is plain text: leave \.gz out of its name; line 1: "a,b"$/],
    [Buffer.from("PK\x03\x04\x14\0", "latin1"), /; it seems to be a zip archive/],
    [Buffer.from("BZh91AY"), /; it is plain text|; it seems to be a bzip2/],
    [Buffer.from("\ufeffa,b\n", "utf16le"), /; it seems to be UTF-16 text/],
    [PACKED_SMALL.subarray(0, -3), /unexpected end of file$/],
  ];
  await withDelivery(async ({ download }) => {
    for (const [bytes, detail] of table) {
      assert.match((await download("a.csv.gz", bytes)).fault?.detail ?? "", detail);
    }
  });
});

Deno.test("downloadFile() says too_large, when a file is larger than maxFileBytes", async (test) => {
  const size = SMALL.length;
  await withDelivery(async ({ download, left }) => {
    await test.step("not compressed: it is not read at all", async () => {
      // Of a version that is not there, so that reading it would fail.
      const { fault, ...found } = await download("a.csv", SMALL, {
        maxFileBytes: size - 1,
        etag: "another",
      });
      assert.deepEqual(found, { content: null, original: null, sha256: null });
      assert.equal(fault?.reason, "too_large");
      assert.match(fault.detail, new RegExp(`csv\\.maxFileBytes \\(${size - 1}\\)`));
      assert.deepEqual(await left(), []);
    });
    await test.step("compressed: the original is kept, the text is not", async () => {
      const { fault, ...found } = await download("b.csv.gz", PACKED_SMALL, {
        id: 7,
        maxFileBytes: size - 1,
      });
      assert.deepEqual(found, { content: null, original: "files/7.gz", sha256: null });
      assert.equal(fault?.reason, "too_large");
      assert.deepEqual(await left(), ["7.gz"]);
    });
    await test.step("but not, when it is exactly so large", async () => {
      assert.equal((await download("a.csv", SMALL, { maxFileBytes: size })).fault, null);
      assert.equal((await download("b.csv.gz", PACKED_SMALL, { maxFileBytes: size })).fault, null);
      assert.equal((await download("c.csv", EMPTY, { maxFileBytes: 1 })).fault, null);
    });
    await test.step("nor for a gzip file that is larger than its text", async () => {
      assert.ok(PACKED_SMALL.length > size);
      assert.equal((await download("d.csv.gz", PACKED_SMALL, { maxFileBytes: size })).fault, null);
    });
  });
});

Deno.test("downloadFile() stops early, when a small archive would fill the disk", async () => {
  // 256 MiB in 256 KiB.
  const packed = concat(...Array(4).fill(gzipSync(Buffer.alloc(64 * MIB))));
  await withDelivery(async ({ download, left }) => {
    // Two files: what is delivered, and what is unpacked of it.
    const writtenBytes = new Map<Deno.FsFile, number>();
    const { write } = Deno.FsFile.prototype;
    Deno.FsFile.prototype.write = async function (bytes) {
      const size = await write.call(this, bytes);
      writtenBytes.set(this, (writtenBytes.get(this) ?? 0) + size);
      return size;
    };
    try {
      const { fault } = await download("bomb.csv.gz", packed, { maxFileBytes: MIB });
      assert.equal(fault?.reason, "too_large");
    } finally {
      Deno.FsFile.prototype.write = write;
    }
    const sizes = [...writtenBytes.values()];
    assert.equal(sizes.length, 2);
    assert.equal(sizes[0], packed.length);
    assert.ok(sizes[1]! > MIB / 2 && sizes[1]! <= MIB, `${sizes[1]} bytes were unpacked`);
    assert.deepEqual(await left(), ["1.gz"]);
  });
});

Deno.test("downloadFile() fails for this object only, when it is another version, gone or may not be read", async (test) => {
  await withDelivery(async ({ store, root, runFolder, left }) => {
    await Deno.writeFile(join(root, "a.csv"), SMALL);
    const { etag, sizeBytes } = await store.head("a.csv") ?? assert.fail();
    const order: DownloadOrder = {
      ...{ id: 1, key: "a.csv", etag, sizeBytes, gzip: false, runFolder, maxFileBytes: MIB },
      signal: new AbortController().signal,
    };
    const fails = (reason: string) => (error: unknown) =>
      error instanceof ObjectError && error.reason === reason;
    await test.step("another version", async () => {
      await Deno.writeFile(join(root, "a.csv"), TEXT);
      await assert.rejects(downloadFile(store, order), fails("changed"));
    });
    await test.step("gone", async () => {
      await Deno.remove(join(root, "a.csv"));
      await assert.rejects(downloadFile(store, order), fails("vanished"));
    });
    assert.ok(!(await left()).includes("1.csv"), "a file that is not whole has its final name");
  });
});

Deno.test("downloadFile() stops with the signal's reason, when it is aborted", async () => {
  const reason = new Error("stopped");
  await withDelivery(async ({ download, left }) => {
    for (const name of ["a.csv", "a.csv.gz"]) {
      await assert.rejects(download(name, gzipSync(SMALL), { signal: AbortSignal.abort(reason) }), reason);
    }
    assert.deepEqual((await left()).filter((name) => !name.endsWith(".part")), []);
  });
});

Deno.test("downloadFile() causes no warnings, when a gzip file is read in many pieces", async () => {
  const warnings: Error[] = [];
  const note = (warning: Error) => warnings.push(warning);
  process.on("warning", note);
  try {
    await withDelivery(async ({ download }) => {
      const noise = Array.from({ length: 32 }, () => crypto.getRandomValues(new Uint8Array(65_536)));
      assert.equal((await download("a.csv.gz", gzipSync(Buffer.concat(noise)))).fault, null);
    });
    await new Promise((done) => setTimeout(done));
    assert.deepEqual(warnings, []);
  } finally {
    process.off("warning", note);
  }
});
