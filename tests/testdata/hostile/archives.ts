/**
 * Compressed files: whole ones in every form that gzip has, and what only looks like one.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { bytes, file, HEADER, type HostileCase, member, type Part, read, rejected, row, sale } from "./spelling.ts";

/** Bytes that download reads at a time: where one ends, a reader of several members may stop. */
const READ_BYTES = 65_536;
const BAD_GZIP = rejected("bad_gzip");

/** A file with a product of its own, so that it is no duplicate. */
function fileOf(product_name: string): string {
  return file(row({ product_name }));
}

/** An archive that is whole: the same as its content. */
function whole(name: string, compress: (text: string) => Uint8Array): HostileCase {
  const text = fileOf(name);
  const becomes = read(sale({ product_name: name }, { warnings: ["unknown_product"] }));
  return { name, key: keyOf(name), bytes: compress(text), content: bytes(text), becomes };
}

/** An archive that is not. */
function broken(name: string, compress: (text: string) => Uint8Array): HostileCase {
  return { name, key: keyOf(name), bytes: compress(fileOf(name)), content: null, becomes: BAD_GZIP };
}

function keyOf(name: string): string {
  return `archives/${name}.csv.gz`;
}

/** A member of exactly this many bytes: a comment in its header takes what is left. */
function memberOf(sizeBytes: number, text: Part): Uint8Array {
  const comment = sizeBytes - member(text).length - 1;
  return member(text, { flags: 0x10, fields: bytes("c".repeat(comment), [0]) });
}

/** The first bytes of an archive, a negative number from its end. */
function cut(length: number): (text: string) => Uint8Array {
  return (text) => gzipSync(text).subarray(0, length);
}

const halves = (text: string) => [text.slice(0, text.length >> 1), text.slice(text.length >> 1)] as const;

/** To be delivered with the default settings. */
export const ARCHIVES: readonly HostileCase[] = [
  whole("an archive is its content", gzipSync),
  whole("an archive of two members is both", (text) => bytes(...halves(text).map((half) => member(half)))),
  whole(
    "an archive of a member for each byte is all of them",
    (text) => bytes(...[...text].map((one) => member(one))),
  ),
  whole("empty members add nothing", (text) => bytes(member(""), member(text), member(""), member(""))),
  whole("content that is stored is content", (text) => member(text, { level: 0 })),
  whole("a member may have a name", (text) => member(text, { flags: 0x08, fields: bytes("a.csv", [0]) })),
  whole(
    "a member may have a comment",
    (text) => member(text, { flags: 0x10, fields: bytes("comment", [0]) }),
  ),
  whole(
    "a member may have extra fields",
    (text) => member(text, { flags: 0x04, fields: bytes([4, 0], "abcd") }),
  ),
  whole("a member may say that it is text", (text) => member(text, { flags: 0x01 })),
  ...[READ_BYTES, READ_BYTES - 1, READ_BYTES + 1, READ_BYTES - 10, 2 * READ_BYTES].map((sizeBytes) =>
    whole(
      `a first member of ${sizeBytes} bytes is not the last`,
      (text) => bytes(memberOf(sizeBytes, halves(text)[0]), member(halves(text)[1])),
    )
  ),
  whole("a whole archive of exactly what is read at a time is whole", (text) => memberOf(READ_BYTES, text)),
  {
    name: "an archive without bytes is empty",
    key: "archives/empty.csv.gz",
    bytes: bytes(),
    content: bytes(),
    becomes: rejected("empty_file"),
  },
  {
    name: "an archive of nothing is empty",
    key: "archives/nothing.csv.gz",
    bytes: gzipSync(""),
    content: bytes(),
    becomes: rejected("empty_file"),
  },
  {
    name: "an archive of two empty members is empty",
    key: "archives/nothing twice.csv.gz",
    bytes: bytes(member(""), member("")),
    content: bytes(),
    becomes: rejected("empty_file"),
  },
  {
    name: "an archive of a BOM is empty",
    key: "archives/bom.csv.gz",
    bytes: gzipSync("\ufeff\n"),
    content: bytes("\ufeff\n"),
    becomes: rejected("empty_file"),
  },
  {
    name: "an archive of a header has no rows",
    key: "archives/header.csv.gz",
    bytes: gzipSync(HEADER),
    content: bytes(HEADER),
    becomes: read(),
  },
  {
    name: "an archive in an archive is not UTF-8",
    key: "archives/twice.csv.gz",
    bytes: gzipSync(gzipSync(file())),
    content: gzipSync(file()),
    becomes: rejected("not_utf8"),
  },
  {
    name: "an archive of no UTF-8 is not UTF-8",
    key: "archives/latin.csv.gz",
    bytes: gzipSync(bytes(HEADER, [0xe4])),
    content: bytes(HEADER, [0xe4]),
    becomes: rejected("not_utf8"),
  },
  {
    name: "an archive that is not called one is not UTF-8",
    key: "archives/plain name.csv",
    bytes: gzipSync(file()),
    becomes: rejected("not_utf8"),
  },
  {
    name: "text that is called an archive is none",
    key: "archives/text.csv.gz",
    bytes: bytes(file(row())),
    content: null,
    becomes: BAD_GZIP,
  },
  {
    name: "a line end that is called an archive is none",
    key: "archives/line end.csv.gz",
    bytes: bytes("\n"),
    content: null,
    becomes: BAD_GZIP,
  },
  {
    name: "a NUL that is called an archive is none",
    key: "archives/nul.csv.gz",
    bytes: bytes("\0"),
    content: null,
    becomes: BAD_GZIP,
  },

  broken("an archive cut after its first byte is none", cut(1)),
  broken("an archive cut after its magic number is none", cut(2)),
  broken("an archive cut in its header is none", cut(9)),
  broken("an archive cut after its header is none", cut(10)),
  broken("an archive cut in its content is none", cut(40)),
  broken("an archive cut before its checksum is none", cut(-8)),
  broken("an archive cut in its checksum is none", cut(-6)),
  broken("an archive cut before its length is none", cut(-4)),
  broken("an archive that lacks its last byte is none", cut(-1)),
  broken(
    "an archive whose name never ends is none",
    (text) => member(text, { flags: 0x08, fields: bytes("a.csv") }).subarray(0, 15),
  ),
  broken("an archive with a NUL behind is none", (text) => bytes(gzipSync(text), [0])),
  broken("an archive filled up with NULs is none", (text) => bytes(gzipSync(text), new Uint8Array(512))),
  broken("an archive with a line end behind is none", (text) => bytes(gzipSync(text), "\n")),
  broken("an archive with text behind is none", (text) => bytes(gzipSync(text), file(row()))),
  broken("an archive with the first byte of another behind is none", (text) => bytes(gzipSync(text), [0x1f])),
  broken(
    "an archive with the magic number of another behind is none",
    (text) => bytes(gzipSync(text), [0x1f, 0x8b]),
  ),
  broken(
    "an archive with half of another behind is none",
    (text) => bytes(gzipSync(text), gzipSync(text).subarray(0, 30)),
  ),
  broken(
    "an archive with NULs and another behind is none",
    (text) => bytes(gzipSync(text), [0, 0], gzipSync(text)),
  ),
  ...[READ_BYTES, READ_BYTES - 1, 2 * READ_BYTES].flatMap((sizeBytes) => [
    broken(
      `an archive of ${sizeBytes} bytes with text behind is none`,
      (text) => bytes(memberOf(sizeBytes, text), "x"),
    ),
    broken(
      `an archive of ${sizeBytes} bytes with a NUL behind is none`,
      (text) => bytes(memberOf(sizeBytes, text), [0]),
    ),
    broken(
      `an archive of ${sizeBytes} bytes with the first byte of another behind is none`,
      (text) => bytes(memberOf(sizeBytes, text), [0x1f]),
    ),
  ]),
  broken("an archive with a wrong checksum is none", (text) => member(text, { checksumOff: 1 })),
  broken("an archive with a wrong length is none", (text) => member(text, { lengthOff: 1 })),
  broken(
    "a second member with a wrong checksum spoils the archive",
    (text) => bytes(member(text), member(text, { checksumOff: 1 })),
  ),
  broken("an archive of another method is none", (text) => member(text, { method: 9 })),
  broken("an archive with reserved flags is none", (text) => member(text, { flags: 0x20 })),
  broken("an archive with a changed byte is none", (text) => changed(gzipSync(text), 30)),
  broken("a zlib stream is no archive", deflateSync),
  broken("raw deflate is no archive", deflateRawSync),
  broken("a zip file is no archive of this kind", (text) => bytes("PK\x03\x04", text)),
  broken("another magic number is none", (text) => changed(gzipSync(text), 1)),
];

function changed(archive: Uint8Array, at: number): Uint8Array {
  const copy = Buffer.from(archive);
  copy[at] = (copy[at] ?? 0) ^ 0x55;
  return copy;
}
