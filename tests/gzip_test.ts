/**
 * What gzip files stand for, and which bytes are none; {@link ./run/download_file_test.ts} has more of both.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { gzipSync } from "node:zlib";
import { gunzip, GzipError } from "../lib/gzip.ts";

const TEXT = Buffer.from(Array.from({ length: 60_000 }, (_, i) => `${i},${i * 7919 % 10_007}\n`).join(""));
const MEMBER = gzipSync(TEXT);

/** Gives bytes in chunks; says how many it has given, and whether it was ended. */
class Source {
  given = 0;
  ended = false;
  constructor(readonly bytes: Buffer, readonly chunkBytes = 1000) {}

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      while (this.given < this.bytes.length) {
        const chunk = this.bytes.subarray(this.given, this.given += this.chunkBytes);
        yield await Promise.resolve(chunk);
      }
    } finally {
      this.ended = true;
    }
  }
}

async function unpack(bytes: Buffer): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(gunzip(new Source(bytes), bytes.length)));
}

Deno.test("gunzip() gives the bytes of all members, and none for none", async () => {
  assert.deepEqual(await unpack(MEMBER), TEXT);
  assert.deepEqual(await unpack(Buffer.concat([MEMBER, gzipSync(""), MEMBER])), Buffer.concat([TEXT, TEXT]));
  assert.deepEqual(await unpack(Buffer.alloc(0)), Buffer.alloc(0));
});

Deno.test("gunzip() throws a GzipError, when the bytes are no whole file", async () => {
  const broken: readonly (readonly [Buffer, RegExp])[] = [
    [MEMBER.subarray(0, -1), /unexpected end of file/],
    [MEMBER.subarray(0, 5), /unexpected end of file/],
    [TEXT, /incorrect header check/],
    [Buffer.concat([MEMBER, Buffer.from("x,y\n")]), /incorrect header check/],
    [Buffer.concat([MEMBER, Buffer.alloc(512)]), /bytes after its last member/],
    [Buffer.concat([MEMBER, Buffer.alloc(2000), MEMBER]), /bytes after its last member/],
  ];
  for (const [bytes, says] of broken) {
    await assert.rejects(unpack(bytes), (error) => error instanceof GzipError && says.test(error.message));
  }
});

Deno.test("gunzip() throws what the source throws, when that breaks off", async () => {
  const broken = new Error("the disk broke");
  async function* source() {
    yield await Promise.resolve(MEMBER.subarray(0, 100));
    throw broken;
  }
  await assert.rejects(Array.fromAsync(gunzip(source(), MEMBER.length)), (error) => error === broken);
});

Deno.test("gunzip() reads no further and ends the source, when no more is wanted", async () => {
  const packed = gzipSync(TEXT, { level: 0 });
  const source = new Source(Buffer.concat(Array(200).fill(packed)), 64 * 1024);
  for await (const chunk of gunzip(source, source.bytes.length)) {
    assert.ok(chunk.length > 0);
    break;
  }
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.ok(source.ended);
  assert.ok(
    source.given < source.bytes.length / 10,
    `${source.given} of ${source.bytes.length} bytes were read`,
  );
});
