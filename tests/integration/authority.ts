/**
 * Certificates for servers of a test's own, by openssl, in a folder.
 *
 * @module
 */
import { join } from "node:path";
import { runProgram } from "../support/programs.ts";

async function openssl(args: readonly string[], cwd: string): Promise<void> {
  const { success, text } = await runProgram("openssl", args, { cwd });
  if (!success) throw new Error(`openssl, of the package of that name, failed: ${text}`);
}

/** A new key on a curve that every library has, good for two days. */
const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/** Makes an authority of a test's own: `ca.pem` and `ca.key`. */
export async function makeAuthority(folder: string): Promise<void> {
  const files = ["-keyout", "ca.key", "-out", "ca.pem"];
  await openssl(
    ["req", "-x509", ...NEW_KEY, "-days", "2", "-subj", "/CN=Test authority", ...files],
    folder,
  );
}

/** Makes a certificate from the authority for a host name: `server.pem` and `server.key`. */
export async function certify(folder: string, name: string): Promise<void> {
  await Deno.writeTextFile(join(folder, "extensions"), `subjectAltName=DNS:${name}\n`);
  const files = ["-keyout", "server.key", "-out", "server.csr"];
  await openssl(["req", ...NEW_KEY, "-subj", `/CN=${name}`, ...files], folder);
  const authority = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"];
  const output = ["-extfile", "extensions", "-out", "server.pem"];
  await openssl(["x509", "-req", "-in", "server.csr", ...authority, ...output], folder);
}
