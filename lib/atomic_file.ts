/**
 * Files that are there whole or not at all.
 *
 * @module
 */
import { dirname } from "node:path";
import { wrapSystemError } from "./errors.ts";

/** Replaces a file: temporary file beside it, fsync, rename. */
export async function writeFileAtomic(path: string, text: string): Promise<void> {
  const temporary = `${path}.tmp`;
  try {
    {
      using file = await Deno.open(temporary, { write: true, create: true, truncate: true });
      const bytes = new TextEncoder().encode(text);
      for (let written = 0; written < bytes.length;) written += await file.write(bytes.subarray(written));
      await file.sync();
    }
    await Deno.rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    throw wrapSystemError(error, `Cannot write ${path}`);
  }
}

/** Makes renames and new names in a folder survive a power cut. */
export async function syncFolder(path: string): Promise<void> {
  using folder = await Deno.open(path);
  await folder.sync();
}
