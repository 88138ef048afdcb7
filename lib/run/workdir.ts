/**
 * The work dir: a folder for each run, this work dir's own id, and a lock that lets one process work in it at a time.
 *
 * The lock is one of the kernel, which ends with its process, so that a restart after `kill -9` goes on at once; the
 * file stays behind and says who held it last.
 *
 * @module
 */
import { join } from "node:path";
import { writeFileAtomic } from "../atomic_file.ts";
import { DataError, UnavailableError, wrapSystemError } from "../errors.ts";
import type { Monotonic } from "./lease.ts";

const LOCK_RETRY_MS = 100;
/** Sortable: UTC to the second, and four random digits. */
const RUN_ID = /^\d{8}T\d{6}Z-[0-9a-f]{4}$/;

/** A locked work dir; disposing of it frees the lock. */
export class WorkDir implements Disposable {
  /** Absolute path. */
  readonly path: string;
  readonly #lock: Deno.FsFile;

  private constructor(path: string, lock: Deno.FsFile) {
    this.path = path;
    this.#lock = lock;
  }

  /**
   * Makes the folder if it is missing and takes its lock.
   *
   * @param options.holder Written into the lock for whoever finds it taken.
   * @param options.waitSeconds How long to wait for another process.
   * @param options.monotonic The clock that the wait is measured by.
   * @throws {UnavailableError} `lease_held`, naming the holder.
   */
  static async open(
    path: string,
    options: { holder: string; waitSeconds: number; monotonic: Monotonic; signal: AbortSignal },
  ): Promise<WorkDir> {
    const { holder, waitSeconds, monotonic, signal } = options;
    const file = join(path, "lock");
    let lock: Deno.FsFile | null = null;
    try {
      await Deno.mkdir(join(path, "runs"), { recursive: true });
      lock = await Deno.open(file, { read: true, write: true, create: true });
      const deadline = monotonic() + waitSeconds * 1000;
      while (!await lock.tryLock(true)) {
        signal.throwIfAborted();
        if (monotonic() >= deadline) {
          const other = (await Deno.readTextFile(file)).trim() || "another process";
          throw new UnavailableError(
            "lease_held",
            `Cannot work in ${path}: ${other} is at work there; wait until it is done, or stop it, and run again`,
          );
        }
        await new Promise((done) => setTimeout(done, LOCK_RETRY_MS));
      }
      await lock.truncate();
      await lock.write(new TextEncoder().encode(holder + "\n"));
      return new WorkDir(path, lock);
    } catch (error) {
      lock?.close();
      throw wrapSystemError(error, `Cannot use the work dir ${path}`);
    }
  }

  /** This work dir's own id, made if it is missing: the owner of leases that were taken from here. */
  async owner(newId: () => string): Promise<string> {
    const file = join(this.path, "owner");
    try {
      const id = (await Deno.readTextFile(file)).trim();
      if (id !== "") return id;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw wrapSystemError(error, `Cannot read ${file}`);
    }
    const id = newId();
    await writeFileAtomic(file, id + "\n");
    return id;
  }

  /** The folder of a run. */
  runFolder(runId: string): string {
    return runFolder(this.path, runId);
  }

  /** The runs that have a folder here, oldest first. */
  async runs(): Promise<string[]> {
    const found: string[] = [];
    for await (const entry of Deno.readDir(join(this.path, "runs"))) {
      if (RUN_ID.test(entry.name)) found.push(entry.name);
    }
    return found.sort();
  }

  /** Makes the folder of a new run. */
  async createRun(runId: string): Promise<string> {
    const folder = this.runFolder(runId);
    try {
      await Deno.mkdir(folder);
    } catch (error) {
      throw wrapSystemError(error, `Cannot make the run's folder ${folder}`);
    }
    return folder;
  }

  /** Deletes a run's folder, whole. */
  async removeRun(runId: string): Promise<void> {
    const folder = this.runFolder(runId);
    try {
      await Deno.remove(folder, { recursive: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw wrapSystemError(error, `Cannot delete ${folder}`);
    }
  }

  /** Frees the lock. */
  [Symbol.dispose](): void {
    this.#lock.close();
  }
}

/** The folder of a run in a work dir. */
export function runFolder(workDir: string, runId: string): string {
  if (!RUN_ID.test(runId)) {
    throw new DataError(
      "unknown_run",
      `Cannot find run ${runId}: a run id has the form 20230401T020000Z-7f3a`,
    );
  }
  return join(workDir, "runs", runId);
}

/** Notes that a stage of a run starts; gives how often it has been started, this time included. */
export async function noteStart(runFolder: string, stage: string): Promise<number> {
  const file = join(runFolder, "starts");
  try {
    await Deno.writeTextFile(file, `${stage}\n`, { append: true });
    const starts = (await Deno.readTextFile(file)).split("\n");
    return starts.filter((started) => started === stage).length;
  } catch (error) {
    throw wrapSystemError(error, `Cannot note the start of ${stage} in ${file}`);
  }
}

/** A new run id: UTC to the second, and four random hex digits. */
export function newRunId(now: Date, newId: () => string): string {
  return `${now.toISOString().replace(/[-:]|\.\d+/g, "")}-${newId().slice(0, 4)}`;
}
