/**
 * One process's part in a run: which run it is, its stages, and what each of them is given.
 *
 * Stages meet only through the manifest, the work dir, the store and the database, so a session may run all of them or
 * one.
 *
 * @module
 */
import type { Config } from "../config/schema.ts";
import { configHash } from "../config/freeze.ts";
import { ConfigError, DataError } from "../errors.ts";
import { personalColumns } from "../model/model.ts";
import type { PersonalFields } from "../output/personal.ts";
import type { Position } from "../output/position.ts";
import type {
  BeginContext,
  ComputeContext,
  DownloadContext,
  LeaseContext,
  RemoteContext,
  StageContext,
} from "../run/context.ts";
import {
  type Manifest,
  noteStage,
  readManifest,
  requireStagesBefore,
  type StageName,
  writeManifest,
} from "../run/manifest.ts";
import { newRunId, noteStart } from "../run/workdir.ts";
import { databaseBackend } from "../database/open.ts";
import { storeBackend } from "../store/open.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";
import { type ResourceOptions, Resources } from "./resources.ts";
import type { World } from "./world.ts";

/** What the command line says. */
export interface SessionOptions extends ResourceOptions {
  /** A run in place of the newest one. */
  readonly runId: string | null;
}

/** What every stage is given by the process. */
export interface Surroundings extends StageContext, Pick<DownloadContext, "redactor"> {
  /** The session fills it in. */
  readonly position: Position;
  /** Learns which columns of the model tell something about a person. */
  readonly personal: PersonalFields;
  /** Traces and measures each stage. */
  readonly telemetry: Telemetry;
}

/** Traces a part of a stage's work, from when the run is known. */
type Traced = (part: () => Promise<void>) => Promise<void>;

/** See the module's head. Closing it frees everything but the lease, which {@linkcode releaseLease} gives back. */
export class Session implements AsyncDisposable {
  /** The run's document; `null` until there is one. */
  manifest: Manifest | null = null;
  #runFolder = "";
  readonly #options: SessionOptions;
  readonly #world: World;
  readonly #resources: Resources;
  readonly #stage: StageContext & Pick<DownloadContext, "redactor">;
  readonly #position: Position;
  readonly #telemetry: Telemetry;
  readonly #personal: PersonalFields;

  /** Opens nothing yet. */
  constructor(options: SessionOptions, world: World, { position, ...stage }: Surroundings) {
    this.#options = options;
    this.#world = world;
    this.#resources = new Resources(options, world, stage);
    this.#stage = stage;
    this.#position = position;
    this.#telemetry = stage.telemetry;
    this.#personal = stage.personal;
  }

  /** The effective configuration; `null` if no stage needed it. */
  get config(): Config | null {
    return this.#resources.config;
  }

  /** A dry run changes nothing outside a temporary folder. */
  get dryRun(): boolean {
    return this.#options.dryRun;
  }

  /** Begins a run with the stage that makes its manifest. */
  async download(stage: (context: DownloadContext) => Promise<Manifest>): Promise<void> {
    const { redactor } = this.#stage;
    await this.#inStage("download", (traced) =>
      this.#begin(traced, async (begun) => {
        const engine = await this.#resources.openEngine(this.#runFolder, begun.config.resources);
        const { fault: modelFault } = await this.#resources.loadModel();
        this.manifest = await stage({ ...begun, redactor, modelFault, engine });
      }));
  }

  /** Begins a run that has no manifest: all of it is one stage. */
  async replay(stage: (context: BeginContext) => Promise<void>): Promise<void> {
    const start = this.#world.now();
    await this.#begin((part) => this.#telemetry.stage(start, part), stage);
  }

  /** Opens what the beginning of a run needs, and makes its folder. */
  async #begin(traced: Traced, stage: (context: BeginContext) => Promise<void>): Promise<void> {
    const { config, freeze } = await this.#resources.loadConfig();
    const { model } = await this.#resources.loadModel();
    const workDir = this.dryRun
      ? null
      : await this.#resources.lockWorkDir(config.workDir, config.lease.waitSeconds);
    const runId = newRunId(this.#world.now(), this.#world.newId);
    const frozen = freeze(runId);
    this.#position.runId = runId;
    const { log, progress, telemetry, signal } = this.#stage;
    await traced(async () => {
      const store = await this.#resources.openStore(config);
      this.#runFolder = workDir
        ? await workDir.createRun(runId)
        : await this.#resources.makeTemporaryFolder();
      const database = await this.#resources.openDatabase(config, workDir?.path ?? this.#runFolder);
      await stage({
        log,
        progress,
        telemetry,
        signal,
        config,
        model,
        frozen,
        runId,
        dryRun: this.dryRun,
        runFolder: this.#runFolder,
        workDir,
        store,
        database,
        acquireLease: () => this.#resources.acquireLease(database, runId, config),
        beginRun: async (token) => {
          const attempt = await database.beginRun({ runId, token, configHash: configHash(frozen, model) });
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
        const engine = await this.#resources.openEngine(this.#runFolder, manifest.config.resources);
        await stage({ ...this.#stage, manifest, runFolder: this.#runFolder, engine });
      });
    });
  }

  /** Runs a stage that changes store and database, under the run's lease. */
  remote(name: "upload" | "move", stage: (context: RemoteContext) => Promise<void>): Promise<void> {
    return this.#underLease(name, async (context, config) => {
      const saveManifest = () => writeManifest(this.#runFolder, context.manifest);
      await stage({ ...context, store: await this.#resources.openStore(config), saveManifest });
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
      const { workDir } = this.#resources;
      if (manifest === null || workDir === null) return;
      await traced(async () => {
        if (manifest.work === "nothing") {
          this.#sayNothingToDo(name, manifest);
          if (name === "cleanup") await workDir.removeRun(manifest.runId);
          return;
        }
        if (manifest.work === "files") requireStagesBefore(manifest, name);
        const { config, freeze } = await this.#resources.loadConfig();
        requireSamePlaces(freeze(manifest.runId), manifest);
        const database = await this.#resources.openDatabase(config, workDir.path);
        const lease = await this.#resources.resumeLease(database, manifest.token, config);
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
  releaseLease(): Promise<void> {
    return this.#resources.releaseLease();
  }

  /** Closes everything that was opened, in the reverse order. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources[Symbol.asyncDispose]();
  }

  /**
   * Does a stage's work, and notes that it is done. A stage that an error has ended is still the one that the process
   * is in.
   *
   * @param work Is given what traces it.
   */
  async #inStage(name: StageName, work: (traced: Traced) => Promise<void>): Promise<void> {
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

  /** The manifest of the run that a stage works on; `null` if cleanup finds nothing left to clean. */
  async #loadManifest(name: StageName): Promise<Manifest | null> {
    const manifest = this.manifest ?? await this.#findRun(name);
    if (manifest === null) return null;
    const { runId, attempt, model } = manifest;
    this.#personal.add(personalColumns(model));
    Object.assign(this.#position, { runId, attempt: attempt + await noteStart(this.#runFolder, name) - 1 });
    return manifest;
  }

  async #findRun(name: StageName): Promise<Manifest | null> {
    const { runId } = this.#options;
    const path = await this.#resources.workDirPath();
    const workDir = await this.#resources.lockWorkDir(path, 0);
    for (const id of runId === null ? (await workDir.runs()).reverse() : [runId]) {
      const folder = workDir.runFolder(id);
      const manifest = await readManifest(folder);
      if (manifest === null || (runId === null && isOver(manifest))) continue;
      this.#runFolder = folder;
      return this.manifest = manifest;
    }
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
}

function isOver({ stages }: Manifest): boolean {
  return stages.some(({ name }) => name === "cleanup");
}

/** A run keeps the store and the database that it began with; each stage may have an account of its own. */
function requireSamePlaces(frozen: Config, manifest: Manifest): void {
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

function placesOf({ store, database }: Config): { store: unknown; database: unknown } {
  return { store: storeBackend(store).placeOf(store), database: databaseBackend(database).placeOf(database) };
}
