/**
 * One process's part in a run: opens what a stage needs, when it needs it, and gives it to the stage as its context.
 *
 * Stages meet only through the manifest, the work dir, the store and the database, so a session may run all of them or
 * one.
 *
 * @module
 */
import { resolve } from "node:path";
import type { Config } from "../config/schema.ts";
import { configFault, loadConfig, type LoadedConfig, loadWorkDir } from "../config/load.ts";
import { configHash } from "../config/freeze.ts";
import type { ConfigWorld, Environment } from "../config/values.ts";
import type {
  BeginContext,
  ComputeContext,
  DownloadContext,
  LeaseContext,
  RemoteContext,
  StageContext,
} from "../run/context.ts";
import type { Database } from "../database/database.ts";
import type { Engine } from "../engine/engine.ts";
import { ConfigError, DataError } from "../errors.ts";
import { Lease, type Monotonic } from "../run/lease.ts";
import {
  type Manifest,
  noteStage,
  readManifest,
  requireStagesBefore,
  type StageName,
  writeManifest,
} from "../run/manifest.ts";
import type { Position } from "../output/position.ts";
import type { ObjectStore } from "../store/store.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";
import { newRunId, noteStart, runFolder, WorkDir } from "../run/workdir.ts";

/** What the composition root puts in: the outside world. */
export interface World {
  /** The environment. */
  readonly env: Environment;
  /** The wall clock. */
  readonly now: () => Date;
  /** A clock that only goes forward. */
  readonly monotonic: Monotonic;
  /** A fresh random UUID. */
  readonly newId: () => string;
  /** For messages to whoever finds the work dir or the lease taken. */
  readonly holder: string;
  /** Called with the configuration before anything else is opened: the process may give up what that has no use for. */
  giveUpRights(config: Config): void;
  /** Opens the configured store. */
  openStore(config: Config["store"], options: { signal: AbortSignal }): Promise<ObjectStore>;
  /** Opens the configured database. */
  openDatabase(
    config: Config["database"],
    options: { workDir: string; resources: Config["resources"]; readOnly: boolean; signal: AbortSignal },
  ): Promise<Database>;
  /** Opens an engine locked to the run's folder. */
  openEngine(
    options: { folder: string; resources: Config["resources"]; signal: AbortSignal },
  ): Promise<Engine>;
}

/** What the command line says. */
export interface SessionOptions {
  /** The configuration file. */
  readonly configPath: string;
  /** In place of the configured one. */
  readonly workDir: string | null;
  /** In place of the newest one. */
  readonly runId: string | null;
  /** Change nothing. */
  readonly dryRun: boolean;
  /** Whose lease it is, in place of the work dir's own id. */
  readonly leaseOwner: string | null;
}

/** What every stage is given by the process. */
export interface Surroundings extends StageContext, Pick<DownloadContext, "redactor"> {
  /** The session fills it in. */
  readonly position: Position;
  /** Traces and measures each stage. */
  readonly telemetry: Telemetry;
}

/** Traces a part of a stage's work, from when the run is known. */
type Traced = (part: () => Promise<void>) => Promise<void>;

/** See the module's head. Closing it frees everything but the lease, which {@linkcode releaseLease} gives back. */
export class Session implements AsyncDisposable {
  /** The run's document; `null` until there is one. */
  manifest: Manifest | null = null;
  readonly #options: SessionOptions;
  readonly #world: World;
  readonly #stage: StageContext & Pick<DownloadContext, "redactor">;
  readonly #position: Position;
  readonly #telemetry: Telemetry;
  readonly #open = new AsyncDisposableStack();
  #loaded: LoadedConfig | null = null;
  #workDir: WorkDir | null = null;
  #runFolder = "";
  #engine: Engine | null = null;
  #store: ObjectStore | null = null;
  #database: Database | null = null;
  #lease: Lease | null = null;

  /** Opens nothing yet. */
  constructor(
    options: SessionOptions,
    world: World,
    { position, ...stage }: Surroundings,
  ) {
    this.#options = options;
    this.#world = world;
    this.#stage = stage;
    this.#position = position;
    this.#telemetry = stage.telemetry;
  }

  /** The effective configuration; `null` where no stage needed it. */
  get config(): Config | null {
    return this.#loaded?.config ?? null;
  }

  /** A dry run changes nothing outside a temporary folder. */
  get dryRun(): boolean {
    return this.#options.dryRun;
  }

  /** Begins a run with the stage that makes its manifest. */
  async download(stage: (context: DownloadContext) => Promise<Manifest>): Promise<void> {
    const { redactor } = this.#stage;
    const configFaultOf: DownloadContext["configFault"] = (key, what) =>
      configFault(this.#options.configPath, key, what);
    await this.#inStage("download", (traced) =>
      this.#begin(traced, async (begun) => {
        const engine = await this.#openEngine(begun.config.resources);
        this.manifest = await stage({ ...begun, redactor, configFault: configFaultOf, engine });
      }));
  }

  /** Begins a run that has no manifest: all of it is one stage. */
  async replay(stage: (context: BeginContext) => Promise<void>): Promise<void> {
    const start = this.#world.now();
    await this.#begin((part) => this.#telemetry.stage(start, part), stage);
  }

  /** Opens what the beginning of a run needs, and makes its folder. */
  async #begin(traced: Traced, stage: (context: BeginContext) => Promise<void>): Promise<void> {
    const { config, freeze } = await this.#loadConfig();
    const workDir = this.dryRun ? null : await this.#lockWorkDir(config.workDir, config.lease.waitSeconds);
    const runId = newRunId(this.#world.now(), this.#world.newId);
    const frozen = freeze(runId);
    this.#position.runId = runId;
    const { log, progress, telemetry, signal } = this.#stage;
    await traced(async () => {
      const store = await this.#openStore(config);
      this.#runFolder = workDir ? await workDir.createRun(runId) : await this.#temporaryFolder();
      const database = await this.#openDatabase(config, workDir?.path ?? this.#runFolder);
      await stage({
        log,
        progress,
        telemetry,
        signal,
        config,
        frozen,
        runId,
        dryRun: this.dryRun,
        runFolder: this.#runFolder,
        workDir,
        store,
        database,
        acquireLease: async () => {
          const owner = this.#options.leaseOwner ?? await workDir?.owner(this.#world.newId) ?? "";
          const { holder, monotonic } = this.#world;
          const options = { ...config.lease, monotonic, signal };
          return this.#keep(await Lease.acquire(database, { owner, holder, runId }, options));
        },
        beginRun: async (token) => {
          const attempt = await database.beginRun({ runId, token, configHash: configHash(frozen) });
          return this.#position.attempt = attempt;
        },
      });
    });
  }

  /** Runs a stage that touches the run's folder only. */
  async compute(name: StageName, stage: (context: ComputeContext) => Promise<void>): Promise<void> {
    await this.#inStage(name, async (traced) => {
      const manifest = await this.#loadManifest(name);
      if (manifest === null) return;
      await traced(async () => {
        if (manifest.work !== "files") return this.#sayNothingToDo(name, manifest);
        requireStagesBefore(manifest, name);
        const engine = await this.#openEngine(manifest.config.resources);
        await stage({ ...this.#stage, manifest, runFolder: this.#runFolder, engine });
      });
    });
  }

  /** Runs a stage that changes store and database, under the run's lease. */
  remote(name: "upload" | "move", stage: (context: RemoteContext) => Promise<void>): Promise<void> {
    return this.#underLease(name, async (context, config) => {
      const saveManifest = () => writeManifest(this.#runFolder, context.manifest);
      await stage({ ...context, store: await this.#openStore(config), saveManifest });
    });
  }

  /** Runs the last stage, which needs no store. */
  cleanup(stage: (context: LeaseContext) => Promise<void>): Promise<void> {
    return this.#underLease("cleanup", stage);
  }

  #underLease(
    name: StageName,
    stage: (context: LeaseContext, config: Config) => Promise<void>,
  ): Promise<void> {
    return this.#inStage(name, async (traced) => {
      const manifest = await this.#loadManifest(name);
      const workDir = this.#workDir;
      if (manifest === null || workDir === null) return;
      await traced(async () => {
        if (manifest.work === "nothing") {
          this.#sayNothingToDo(name, manifest);
          if (name === "cleanup") await workDir.removeRun(manifest.runId);
          return;
        }
        if (manifest.work === "files") requireStagesBefore(manifest, name);
        const { config, freeze } = await this.#loadConfig();
        requireSameStores(freeze(manifest.runId), manifest);
        const database = await this.#openDatabase(config, workDir.path);
        const { ttlSeconds } = config.lease;
        const { monotonic } = this.#world;
        this.#lease ??= await Lease.resume(database, manifest.token, { ttlSeconds, monotonic });
        const lease = this.#keep(this.#lease);
        await stage(
          { ...this.#stage, manifest, runFolder: this.#runFolder, workDir, database, lease },
          config,
        );
      });
    });
  }

  #sayNothingToDo(stage: StageName, { runId }: Manifest): void {
    this.#stage.log.info("{stage}: nothing to do, run {runId} has no new files", { stage, runId });
  }

  /** Gives the lease back, if this session has it. */
  async releaseLease(): Promise<void> {
    await this.#lease?.release();
    this.#lease = null;
  }

  /** Closes everything that was opened, in the reverse order. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#open.disposeAsync();
  }

  /**
   * Does a stage's work, and notes that it is done. A stage that failed is still the one that the process is in.
   *
   * @param work Is given what traces it.
   */
  async #inStage(
    name: StageName,
    work: (traced: Traced) => Promise<void>,
  ): Promise<void> {
    const task = this.#position.stage;
    const start = this.#world.now();
    const startedMs = this.#world.monotonic();
    this.#position.stage = name;
    await work((part) => this.#telemetry.stage(start, part));
    await this.#finishStage(name, Math.round(this.#world.monotonic() - startedMs));
    this.#position.stage = task;
  }

  async #finishStage(name: StageName, durationMs: number): Promise<void> {
    const manifest = this.manifest;
    if (manifest === null) return;
    noteStage(manifest, name, durationMs);
    this.#telemetry.measure(name, durationMs, manifest);
    const present = await Deno.stat(this.#runFolder).then(() => true, () => false);
    // Cleanup has deleted the folder, unless source files are still to be moved.
    if (present) await writeManifest(this.#runFolder, manifest);
  }

  async #loadConfig(): Promise<LoadedConfig> {
    if (this.#loaded === null) {
      const { configPath, workDir } = this.#options;
      const loaded = await loadConfig(configPath, this.#configWorld);
      if (workDir !== null) loaded.config.workDir = resolve(workDir);
      for (const [field, { source }] of loaded.origins) {
        this.#stage.log.debug("Configuration: {field} comes from {source}", { field, source });
      }
      this.#world.giveUpRights(loaded.config);
      this.#loaded = loaded;
    }
    return this.#loaded;
  }

  get #configWorld(): ConfigWorld {
    return { env: this.#world.env, redactor: this.#stage.redactor };
  }

  /** The manifest of the run that a stage works on; `null` where cleanup finds nothing left to clean. */
  async #loadManifest(name: StageName): Promise<Manifest | null> {
    const manifest = this.manifest ??= await this.#findManifest(name);
    if (manifest === null) return null;
    const { runId, attempt } = manifest;
    Object.assign(this.#position, { runId, attempt: attempt + await noteStart(this.#runFolder, name) - 1 });
    return manifest;
  }

  async #findManifest(name: StageName): Promise<Manifest | null> {
    const { workDir: given, configPath, runId } = this.#options;
    const path = given === null ? await loadWorkDir(configPath, this.#configWorld) : resolve(given);
    const workDir = await this.#lockWorkDir(path, 0);
    const manifest = runId === null
      ? await this.#newestManifest(workDir)
      : await readManifest(this.#runFolder = runFolder(path, runId));
    if (manifest !== null) return manifest;
    if (name === "cleanup" && runId === null) {
      this.#stage.log.info("cleanup: nothing to do, there is no run in {path}", { path });
      return null;
    }
    const which = runId === null ? "there is no run" : `there is no run ${runId}`;
    throw new DataError(
      "stage_out_of_order",
      `Cannot run ${name}: ${which} in ${path}, download has not run yet; run "deno task download" first`,
    );
  }

  /** The newest run that is not over yet. */
  async #newestManifest(workDir: WorkDir): Promise<Manifest | null> {
    for (const runId of (await workDir.runs()).reverse()) {
      this.#runFolder = workDir.runFolder(runId);
      const manifest = await readManifest(this.#runFolder);
      if (manifest && !manifest.stages.some((stage) => stage.name === "cleanup")) return manifest;
    }
    return null;
  }

  async #lockWorkDir(path: string, waitSeconds: number): Promise<WorkDir> {
    if (this.#workDir === null) {
      const { signal } = this.#stage;
      const holder = `${this.#world.holder} (since ${this.#world.now().toISOString()})`;
      const { monotonic } = this.#world;
      this.#workDir = this.#keep(await WorkDir.open(path, { holder, waitSeconds, monotonic, signal }));
    }
    return this.#workDir;
  }

  async #temporaryFolder(): Promise<string> {
    const folder = await Deno.makeTempDir({ prefix: "nightly-marts-" });
    this.#open.defer(() => Deno.remove(folder, { recursive: true }));
    return folder;
  }

  async #openEngine(resources: Config["resources"]): Promise<Engine> {
    this.#engine ??= this.#open.use(
      await this.#world.openEngine({ folder: this.#runFolder, resources, signal: this.#stage.signal }),
    );
    return this.#engine;
  }

  async #openStore(config: Config): Promise<ObjectStore> {
    const { log, signal } = this.#stage;
    if (config.store.kind === "s3" && this.#telemetry.tracesRequests) {
      log.warn(
        "Requests to S3 are traced with their URLs: set OTEL_TRACES_SAMPLER=parentbased_always_on to leave them out",
      );
    }
    return this.#store ??= this.#open.use(await this.#world.openStore(config.store, { signal }));
  }

  async #openDatabase(config: Config, workDir: string): Promise<Database> {
    const { signal } = this.#stage;
    return this.#database ??= this.#open.use(
      await this.#world.openDatabase(config.database, {
        workDir,
        resources: config.resources,
        readOnly: this.dryRun,
        signal,
      }),
    );
  }

  /** Disposes of a resource when the session closes. */
  #keep<T extends Disposable>(resource: T): T {
    if (resource instanceof Lease) this.#lease = resource;
    return this.#open.use(resource);
  }
}

/** A run keeps the store and the database that it began with; each stage may have an account of its own. */
function requireSameStores(frozen: Config, manifest: Manifest): void {
  const now = placesOf(frozen), then = placesOf(manifest.config);
  for (const part of ["store", "database"] as const) {
    if (JSON.stringify(now[part]) === JSON.stringify(then[part])) continue;
    throw new ConfigError(
      "config_changed",
      `Cannot go on with run ${manifest.runId}: "${part}" in the configuration is not what it was when the run began; ` +
        'change it back, or run "deno task download" to begin anew',
    );
  }
}

function placesOf({ store, database }: Config): Pick<Config, "store" | "database"> {
  return { store, database: database.kind === "mysql" ? { ...database, user: "" } : database };
}
