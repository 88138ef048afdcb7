/**
 * A container engine: the one that this machine runs, or else a `dockerd` of the test's own, which keeps all that it
 * has in a temporary folder.
 *
 * @module
 */
import { join } from "node:path";

/** How a command in a container or of the client ended. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** All of it with the command, for the message of a failing assertion. */
  readonly text: string;
}

/** How long an engine may take to start; it takes 2 s. */
const START_TIMEOUT_MS = 60_000;
const INSTALL = "apt-get install -y docker.io";

/** The client of a running engine. */
export class Docker implements AsyncDisposable {
  readonly #env: Record<string, string>;
  readonly #stop: () => Promise<void>;

  private constructor(env: Record<string, string>, stop: () => Promise<void>) {
    // The image is built the way that every engine can, also one without BuildKit.
    this.#env = { ...env, DOCKER_BUILDKIT: "0" };
    this.#stop = stop;
  }

  /** Finds an engine, or starts one; throws with the reason where neither works. */
  static async open(): Promise<Docker> {
    const present = new Docker({}, () => Promise.resolve());
    const { code, text } = await present.attempt(["version"]);
    if (code === 0) return present;
    if (Deno.uid() !== 0) {
      throw new Error(`No container engine answers, and only root can start one: ${text}`);
    }
    return await startEngine((env, stop) => new Docker(env, stop));
  }

  /** The client as a command that can be spawned, its output piped. */
  command(args: readonly string[]): Deno.Command {
    const [stdout, stderr] = ["piped", "piped"] as const;
    return new Deno.Command("docker", { args: [...args], env: this.#env, stdin: "null", stdout, stderr });
  }

  /** Runs the client to its end. */
  async attempt(args: readonly string[]): Promise<Ended> {
    const { code, stdout, stderr } = await this.command(args).output().catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      throw new Error(`docker is not installed; ${INSTALL}`);
    });
    return endedOf(args, code, stdout, stderr);
  }

  /** What the client prints, without the last line end; throws where it fails. */
  async run(...args: string[]): Promise<string> {
    const { code, stdout, text } = await this.attempt(args);
    if (code !== 0) throw new Error(text);
    return stdout.trimEnd();
  }

  /** Stops the engine if it is the test's own, and deletes all that it had. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
  }
}

/** The same of any command of the client. */
export function endedOf(
  args: readonly string[],
  code: number,
  stdout: Uint8Array,
  stderr: Uint8Array,
): Ended {
  const decoder = new TextDecoder();
  const [out, err] = [decoder.decode(stdout), decoder.decode(stderr)];
  const text = `docker ${args.join(" ")} exited with ${code}\n--- stdout\n${out}\n--- stderr\n${err}`;
  return { code, stdout: out, stderr: err, text };
}

/** Starts an engine that knows nothing of any other, and waits until it answers. */
async function startEngine(
  open: (env: Record<string, string>, stop: () => Promise<void>) => Docker,
): Promise<Docker> {
  const folder = await Deno.makeTempDir({ prefix: "docker-" });
  const [socket, log] = [join(folder, "socket"), join(folder, "log")];
  const engine = new Deno.Command("dockerd", {
    args: [`--host=unix://${socket}`, `--pidfile=${join(folder, "pid")}`]
      .concat([`--data-root=${join(folder, "data")}`, `--exec-root=${join(folder, "exec")}`]),
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  });
  let process: Deno.ChildProcess;
  try {
    process = engine.spawn();
  } catch (error) {
    await Deno.remove(folder, { recursive: true });
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error(`No container engine answers, and dockerd is not installed; ${INSTALL}`);
  }
  const logged = process.stderr.pipeTo((await Deno.create(log)).writable);
  const stop = async () => {
    process.kill("SIGTERM");
    await process.status;
    await logged;
    await Deno.remove(folder, { recursive: true });
  };
  const docker = open({ DOCKER_HOST: `unix://${socket}` }, stop);
  let isOver = false;
  process.status.then(() => isOver = true);
  const deadline = performance.now() + START_TIMEOUT_MS;
  while ((await docker.attempt(["version"])).code !== 0) {
    if (isOver || performance.now() > deadline) {
      const said = await Deno.readTextFile(log);
      await stop().catch(() => {});
      throw new Error(`dockerd did not start: ${said.slice(-2000)}`);
    }
    await new Promise((done) => setTimeout(done, 100));
  }
  return docker;
}
