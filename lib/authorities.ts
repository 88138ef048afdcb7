/**
 * The authorities whose certificates a connection trusts, by a file that the configuration names.
 *
 * @module
 */
import { ConfigError, wrapSystemError } from "./errors.ts";

/**
 * Reads the authorities to trust, in PEM.
 *
 * @param field The field that names the file, as in `store.caFile`.
 * @throws {ConfigError} `ca_file_missing`
 */
export async function readAuthorities(caFile: string, field: string): Promise<string> {
  try {
    return await Deno.readTextFile(caFile);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw wrapSystemError(error, `Cannot read ${caFile}`);
    throw new ConfigError("ca_file_missing", `Cannot read ${caFile}: no such file; correct ${field}`);
  }
}
