/**
 * A TCP proxy that fails on command, between a client and a real server.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { connect, createServer, type Server, type Socket } from "node:net";

/** `up` is from the client to the server, `down` the answers. */
export type Direction = "up" | "down";

/** What goes wrong with a connection. */
export interface Fault {
  readonly direction: Direction;
  /** Where: when so many bytes have passed in that direction, or when a text comes by (within one packet). */
  readonly at: number | string;
  /**
   * `cut`: both ends are closed. `stall`: nothing passes any more in either direction, and nobody is told. `strand`: the
   * client is cut, the server is not told. Of a text nothing gets through in these. `lose answer`: the text gets
   * through, and the connection is cut with the first byte that comes back.
   */
  readonly then: "cut" | "stall" | "strand" | "lose answer";
  /** How often it happens; default always. */
  readonly times?: number;
  /** Whether new connections are refused from then on. */
  readonly thenRefuses?: boolean;
}

/** See the module's head. Everything passes until a fault is set. */
export class FaultProxy implements AsyncDisposable {
  readonly host = "127.0.0.1";
  readonly port: number;
  #fault: Fault | null = null;
  /** New connections are closed at once. */
  refuses = false;
  /** Held back in each direction, in milliseconds. */
  delayMs = 0;
  /** What the server says is held back until this resolves. */
  answersHeld: Promise<void> = Promise.resolve();
  /** Connections that were made. */
  connections = 0;
  /** Faults that have happened since one was set. */
  happened = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  /** Starts one in front of a server. */
  static start(target: { host: string; port: number }): Promise<FaultProxy> {
    const server = createServer({ allowHalfOpen: true });
    return new Promise((started, failed) => {
      server.on("error", failed).listen(0, "127.0.0.1", () => {
        const address = server.address();
        const proxy = new FaultProxy(server, typeof address === "object" ? address?.port ?? 0 : 0);
        server.on("connection", (client) => proxy.#forward(client, target));
        started(proxy);
      });
    });
  }

  /** For connections that are open and those to come; `null`: none. */
  get fault(): Fault | null {
    return this.#fault;
  }

  set fault(fault: Fault | null) {
    this.#fault = fault;
    this.happened = 0;
  }

  /** Closes every connection that is open, as a restart of a load balancer does. */
  cutAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Stops. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.cutAll();
    await new Promise((closed) => this.#server.close(closed));
  }

  #forward(client: Socket, target: { host: string; port: number }): void {
    this.connections++;
    if (this.refuses) return void client.destroy();
    const upstream = connect(target.port, target.host);
    const pair: Pair = { client, upstream, state: "open" };
    for (const socket of [client, upstream]) {
      this.#sockets.add(socket);
      socket.setNoDelay(true).on("error", () => {}).on("close", () => {
        this.#sockets.delete(socket);
        // Whoever is stalled is not told that the other has gone.
        if (pair.state !== "stalled") cut(pair);
      });
    }
    this.#pump("up", client, upstream, pair);
    this.#pump("down", upstream, client, pair);
  }

  #pump(direction: Direction, from: Socket, to: Socket, pair: Pair): void {
    let passed = 0;
    from.on("data", (data: Buffer) => {
      if (pair.state === "stalled") return;
      if (pair.state === "answer lost" && direction !== this.fault?.direction) return cut(pair);
      const fault = this.#isDue(direction) ? this.fault : null;
      const end = fault ? endOf(fault.at, data, passed) : null;
      passed += data.length;
      if (fault && end !== null) {
        this.happened++;
        this.refuses ||= fault.thenRefuses ?? false;
        pair.state = fault.then === "lose answer" ? "answer lost" : "stalled";
        if (fault.then !== "lose answer") data = data.subarray(0, end);
        if (fault.then === "cut") return void to.write(data, () => cut(pair));
        if (fault.then === "strand") pair.client.destroy();
      }
      from.pause();
      const send = () => void to.write(data, () => from.resume());
      if (this.delayMs > 0) setTimeout(send, this.delayMs);
      else if (direction === "down") this.answersHeld.then(send);
      else send();
    });
    from.on("end", () => {
      if (pair.state !== "stalled") to.end();
    });
  }

  #isDue(direction: Direction): boolean {
    return this.fault?.direction === direction && this.happened < (this.fault.times ?? Infinity);
  }
}

interface Pair {
  readonly client: Socket;
  readonly upstream: Socket;
  state: "open" | "answer lost" | "stalled";
}

function cut({ client, upstream }: Pair): void {
  client.destroy();
  upstream.destroy();
}

/** How much of the data still passes where the fault is in it; `null` where it is not. */
function endOf(at: number | string, data: Buffer, passed: number): number | null {
  if (typeof at === "number") return passed + data.length >= at ? Math.max(0, at - passed) : null;
  return data.includes(at) ? 0 : null;
}
