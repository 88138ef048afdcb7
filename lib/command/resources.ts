/**
 * What a session opens: each when a stage asks for it first, all closed together in the reverse order.
 *
 * A stage that needs no store must not depend on one, and a compute stage may not even read the configuration: so
 * nothing is opened before it is needed.
 *
 * @module
 */
import { resolve } from "node:path";
import { loadConfig, type LoadedConfig, loadWorkDir } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import type { ConfigWorld } from "../config/values.ts";
import type { Database } from "../database/database.ts";
import type { Engine } from "../engine/engine.ts";
import { type LoadedModel, loadModel } from "../model/load.ts";
import { personalColumns } from "../model/model.ts";
import type { PersonalFields } from "../output/personal.ts";
import type { StageContext } from "../run/context.ts";
import { Lease } from "../run/lease.ts";
import { WorkDir } from "../run/workdir.ts";
import type { Redactor } from "../secrets/redactor.ts";
import { storeBackend } from "../store/open.ts";
import type { ObjectStore } from "../store/store.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";
import type { World } from "./world.ts";

/** What the command line says of resources. */
export interface ResourceOptions {
  /** The configuration file. */
  readonly configPath: string;
  /** A work dir in place of the configured one. */
  readonly workDir: string | null;
  /** Whose lease it is, in place of the work dir's own id. */
  readonly leaseOwner: string | null;
  /** Nothing is to be changed. */
  readonly dryRun: boolean;
}

/** What resources are opened with, of what the process has. */
export interface ResourceContext extends Pick<StageContext, "log" | "signal"> {
  /** Learns every secret before it is used. */
  readonly redactor: Redactor;
  /** Learns which columns of the model tell something about a person. */
  readonly personal: PersonalFields;
  /** Says whether requests to the store are traced. */
  readonly telemetry: Pick<Telemetry, "tracesRequests">;
}

/** See the module's head. Closing them leaves the lease as it is, which {@linkcode Resources.releaseLease} gives back. */
export class Resources implements AsyncDisposable {
  readonly #options: ResourceOptions;
  readonly #world: World;
  readonly #context: ResourceContext;
  readonly #open = new AsyncDisposableStack();
  #loaded: LoadedConfig | null = null;
  #model: LoadedModel | null = null;
  #workDir: WorkDir | null = null;
  #engine: Engine | null = null;
  #store: ObjectStore | null = null;
  #database: Database | null = null;
  #lease: Lease | null = null;

  /** Opens nothing yet. */
  constructor(options: ResourceOptions, world: World, context: ResourceContext) {
    this.#options = options;
    this.#world = world;
    this.#context = context;
  }

  /** The effective configuration; `null` until something needed it. */
  get config(): Config | null {
    return this.#loaded?.config ?? null;
  }

  /** Reads the configuration; the process gives up the rights that it has no use for. */
  async loadConfig(): Promise<LoadedConfig> {
    if (this.#loaded === null) {
      const { configPath, workDir } = this.#options;
      const loaded = await loadConfig(configPath, this.#configWorld);
      if (workDir !== null) loaded.config.workDir = resolve(workDir);
      for (const [field, { source }] of loaded.origins) {
        this.#context.log.debug("Configuration: {field} comes from {source}", { field, source });
      }
      this.#world.giveUpRights(loaded.config);
      this.#loaded = loaded;
    }
    return this.#loaded;
  }

  /** Reads the model that the configuration names, and fills in what of the configuration is the model's. */
  async loadModel(): Promise<LoadedModel> {
    if (this.#model === null) {
      this.#model = await loadModel(await this.loadConfig());
      this.#context.personal.add(personalColumns(this.#model.model));
    }
    return this.#model;
  }

  /** The work dir's path, without the rest of the configuration. */
  async workDirPath(): Promise<string> {
    const { workDir, configPath } = this.#options;
    return workDir === null ? await loadWorkDir(configPath, this.#configWorld) : resolve(workDir);
  }

  get #configWorld(): ConfigWorld {
    return { env: this.#world.env, redactor: this.#context.redactor };
  }

  /** The work dir, if it is locked. */
  get workDir(): WorkDir | null {
    return this.#workDir;
  }

  /** Locks the work dir; waits for another process for so many seconds. */
  async lockWorkDir(path: string, waitSeconds: number): Promise<WorkDir> {
    if (this.#workDir === null) {
      const { signal } = this.#context;
      const holder = `${this.#world.holder} (since ${this.#world.now().toISOString()})`;
      this.#workDir = this.#open.use(
        await WorkDir.open(path, { holder, waitSeconds, monotonic: this.#world.monotonic, signal }),
      );
    }
    return this.#workDir;
  }

  /** Makes a folder that is deleted at the end. */
  async makeTemporaryFolder(): Promise<string> {
    const folder = await Deno.makeTempDir({ prefix: "nightly-marts-" });
    this.#open.defer(() => Deno.remove(folder, { recursive: true }));
    return folder;
  }

  /** Opens the engine, locked to a run's folder. */
  async openEngine(folder: string, resources: Config["resources"]): Promise<Engine> {
    const { signal } = this.#context;
    return this.#engine ??= this.#open.use(await this.#world.openEngine({ folder, resources, signal }));
  }

  /** Opens the store. */
  async openStore({ store: settings }: Config): Promise<ObjectStore> {
    const { log, signal, redactor, telemetry } = this.#context;
    if (storeBackend(settings).sendsRequests && telemetry.tracesRequests) {
      log.warn(
        "Requests to S3 are traced with their URLs: set OTEL_TRACES_SAMPLER=parentbased_always_on to leave them out",
      );
    }
    const learnSecret = (value: string) => redactor.add(value);
    return this.#store ??= this.#open.use(
      await this.#world.openStore(settings, { now: this.#world.now, learnSecret, signal }),
    );
  }

  /** Opens the database, which may write below the work dir. */
  async openDatabase({ database: settings, resources }: Config, workDir: string): Promise<Database> {
    const { newId, monotonic } = this.#world;
    const { signal } = this.#context;
    const readOnly = this.#options.dryRun;
    return this.#database ??= this.#open.use(
      await this.#world.openDatabase(settings, { workDir, resources, readOnly, newId, monotonic, signal }),
    );
  }

  /** Takes the lease for a run. */
  async acquireLease(database: Database, runId: string, config: Config): Promise<Lease> {
    const { newId, holder, monotonic } = this.#world;
    const owner = this.#options.leaseOwner ?? await this.#workDir?.owner(newId) ?? "";
    const options = { ...config.lease, monotonic, signal: this.#context.signal };
    return this.#lease = this.#open.use(await Lease.acquire(database, { owner, holder, runId }, options));
  }

  /** Goes on with the lease that an earlier stage of the run has taken. */
  async resumeLease(database: Database, token: number, config: Config): Promise<Lease> {
    const { ttlSeconds } = config.lease;
    const { monotonic } = this.#world;
    return this.#lease ??= this.#open.use(await Lease.resume(database, token, { ttlSeconds, monotonic }));
  }

  /** Gives the lease back, if this process has it. */
  async releaseLease(): Promise<void> {
    await this.#lease?.release();
    this.#lease = null;
  }

  /** Closes everything that was opened, in the reverse order. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#open.disposeAsync();
  }
}
