/**
 * A Pod as a kubelet would run it, by a container engine: one container after the other, each with the arguments,
 * environment, mounts, limits and security settings of the manifest, on one work volume that ends with the Pod.
 *
 * @module
 */
import { type Docker, type Ended, endedOf } from "./docker.ts";
import { IMAGE } from "./image.ts";

/** A container of a Pod, as far as it matters here. */
export interface Container {
  readonly name: string;
  readonly args: readonly string[];
  readonly env?: readonly Variable[];
  /** `cpu` and `memory`. */
  readonly resources: { readonly limits: Readonly<Record<string, string>> };
  readonly securityContext: {
    readonly allowPrivilegeEscalation: boolean;
    readonly readOnlyRootFilesystem: boolean;
    readonly capabilities: { readonly drop: readonly string[] };
  };
  readonly terminationMessagePath: string;
  readonly volumeMounts: readonly {
    readonly name: string;
    readonly mountPath: string;
    readonly readOnly?: boolean;
  }[];
}

/** An environment variable. */
export interface Variable {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: {
    readonly fieldRef?: { readonly fieldPath: string };
    readonly configMapKeyRef?: { readonly name: string; readonly key: string };
  };
}

/** A Pod's specification, as far as it matters here. */
export interface PodSpec {
  readonly terminationGracePeriodSeconds: number;
  readonly securityContext: {
    readonly runAsUser: number;
    readonly runAsGroup: number;
    readonly fsGroup: number;
  };
  /** The stages but the last, in their order. */
  readonly initContainers: readonly Container[];
  /** The last stage. */
  readonly containers: readonly Container[];
  readonly volumes: readonly { readonly name: string; readonly emptyDir?: object }[];
}

/** What a Pod is given by its cluster. */
export interface Cluster {
  readonly docker: Docker;
  readonly spec: PodSpec;
  /** The network of the containers that may use one. */
  readonly network: string;
  /** Host names that resolve there, with their addresses. */
  readonly hosts: Readonly<Record<string, string>>;
  /** What references in the manifest come to: a field's path, or `NAME/KEY` of a ConfigMap. */
  readonly references: Readonly<Record<string, string>>;
  /** Folders of this machine by the name of the volume that they are: ConfigMaps and secrets. */
  readonly folders: Readonly<Record<string, string>>;
}

/** How a container ended. */
export interface ContainerEnded extends Ended {
  readonly name: string;
  /** From the start of the client to the container's end. */
  readonly durationMs: number;
  /** Whether the kernel killed something in it for want of memory. */
  readonly outOfMemory: boolean;
  /** What it wrote into the file that the kubelet reads at the end. */
  readonly terminationMessage: string;
}

/** How a container is run, where not just as the manifest says. */
export interface RunOptions {
  /** Further arguments. */
  readonly args?: readonly string[];
  /** What happens while it runs; it ends by itself when the container has ended. */
  readonly meanwhile?: (id: string, ended: AbortSignal) => Promise<void>;
}

/** The flags by which the engine holds a container to its security settings. */
export function securityFlags(spec: PodSpec, { securityContext: own }: Container): string[] {
  const { runAsUser, runAsGroup, fsGroup } = spec.securityContext;
  return [
    `--user=${runAsUser}:${runAsGroup}`,
    `--group-add=${fsGroup}`,
    ...(own.readOnlyRootFilesystem ? ["--read-only"] : []),
    ...(own.allowPrivilegeEscalation ? [] : ["--security-opt=no-new-privileges"]),
    ...own.capabilities.drop.map((capability) => `--cap-drop=${capability}`),
  ];
}

/** A Pod with a fresh work volume. */
export class Pod implements AsyncDisposable {
  /** The work volume's name in the engine. */
  readonly volume: string;
  readonly #cluster: Cluster;
  readonly #terminationLog: string;

  private constructor(cluster: Cluster, volume: string, terminationLog: string) {
    this.#cluster = cluster;
    this.volume = volume;
    this.#terminationLog = terminationLog;
  }

  /** Makes the work volume. */
  static async create(cluster: Cluster): Promise<Pod> {
    const terminationLog = await Deno.makeTempFile({ prefix: "termination-log-" });
    await Deno.chmod(terminationLog, 0o666);
    return new Pod(cluster, await cluster.docker.run("volume", "create"), terminationLog);
  }

  /** The containers in their order. */
  get containers(): readonly Container[] {
    const { initContainers, containers } = this.#cluster.spec;
    return [...initContainers, ...containers];
  }

  /** Runs the containers in their order, all of them or those before one of them; stops at the first that fails. */
  async run({ before, ...options }: RunOptions & { before?: string } = {}): Promise<ContainerEnded[]> {
    const ended: ContainerEnded[] = [];
    for (const { name } of this.containers) {
      if (name === before) break;
      ended.push(await this.runContainer(name, options));
      if (ended.at(-1)?.code !== 0) break;
    }
    return ended;
  }

  /** Runs one container to its end. */
  async runContainer(name: string, { args: more = [], meanwhile }: RunOptions = {}): Promise<ContainerEnded> {
    const container = this.containers.find((container) => container.name === name);
    if (!container) throw new RangeError(`The Pod has no container ${name}`);
    const { docker } = this.#cluster;
    await Deno.truncate(this.#terminationLog);
    const words = [...this.#flags(container), IMAGE, ...this.#args(container), ...more];
    const id = await docker.run("create", ...words);
    try {
      const startedMs = performance.now();
      const ended = new AbortController();
      const args = ["start", "--attach", id];
      const process = docker.command(args).spawn();
      const other = meanwhile?.(id, ended.signal);
      const { code, stdout, stderr } = await process.output();
      const durationMs = performance.now() - startedMs;
      ended.abort();
      await other;
      const outOfMemory = await docker.run("inspect", "--format={{.State.OOMKilled}}", id) === "true";
      const terminationMessage = await Deno.readTextFile(this.#terminationLog);
      return {
        ...endedOf([...args, name], code, stdout, stderr),
        ...{ name, durationMs, outOfMemory, terminationMessage },
      };
    } finally {
      await docker.run("rm", "--force", id);
    }
  }

  /** Copies what the work volume holds into a folder, which is replaced. */
  async copyWork(folder: string): Promise<void> {
    const { docker } = this.#cluster;
    await Deno.remove(folder, { recursive: true }).catch(() => {});
    const id = await docker.run("create", `--volume=${this.volume}:/work`, IMAGE);
    await docker.run("cp", "--quiet", `${id}:/work`, folder);
    await docker.run("rm", id);
  }

  /** Deletes the work volume. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cluster.docker.run("volume", "rm", this.volume);
    await Deno.remove(this.#terminationLog);
  }

  #flags(container: Container): string[] {
    const { spec, network, hosts } = this.#cluster;
    const { cpu = "", memory = "" } = container.resources.limits;
    const memoryBytes = bytesOf(memory);
    // No container gets more network than its stage may use.
    const isOnline = container.args.some((arg) => arg.startsWith("--allow-net"));
    const names = Object.entries(hosts).map(([name, address]) => `--add-host=${name}:${address}`);
    return [
      ...securityFlags(spec, container),
      ...(isOnline ? [`--network=${network}`, ...names] : ["--network=none"]),
      // Without the second it may take as much again of swap.
      ...[`--memory=${memoryBytes}`, `--memory-swap=${memoryBytes}`, `--cpus=${coresOf(cpu)}`],
      ...Object.entries(this.#env(container)).map(([name, value]) => `--env=${name}=${value}`),
      ...this.#mounts(container).map((mount) => `--volume=${mount}`),
      `--volume=${this.#terminationLog}:${container.terminationMessagePath}`,
    ];
  }

  #env({ env = [] }: Container): Record<string, string> {
    return Object.fromEntries(env.map(({ name, value, valueFrom }) => {
      if (value !== undefined) return [name, value];
      const { fieldRef, configMapKeyRef } = valueFrom ?? {};
      // Its name ends in a hash of what it holds.
      const configMap = configMapKeyRef?.name.replace(/-[a-z0-9]{10}$/, "");
      const reference = fieldRef?.fieldPath ?? `${configMap}/${configMapKeyRef?.key}`;
      const found = this.#cluster.references[reference];
      if (found === undefined) {
        throw new RangeError(`The manifest refers to ${reference}, which is not given`);
      }
      return [name, found];
    }));
  }

  /** The arguments, `$(NAME)` replaced as a kubelet does it. */
  #args(container: Container): string[] {
    const env = this.#env(container);
    return container.args.map((arg) => arg.replaceAll(/\$\((\w+)\)/g, (whole, name) => env[name] ?? whole));
  }

  #mounts({ volumeMounts }: Container): string[] {
    return volumeMounts.map(({ name, mountPath, readOnly }) => {
      const isWork = this.#cluster.spec.volumes.find((volume) => volume.name === name)?.emptyDir;
      const source = isWork ? this.volume : this.#cluster.folders[name];
      if (!source) throw new RangeError(`The manifest mounts ${name}, which is not given`);
      return `${source}:${mountPath}${readOnly ? ":ro" : ""}`;
    });
  }
}

const UNITS: Readonly<Record<string, number>> = { Mi: 2 ** 20, Gi: 2 ** 30 };

/** A quantity of memory, such as `512Mi`. */
function bytesOf(quantity: string): number {
  const [, count, unit = ""] = /^(\d+)([MG]i)$/.exec(quantity) ?? [];
  const factor = UNITS[unit];
  if (!factor) throw new RangeError(`${quantity} is no quantity in Mi or Gi`);
  return Number(count) * factor;
}

/** A quantity of processor time, such as `1` or `500m`. */
function coresOf(quantity: string): number {
  const cores = quantity.endsWith("m") ? Number(quantity.slice(0, -1)) / 1000 : Number(quantity);
  if (!(cores > 0)) throw new RangeError(`${quantity} is no quantity of processors`);
  return cores;
}
