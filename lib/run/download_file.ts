/**
 * Fetches one source file: its bytes as delivered, its uncompressed text, and the hash of that.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { createGunzip } from "node:zlib";
import { wrapSystemError } from "../errors.ts";
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
 * @throws {ObjectError} where the object changed, vanished or may not be read.
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
    const detail = `not a whole gzip file: ${unpacked.detail}`;
    return { content: null, original, sha256: null, fault: { reason: "bad_gzip", detail } };
  } catch (error) {
    throw wrapSystemError(error, `Cannot download ${JSON.stringify(key)} to ${join(runFolder, original)}`);
  }
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

/** Unpacks a gzip file, of one member or several, and stops where it grows beyond the limit. */
async function unpack(source: string, target: string, order: DownloadOrder): Promise<Unpacked> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  using input = await Deno.open(source);
  const packedBytes = (await input.stat()).size;
  // Node's gunzip, unlike DecompressionStream, reads all members of a file.
  const gunzip = createGunzip();
  try {
    using file = await Deno.open(`${target}.part`, { write: true, create: true, truncate: true });
    // No bytes are no member: an empty file, not a broken one.
    if (packedBytes > 0) {
      // Only now: an error that comes before the loop listens would end the process.
      feed(input, gunzip).catch((error) => gunzip.destroy(error));
      for await (const chunk of gunzip as AsyncIterable<Uint8Array>) {
        order.signal.throwIfAborted();
        sizeBytes += chunk.length;
        if (sizeBytes > order.maxFileBytes) return { kind: "too_large" };
        hash.update(chunk);
        await writeAll(file, chunk);
      }
      // Bytes that are no member are refused, but zeros, and whatever follows them, are left unread.
      if (gunzip.bytesWritten < packedBytes) return { kind: "bad", detail: "bytes after its last member" };
    }
  } catch (error) {
    // zlib's own errors have codes like Z_DATA_ERROR; anything else is of the disk or the signal.
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (!code.startsWith("Z_")) throw error;
    return { kind: "bad", detail: error instanceof Error ? error.message : code };
  } finally {
    gunzip.destroy();
  }
  await Deno.rename(`${target}.part`, target);
  return { kind: "whole", sha256: hash.digest("hex") };
}

/** Writes a file's bytes into a stream no faster than it takes them. */
async function feed(
  input: Deno.FsFile,
  output: NodeJS.WritableStream & { destroyed: boolean },
): Promise<void> {
  for await (const chunk of input.readable) {
    if (output.destroyed) return;
    if (output.write(chunk)) continue;
    await new Promise<void>((resolve) => {
      const resume = () => {
        output.off("drain", resume).off("close", resume);
        resolve();
      };
      output.on("drain", resume).on("close", resume);
    });
  }
  output.end();
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) written += await file.write(bytes.subarray(written));
}
