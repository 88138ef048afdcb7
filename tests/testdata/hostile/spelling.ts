/**
 * How the hostile cases are written down: bytes, gzip and repetition in a form that can be read, and what has to become
 * of them.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { crc32, deflateRawSync } from "node:zlib";
import type { Settings } from "../../hostile/delivery.ts";
import type { Fault, OpenRow, Sale } from "../../hostile/expectation.ts";

/** A file and what has to become of it. */
export interface HostileCase {
  /** What it shows. */
  readonly name: string;
  /** The key below the landing prefix; left out: made of the name. */
  readonly key?: string;
  /** As delivered. */
  readonly bytes: Uint8Array;
  /** What is in it, where it is compressed; `null` where it is no whole archive. */
  readonly content?: Uint8Array | null;
  readonly becomes: Fate;
}

/** Cases that are delivered together. */
export interface HostileSet {
  readonly name: string;
  readonly settings: Settings;
  readonly cases: readonly HostileCase[];
}

/** What has to become of a file; `null` where it is left alone. */
export type Fate =
  | null
  | { readonly status: "duplicate" }
  | {
    readonly status: "rejected";
    readonly reason: string;
    readonly columns?: readonly string[];
    readonly line?: number;
  }
  | {
    readonly status: "read";
    readonly rows: readonly (Sale | Fault | OpenRow)[];
    /** How often the header comes again; left out: never. */
    readonly repeatedHeaders?: number;
  };

/** A part of a file: text, or bytes where they are no UTF-8. */
export type Part = string | readonly number[] | Uint8Array;

/** Parts one after the other. */
export function bytes(...parts: readonly Part[]): Uint8Array {
  return Buffer.concat(
    parts.map((part) => typeof part === "string" ? Buffer.from(part) : Uint8Array.from(part)),
  );
}

/** The values of a row that passes, by column. */
export const GOOD = {
  customer_id: "1",
  store_id: "121",
  product_name: "apple",
  sales_date: "2023-03-01",
  sales_person_id: "1",
  price: "1.50",
  quantity: "2",
  total_cost: "3.00",
} as const;

/** The columns of the contract that are always there, in its order. */
export const CORE_COLUMNS = {
  customer_id: "integer",
  store_id: "integer",
  product_name: "text",
  sales_date: "date",
  sales_person_id: "integer",
  price: "decimal(10,2)",
  quantity: "integer",
  total_cost: "decimal(18,2)",
};
/** Their names. */
export const COLUMNS: readonly string[] = Object.keys(CORE_COLUMNS);
/** The header line. */
export const HEADER = COLUMNS.join(",");

/** Texts by column. */
export type Texts = Readonly<Record<string, string>>;

/** A row's text; `values` take the places of good ones. */
export function row(values: Texts = {}, columns: readonly string[] = COLUMNS): string {
  const all: Texts = { ...GOOD, ...values };
  return columns.map((name) => all[name] ?? "").join(",");
}

/** A file of the header and the given lines, each ended by LF. */
export function file(...lines: readonly string[]): string {
  return [HEADER, ...lines].map((line) => `${line}\n`).join("");
}

/** A row as it is accepted; `values` take the places of good ones. */
export function sale(values: Texts = {}, also: { extra?: string; warnings?: readonly string[] } = {}): Sale {
  const all: Texts = { ...GOOD, ...values };
  return { values: [...Object.values(all), also.extra ?? null], warnings: also.warnings ?? [] };
}

/** A row as it is rejected. `column` is the rule where the reason is `rule`. */
export function fault(line: number, reason: string, column: string, raw: string): Fault {
  return reason === "rule" ? { line, raw, reason, column: "", rule: column } : { line, raw, reason, column };
}

/** A row that may be taken as text or rejected. */
export function open(line: number, raw: string): OpenRow {
  return { line, raw };
}

/** The fate of a file whose rows are judged one by one. */
export function read(...rows: readonly (Sale | Fault | OpenRow)[]): Fate {
  return { status: "read", rows };
}

/** The same of one in which the header comes again, so many times. */
export function readWithHeaders(
  repeatedHeaders: number,
  ...rows: readonly (Sale | Fault | OpenRow)[]
): Fate {
  return { status: "read", rows, repeatedHeaders };
}

/** The fate of a file that is rejected whole. */
export function rejected(
  reason: string,
  also: { columns?: readonly string[]; line?: number } = {},
): Fate {
  return { status: "rejected", reason, ...also };
}

/** A case whose file is not compressed. */
export function plain(name: string, parts: Part | readonly Part[], becomes: Fate, key?: string): HostileCase {
  const content = Array.isArray(parts) && typeof parts[0] !== "number"
    ? bytes(...parts as readonly Part[])
    : bytes(parts as Part);
  return { name, bytes: content, becomes, ...(key === undefined ? {} : { key }) };
}

/** What a member of a gzip file has besides its content (RFC 1952). */
export interface MemberOptions {
  /** Header flags, and the fields that they announce. */
  readonly flags?: number;
  readonly fields?: Uint8Array;
  /** Compression method; 8 is the only one there is. */
  readonly method?: number;
  /** Added to checksum and length, to make them wrong. */
  readonly checksumOff?: number;
  readonly lengthOff?: number;
  /** 0 stores the content as it is. */
  readonly level?: number;
}

/** One member of a gzip file. */
export function member(content: Part, options: MemberOptions = {}): Uint8Array {
  const data = bytes(content);
  const { flags = 0, fields = new Uint8Array(), method = 8, checksumOff = 0, lengthOff = 0, level = 6 } =
    options;
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE((crc32(data) + checksumOff) >>> 0, 0);
  trailer.writeUInt32LE(data.length + lengthOff, 4);
  const head = [0x1f, 0x8b, method, flags, 0, 0, 0, 0, 0, 255];
  return bytes(head, fields, deflateRawSync(data, { level }), trailer);
}
