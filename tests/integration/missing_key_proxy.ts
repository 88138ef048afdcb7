/**
 * A proxy that makes another S3 server answer for a missing key as Amazon does.
 *
 * Amazon says 404 only to those who may list the key, and 403 to all others (HeadObject and GetObject, API reference);
 * a listing that is allowed under a condition on `s3:prefix` is allowed for the keys that match it. Most other servers
 * say 404 to everybody, and so hide that a policy is too narrow to go on after a crash.
 *
 * @module
 */
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";

const DENIED =
  '<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>';

/** See the module's head. */
export class MissingKeyProxy implements AsyncDisposable {
  readonly endpoint: string;
  /** Whether a user may list a key. */
  mayList: (user: string, key: string) => boolean = () => false;
  readonly #server: Server;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.endpoint = `http://127.0.0.1:${port}`;
  }

  /** Starts one in front of a server. */
  static start(target: { host: string; port: number }): Promise<MissingKeyProxy> {
    const server = createServer();
    return new Promise((started, failed) => {
      server.on("error", failed).listen(0, "127.0.0.1", () => {
        const address = server.address();
        const proxy = new MissingKeyProxy(server, typeof address === "object" ? address?.port ?? 0 : 0);
        server.on("request", (asked, answer) => proxy.#forward(asked, answer, target));
        started(proxy);
      });
    });
  }

  /** Stops. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((closed) => this.#server.close(closed));
  }

  #forward(asked: IncomingMessage, answer: ServerResponse, target: { host: string; port: number }): void {
    const { method, url, headers } = asked;
    // The signature is over the name of the host that was asked for.
    const upstream = request({ ...target, path: url, method, headers, setHost: false });
    upstream.on("error", () => asked.socket.destroy());
    upstream.on("response", (found) => {
      if (found.statusCode === 404 && !this.#mayKnow(asked)) {
        found.resume();
        answer.writeHead(403, { "content-type": "application/xml" });
        return void answer.end(method === "HEAD" ? undefined : DENIED);
      }
      answer.writeHead(found.statusCode ?? 500, found.headers);
      found.on("error", () => asked.socket.destroy()).pipe(answer);
    });
    asked.on("error", () => {}).pipe(upstream);
  }

  #mayKnow({ method, url = "", headers }: IncomingMessage): boolean {
    if (method !== "HEAD" && method !== "GET") return true;
    const [, user = ""] = /Credential=([^/]+)/.exec(headers.authorization ?? "") ?? [];
    // The bucket is the first segment.
    const key = decodeURIComponent(new URL(url, this.endpoint).pathname).replace(/^\/[^/]*\/?/, "");
    return this.mayList(user, key);
  }
}
