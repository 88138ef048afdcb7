/**
 * Encodings both ways: every byte, every cut between two parts, and what is none of the encoding.
 *
 * @module
 */
import fc from "fast-check";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { decodeChunks, encoderOf, type Encoding, ENCODINGS } from "../../lib/csv/encoding.ts";

/** The text of bytes that arrive in parts, or the offset of what is none. */
async function decode(encoding: Encoding, ...parts: readonly Uint8Array[]): Promise<string | number> {
  async function* chunks() {
    for (const part of parts) yield await Promise.resolve(Buffer.from(part));
  }
  let text = "";
  for await (const decoded of decodeChunks(chunks(), encoding)) {
    if ("badAt" in decoded) return decoded.badAt;
    text += decoded.text.toString("utf8");
  }
  return text;
}

Deno.test("decodeChunks() reads what each encoding has for a few characters", async () => {
  assert.equal(await decode("windows-1252", Buffer.from("80 e4 96 41".replaceAll(" ", ""), "hex")), "€ä–A");
  assert.equal(await decode("iso-8859-1", Buffer.from("a4e441", "hex")), "¤äA");
  assert.equal(await decode("iso-8859-15", Buffer.from("a4e441", "hex")), "€äA");
  assert.equal(await decode("utf-16le", Buffer.from("\ufeffä😀", "utf16le")), "\ufeffä😀");
  assert.equal(await decode("utf-16be", Buffer.from("00e4d83dde00", "hex")), "ä😀");
});

Deno.test("decodeChunks() says where the first byte is that is none of the encoding", async () => {
  const cases: readonly (readonly [Encoding, string, number])[] = [
    ["windows-1252", "418d41", 1],
    ["windows-1252", "81", 0],
    ["iso-8859-1", "4180", 1],
    ["iso-8859-15", "4141 9f", 2],
    ["utf-16le", "4100 00d8 4100", 2],
    ["utf-16le", "4100 00dc", 2],
    ["utf-16le", "4100 00d8", 2],
    ["utf-16be", "0041 41", 2],
    ["utf-16be", "dc00", 0],
  ];
  for (const [encoding, hex, at] of cases) {
    const bytes = Buffer.from(hex.replaceAll(" ", ""), "hex");
    for (let cut = 0; cut <= bytes.length; cut++) {
      assert.equal(
        await decode(encoding, bytes.subarray(0, cut), bytes.subarray(cut)),
        at,
        `${encoding} ${hex}`,
      );
    }
  }
});

Deno.test("encoderOf() gives the bytes back that decodeChunks() was given, wherever they were cut", async () => {
  for (const encoding of ENCODINGS) {
    const encode = encoderOf(encoding);
    const bytes = encoding.startsWith("utf-")
      ? encode("a,\ufeffä\r\n😀\0\uffff") ?? Buffer.alloc(0)
      : Buffer.from(Array.from({ length: 256 }, (_, i) => i).filter((i) => i < 0x80 || i > 0x9f));
    for (let cut = 0; cut <= bytes.length; cut++) {
      // UTF-8 comes in parts that end between two characters.
      if (encoding === "utf-8" && cut > 0 && cut < bytes.length) continue;
      const text = await decode(encoding, bytes.subarray(0, cut), bytes.subarray(cut));
      assert.deepEqual(encode(String(text)), bytes, encoding);
    }
  }
});

Deno.test("encoderOf() gives null when a character is none of the encoding", async () => {
  assert.equal(encoderOf("windows-1252")("a\u0081"), null);
  assert.equal(encoderOf("iso-8859-1")("€"), null);
  assert.equal(encoderOf("iso-8859-15")("¤"), null);
  await fc.assert(fc.asyncProperty(fc.string({ unit: "binary" }), async (text) => {
    for (const encoding of ["windows-1252", "iso-8859-1", "iso-8859-15"] as const) {
      const bytes = encoderOf(encoding)(text);
      if (bytes !== null) assert.equal(await decode(encoding, bytes), text);
    }
  }));
});
