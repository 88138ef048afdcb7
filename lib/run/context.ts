/**
 * What a stage is given. A stage is a function of one of these and names the parts that it uses.
 *
 * @module
 */
import type { ValuePath } from "../config/document.ts";
import type { Config } from "../config/schema.ts";
import type { Model } from "../model/model.ts";
import type { Database } from "../database/database.ts";
import type { Engine } from "../engine/engine.ts";
import type { ConfigError } from "../errors.ts";
import type { Lease } from "./lease.ts";
import type { Log } from "../output/log.ts";
import type { Manifest } from "./manifest.ts";
import type { Progress } from "../output/progress.ts";
import type { Redactor } from "../secrets/redactor.ts";
import type { ObjectStore } from "../store/store.ts";
import type { WorkDir } from "./workdir.ts";

/** Traces the work on single files. */
export interface FileTracer {
  /**
   * Does the work on one file within a span; without one beyond the first thousand of a stage.
   *
   * @param what Names the span.
   * @param outcomeOf What has become of the file, in a word of this program.
   */
  file<T>(what: string, key: string, work: () => Promise<T>, outcomeOf: (result: T) => string): Promise<T>;
}

/** What every stage has. */
export interface StageContext {
  /** What happens, for the operator. */
  readonly log: Log;
  /** How far a long step is. */
  readonly progress: Progress;
  /** For what works file by file. */
  readonly telemetry: FileTracer;
  /** Aborted by SIGINT and SIGTERM, with the `InterruptedError` as its reason. */
  readonly signal: AbortSignal;
}

/** What begins a run has: download, and replay. */
export interface BeginContext extends StageContext {
  /** The effective configuration. */
  readonly config: Config;
  /** What the run makes of its files; its queries are not described yet. */
  readonly model: Model;
  /** The same without its secrets, for the manifest. */
  readonly frozen: Config;
  /** The id of the run that begins. */
  readonly runId: string;
  /** Changes nothing: no lease, no registration, a temporary run folder. */
  readonly dryRun: boolean;
  /** The run's folder, an absolute path; empty at first. */
  readonly runFolder: string;
  /** `null` for a dry run. */
  readonly workDir: WorkDir | null;
  /** The object store. */
  readonly store: ObjectStore;
  /** The database. */
  readonly database: Database;
  /** Takes the lease for this run. */
  acquireLease(): Promise<Lease>;
  /** Registers the run under the lease with this token; gives which try it is. */
  beginRun(token: number): Promise<number>;
}

/** What download has: it makes the run that the other stages work on. */
export interface DownloadContext extends BeginContext {
  /** Takes known secrets out of text from outside before it is kept. */
  readonly redactor: Redactor;
  /** The error for an entry of the model that turns out to be wrong; says where it was given. */
  modelFault(path: ValuePath, what: string): ConfigError;
  /** Locked to the run's folder. */
  readonly engine: Engine;
}

/** What validate and the transforms have: the run's folder and an engine locked to it. */
export interface ComputeContext extends StageContext {
  /** The run's document; a stage fills in its part. */
  readonly manifest: Manifest;
  /** The run's folder, an absolute path. */
  readonly runFolder: string;
  /** Locked to the run's folder. */
  readonly engine: Engine;
}

/** What cleanup has. */
export interface LeaseContext extends StageContext {
  /** The run's document; a stage fills in its part. */
  readonly manifest: Manifest;
  /** The run's folder, an absolute path. */
  readonly runFolder: string;
  /** Locked by this process. */
  readonly workDir: WorkDir;
  /** The database. */
  readonly database: Database;
  /** To be held before every remote effect. */
  readonly lease: Lease;
}

/** What upload and move have. */
export interface RemoteContext extends LeaseContext {
  /** The object store. */
  readonly store: ObjectStore;
  /** Writes the manifest at once, so that a later crash finds what happened. */
  saveManifest(): Promise<void>;
}
