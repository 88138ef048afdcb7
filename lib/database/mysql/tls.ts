/**
 * Whether a connection to MySQL is encrypted.
 *
 * @module
 */
import { isIP } from "node:net";

/** Whether a connection uses TLS: as `database.tls.mode` says; left out, if the connection leaves the machine. */
export function usesTls(host: string, mode: "required" | "off" | undefined): boolean {
  if (mode !== undefined) return mode === "required";
  return host.toLowerCase() !== "localhost" && host !== "::1" &&
    !(isIP(host) === 4 && host.startsWith("127."));
}
