/**
 * Whether a connection to MySQL is encrypted, and whom it trusts.
 *
 * @module
 */
import { isIP } from "node:net";
import { ConfigError, wrapSystemError } from "../../errors.ts";

/** Whether a connection uses TLS: as `database.tls.mode` says; left out, if the connection leaves the machine. */
export function usesTls(host: string, mode: "required" | "off" | undefined): boolean {
  if (mode !== undefined) return mode === "required";
  return host.toLowerCase() !== "localhost" && host !== "::1" &&
    !(isIP(host) === 4 && host.startsWith("127."));
}

/**
 * Reads the authorities to trust, in PEM.
 *
 * @throws {ConfigError} `ca_file_missing`
 */
export async function readAuthorities(caFile: string): Promise<string> {
  try {
    return await Deno.readTextFile(caFile);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw wrapSystemError(error, `Cannot read ${caFile}`);
    throw new ConfigError(
      "ca_file_missing",
      `Cannot read ${caFile}: no such file; correct database.tls.caFile`,
    );
  }
}
