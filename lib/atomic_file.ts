/**
 * Files that are there whole or not at all.
 *
 * @module
 */
import { basename, dirname } from "node:path";
import { writeAll } from "./bytes.ts";
import { AccessError, UnavailableError, wrapSystemError } from "./errors.ts";

/**
 * Writes a file that nobody else writes, or replaces it, by a temporary file beside it, fsync and rename. The next write
 * takes over the temporary file that a crash has left.
 */
export async function writeFileAtomic(path: string, text: string): Promise<void> {
  await guard(path, async () => {
    const temporary = `${path}.tmp`;
    const open = () => Deno.open(temporary, { write: true, create: true, truncate: true });
    await putInPlace(path, { temporary, open, bytes: new TextEncoder().encode(text) });
  });
}

/**
 * Replaces a file that others may want to replace as well, if it still holds what was read of it; owner and mode stay.
 *
 * The lock is the kernel's, on the file itself: nothing of it stays behind. A kill may leave the temporary file, which
 * is in nobody's way.
 *
 * @param path The path of the file itself, not of a symlink, which would be replaced.
 * @throws {UnavailableError} `file_changed` if somebody has changed or deleted it, or is about to.
 * @throws {AccessError} if it cannot be replaced because it is a mount of its own.
 */
export async function replaceFile(
  path: string,
  { before, after }: { before: Uint8Array; after: Uint8Array },
): Promise<void> {
  await guard(path, async () => {
    using held = await Deno.open(path);
    const like = await held.stat();
    // Whoever holds the lock is about to write. What was opened may have been replaced before the lock was there.
    if (!await held.tryLock(true) || (await Deno.stat(path)).ino !== like.ino) throw changed(path);
    if (!isEqual(await Deno.readFile(path), before)) throw changed(path);
    // A name that nobody has: no file or symlink of somebody else is written to. Nobody else may read it at first.
    const temporary = await Deno.makeTempFile({
      dir: dirname(path),
      prefix: `${basename(path)}.`,
      suffix: ".tmp",
    });
    const open = async () => {
      const file = await Deno.open(temporary, { write: true });
      await giveOwnerAndMode(temporary, like);
      return file;
    };
    await putInPlace(path, { temporary, open, bytes: after }).catch((cause) => {
      if (!(cause instanceof Deno.errors.Busy)) throw cause;
      const what = `Cannot write ${path}: it is a mount of its own, which nothing can take the place of`;
      throw new AccessError(`${what}; change the file that is mounted there`, { cause });
    });
  });
}

/** Turns what the system says into an error that says what to do. */
async function guard(path: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw changed(path, error);
    throw wrapSystemError(error, `Cannot write ${path}`);
  }
}

async function putInPlace(
  path: string,
  { temporary, open, bytes }: { temporary: string; open: () => Promise<Deno.FsFile>; bytes: Uint8Array },
): Promise<void> {
  try {
    {
      using file = await open();
      await writeAll(file, bytes);
      await file.sync();
    }
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
  await syncFolder(dirname(path));
}

/** Only the superuser may give a file away, and only then it has another owner than the file that it replaces. */
async function giveOwnerAndMode(path: string, like: Deno.FileInfo): Promise<void> {
  const now = await Deno.stat(path);
  if (like.uid !== now.uid || like.gid !== now.gid) await Deno.chown(path, like.uid, like.gid);
  if (like.mode !== null) await Deno.chmod(path, like.mode & 0o7777);
}

function changed(path: string, cause?: unknown): UnavailableError {
  const what = `Cannot write ${path}: somebody else has changed or deleted it, or its folder, meanwhile`;
  return new UnavailableError("file_changed", `${what}; look at it, and run the command again`, { cause });
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Makes renames and new names in a folder survive a power cut. */
export async function syncFolder(path: string): Promise<void> {
  using folder = await Deno.open(path);
  await folder.sync();
}
