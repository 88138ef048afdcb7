/**
 * Ports for servers of the tests' own.
 *
 * @module
 */
import { createServer } from "node:net";

/** A port that nobody listens on now, at an address of this machine. */
export function freePort(host = "127.0.0.1"): Promise<number> {
  return new Promise((found, failed) => {
    const server = createServer().on("error", failed).listen(0, host, () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => found(port));
    });
  });
}
