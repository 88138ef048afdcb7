/**
 * Fetches one source file: its bytes as delivered, its uncompressed text, and the hash of that.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { writeAll } from "../bytes.ts";
import { readHead } from "../csv/chunks.ts";
import { firstLine, isPlainText, likelyFormat } from "../csv/likely.ts";
import { inWords } from "../csv/words.ts";
import { wrapSystemError } from "../errors.ts";
import { gunzip, GzipError } from "../gzip.ts";
import type { ObjectStore } from "../store/store.ts";
import type { FileFault, LocalCopies } from "../source_file.ts";

/** What a download has brought, and what is wrong with it, if anything. */
export type Downloaded = LocalCopies & { readonly fault: FileFault | null };

/** What to download, and where to. */
export interface DownloadOrder {
  /** Names the local files. */
  readonly id: number;
  /** The whole key. */
  readonly key: string;
  /** Of the listed version. */
  readonly etag: string;
  /** As listed. */
  readonly sizeBytes: number;
  /** Whether the name says that it is compressed. */
  readonly gzip: boolean;
  /** Absolute; the local names within it are numbers, never parts of a key. */
  readonly runFolder: string;
  /** Uncompressed. */
  readonly maxFileBytes: number;
  /** Stops the download. */
  readonly signal: AbortSignal;
}

/**
 * Downloads exactly the listed version, a file or nothing: `.part`, then renamed.
 *
 * @throws {ObjectError} if the object changed, vanished or may not be read.
 */
export async function downloadFile(store: ObjectStore, order: DownloadOrder): Promise<Downloaded> {
  const { id, key, sizeBytes, gzip, runFolder, maxFileBytes } = order;
  if (!gzip && sizeBytes > maxFileBytes) return tooLarge(null, maxFileBytes);
  const original = join("files", `${id}.${gzip ? "gz" : "csv"}`);
  try {
    const sha256 = await fetchObject(store, order, join(runFolder, original));
    if (!gzip) return { content: original, original, sha256, fault: null };
    const content = join("files", `${id}.csv`);
    const unpacked = await unpack(join(runFolder, original), join(runFolder, content), order);
    if (unpacked.kind === "whole") return { content, original, sha256: unpacked.sha256, fault: null };
    await Deno.remove(`${join(runFolder, content)}.part`);
    if (unpacked.kind === "too_large") return tooLarge(original, maxFileBytes);
    const detail = await explainGzip(join(runFolder, original), unpacked.detail);
    return { content: null, original, sha256: null, fault: { reason: "bad_gzip", detail } };
  } catch (error) {
    throw wrapSystemError(error, `Cannot download ${JSON.stringify(key)} to ${join(runFolder, original)}`);
  }
}

/** Why a file does not unpack, in words. */
async function explainGzip(path: string, message: string): Promise<string> {
  const head = await readHead(path), what = `not a whole gzip file: ${message}`;
  if (isPlainText(head)) return inWords(what, "it is plain text: leave .gz out of its name", firstLine(head));
  const isGzip = head[0] === 0x1f && head[1] === 0x8b;
  return inWords(what, isGzip ? null : likelyFormat(head), null);
}

function tooLarge(original: string | null, maxFileBytes: number): Downloaded {
  const detail = `more than csv.maxFileBytes (${maxFileBytes}) uncompressed`;
  return { content: null, original, sha256: null, fault: { reason: "too_large", detail } };
}

/** Writes the object's bytes to a local file; gives their SHA-256. */
async function fetchObject(store: ObjectStore, order: DownloadOrder, path: string): Promise<string> {
  const hash = createHash("sha256");
  {
    using file = await Deno.open(`${path}.part`, { write: true, create: true, truncate: true });
    for await (const chunk of await store.get(order.key, { ifMatch: order.etag })) {
      order.signal.throwIfAborted();
      hash.update(chunk);
      await writeAll(file, chunk);
    }
  }
  await Deno.rename(`${path}.part`, path);
  return hash.digest("hex");
}

type Unpacked =
  | { readonly kind: "whole"; readonly sha256: string }
  | { readonly kind: "too_large" }
  | { readonly kind: "bad"; readonly detail: string };

/** Unpacks a gzip file, and stops if it grows beyond the limit. */
async function unpack(source: string, target: string, order: DownloadOrder): Promise<Unpacked> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  try {
    using input = await Deno.open(source);
    using file = await Deno.open(`${target}.part`, { write: true, create: true, truncate: true });
    for await (const chunk of gunzip(input.readable, (await input.stat()).size)) {
      order.signal.throwIfAborted();
      sizeBytes += chunk.length;
      if (sizeBytes > order.maxFileBytes) return { kind: "too_large" };
      hash.update(chunk);
      await writeAll(file, chunk);
    }
  } catch (error) {
    if (!(error instanceof GzipError)) throw error;
    return { kind: "bad", detail: error.message };
  }
  await Deno.rename(`${target}.part`, target);
  return { kind: "whole", sha256: hash.digest("hex") };
}
