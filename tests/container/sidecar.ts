/**
 * A container of the image that looks at a Pod's work volume while the stages run, and says what it sees.
 *
 * @module
 */
import type { Docker } from "./docker.ts";
import { IMAGE } from "./image.ts";

/** A running one. */
export class Sidecar implements AsyncDisposable {
  readonly #docker: Docker;
  readonly #name: string;
  readonly #ended: Promise<unknown>;
  #waiting: ((said: string) => void)[] = [];

  private constructor(docker: Docker, name: string, process: Deno.ChildProcess) {
    this.#docker = docker;
    this.#name = name;
    this.#ended = Promise.all([this.#read(process.stdout), process.stderr.cancel(), process.status]);
  }

  /**
   * Starts one, and waits until it says something for the first time.
   *
   * @param program TypeScript that prints what it sees of `/work`.
   */
  static async start(docker: Docker, volume: string, program: string): Promise<Sidecar> {
    const name = `nightly-marts-sidecar-${crypto.randomUUID()}`;
    const flags = [`--name=${name}`, "--rm", "--read-only", "--network=none", `--volume=${volume}:/work`];
    const args = ["run", ...flags, "--entrypoint=deno", IMAGE, "eval", program];
    const sidecar = new Sidecar(docker, name, docker.command(args).spawn());
    await sidecar.next();
    return sidecar;
  }

  /** What it says next; nothing where that is given up, rejects where it has ended. */
  async next(giveUp?: AbortSignal): Promise<string> {
    const said = new Promise<string>((resolve) => {
      this.#waiting.push(resolve);
      giveUp?.addEventListener("abort", () => resolve(""));
    });
    const over = this.#ended.then(() => Promise.reject(new Error("the sidecar has ended")));
    return await Promise.race([said, over]);
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#docker.run("kill", this.#name);
    await this.#ended;
  }

  async #read(stdout: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    for await (const text of stdout.pipeThrough(new TextDecoderStream())) {
      for (const resolve of this.#waiting.splice(0)) resolve(text);
    }
  }
}
