/**
 * Files that are there whole or not at all.
 *
 * @module
 */
import { dirname } from "node:path";
import { wrapSystemError } from "./errors.ts";

/**
 * Replaces a file: temporary file beside it, fsync, rename.
 *
 * @param like Owner and mode that the new file is to have.
 */
export async function writeFileAtomic(path: string, text: string, like?: Deno.FileInfo): Promise<void> {
  const temporary = `${path}.tmp`;
  try {
    {
      using file = await Deno.open(temporary, { write: true, create: true, truncate: true });
      if (like) await giveOwnerAndMode(temporary, like, await file.stat());
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

/** Only the superuser may give a file away, and only then it has another owner than the file that it replaces. */
async function giveOwnerAndMode(path: string, like: Deno.FileInfo, now: Deno.FileInfo): Promise<void> {
  if (like.uid !== now.uid || like.gid !== now.gid) await Deno.chown(path, like.uid, like.gid);
  if (like.mode !== null) await Deno.chmod(path, like.mode & 0o7777);
}

/** Makes renames and new names in a folder survive a power cut. */
export async function syncFolder(path: string): Promise<void> {
  using folder = await Deno.open(path);
  await folder.sync();
}
