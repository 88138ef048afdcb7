/**
 * A proxy that fails on command between an S3 client and a real server; unlike the one for connections it knows requests.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";

/** What S3 calls the requests that the product makes. */
export type S3Operation =
  | "ListObjectsV2"
  | "ListMultipartUploads"
  | "HeadObject"
  | "GetObject"
  | "PutObject"
  | "CopyObject"
  | "DeleteObject"
  | "DeleteObjects"
  | "another";

/** What goes wrong with a request. */
export interface S3Fault {
  readonly operation: S3Operation;
  /** The first one that it happens to, from 1. */
  readonly nth: number;
  /** How many it happens to from there on. */
  readonly times: number;
  /**
   * `refuse`: the connection is closed before the request is passed on. `lose answer`: after it was carried out. `cut`:
   * in the middle of the answer's body. `stall`: it is never answered. `delay`: by a second. `change byte`: of the
   * request's body where it has one, else of the answer's. `slow down` and `internal error`: the server's own answers.
   */
  readonly then:
    | "refuse"
    | "lose answer"
    | "cut"
    | "stall"
    | "delay"
    | "change byte"
    | "slow down"
    | "internal error";
}

const DELAY_MS = 1000;
/** Answers as S3 gives them (Error responses, API reference). */
const ANSWERS: Readonly<Record<string, readonly [number, string]>> = {
  "slow down": [503, "SlowDown"],
  "internal error": [500, "InternalError"],
};

/** See the module's head. Everything passes until a fault is set. */
export class S3FaultProxy implements AsyncDisposable {
  readonly endpoint: string;
  /** Faults that have happened since one was set. */
  happened = 0;
  #fault: S3Fault | null = null;
  #seen = 0;
  readonly #server: Server;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.endpoint = `http://127.0.0.1:${port}`;
  }

  /** Starts one in front of a server. */
  static start(target: { host: string; port: number }): Promise<S3FaultProxy> {
    const server = createServer();
    return new Promise((started, failed) => {
      server.on("error", failed).listen(0, "127.0.0.1", () => {
        const address = server.address();
        const proxy = new S3FaultProxy(server, typeof address === "object" ? address?.port ?? 0 : 0);
        server.on("request", (asked, answer) => void proxy.#forward(asked, answer, target));
        started(proxy);
      });
    });
  }

  set fault(fault: S3Fault | null) {
    this.#fault = fault;
    this.#seen = this.happened = 0;
  }

  /** Stops. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((closed) => this.#server.close(closed));
  }

  async #forward(
    asked: IncomingMessage,
    answer: ServerResponse,
    target: { host: string; port: number },
  ): Promise<void> {
    const then = this.#due(operationOf(asked));
    asked.on("error", () => {});
    if (then === "refuse") return void asked.socket.destroy();
    if (then === "stall") return void asked.resume();
    if (then === "delay") await new Promise((done) => setTimeout(done, DELAY_MS));
    const [status, code] = ANSWERS[then ?? ""] ?? [];
    if (status !== undefined) {
      asked.resume();
      answer.writeHead(status, { "content-type": "application/xml", connection: "close" });
      return void answer.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message></Error>`);
    }
    const { method, url, headers } = asked;
    const isChanged = then === "change byte";
    const upstream = request({ ...target, path: url, method, headers, setHost: false });
    upstream.on("error", () => asked.socket.destroy());
    upstream.on("response", (found) => {
      if (then === "lose answer") return void found.resume().on("end", () => asked.socket.destroy());
      answer.writeHead(found.statusCode ?? 500, found.headers);
      const half = Number(found.headers["content-length"] ?? 0) / 2;
      let passed = 0;
      found.on("data", (chunk: Buffer) => {
        passed += chunk.length;
        if (then === "cut" && passed > half) {
          return void answer.write(chunk.subarray(0, chunk.length >> 1), () => asked.socket.destroy());
        }
        answer.write(isChanged && !hasBody(asked) ? changeByte(chunk) : chunk);
      });
      found.on("end", () => answer.end()).on("error", () => asked.socket.destroy());
    });
    if (!isChanged) return void asked.pipe(upstream);
    asked.on("data", (chunk: Buffer) => void upstream.write(changeByte(chunk))).on(
      "end",
      () => upstream.end(),
    );
  }

  #due(operation: S3Operation): S3Fault["then"] | null {
    const fault = this.#fault;
    if (fault?.operation !== operation || ++this.#seen < fault.nth) return null;
    if (this.happened === fault.times) return null;
    this.happened++;
    return fault.then;
  }
}

function hasBody({ headers }: IncomingMessage): boolean {
  return Number(headers["content-length"] ?? 0) > 0 || headers["transfer-encoding"] !== undefined;
}

/** Another digit in place of the last one, so that text stays text. */
function changeByte(chunk: Buffer): Buffer {
  const changed = Buffer.from(chunk);
  const at = changed.length - 2;
  if (at >= 0) changed[at] = (changed[at] ?? 0) ^ 1;
  return changed;
}

function operationOf({ method, url = "", headers }: IncomingMessage): S3Operation {
  const query = new URL(url, "http://proxy").searchParams;
  if (method === "HEAD") return "HeadObject";
  if (method === "GET" && query.has("list-type")) return "ListObjectsV2";
  if (method === "GET" && query.has("uploads")) return "ListMultipartUploads";
  if (method === "GET") return "GetObject";
  if (method === "DELETE") return "DeleteObject";
  if (method === "POST" && query.has("delete")) return "DeleteObjects";
  if (method === "PUT") return headers["x-amz-copy-source"] === undefined ? "PutObject" : "CopyObject";
  return "another";
}
