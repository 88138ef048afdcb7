/**
 * Secrets that tests plant in a configuration, in every way in which it can have them, and look for afterwards.
 *
 * @module
 */
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { encryptValue, IV_BYTES, parseKeys } from "../../lib/secrets/encryption.ts";

/** How a secret comes into a configuration. */
export const PLANTINGS = [
  "configuration file, in plain text",
  "configuration file, encrypted",
  "environment",
  "secret file",
] as const;

/** One of {@linkcode PLANTINGS}. */
export type Planting = typeof PLANTINGS[number];

/** The secrets; no server takes them, unless a test has made it do so. */
export const CANARIES = {
  password: `canary 'password" \\ of ünïcode`,
  credentials: { accessKeyId: "CANARY-ACCESS-KEY-ID", secretAccessKey: "canary/secret+access=key" },
};

/** The key of encrypted ones. */
export const CANARY_KEY = `${"canarykey".repeat(5).slice(0, 42)}A=`;

/** Fields that hold secrets. */
const SECRET_NAMES = ["password", "accessKeyId", "secretAccessKey"];

/**
 * Writes a configuration whose secrets are planted.
 *
 * @param names Of the fields that are planted; default: those that hold secrets.
 * @returns The environment that it needs.
 */
export async function plant(
  { config, workDir }: { config: string; workDir: string },
  planting: Planting,
  parts: object,
  names: readonly string[] = SECRET_NAMES,
): Promise<Record<string, string>> {
  const env: Record<string, string> = {};
  const [key] = await parseKeys(CANARY_KEY, "canary");
  const planted = async (value: string, path: string): Promise<string> => {
    const name = `PLANTED_${path.replaceAll(".", "_").toUpperCase()}`;
    switch (planting) {
      case "configuration file, in plain text":
        return value.replaceAll("$", "$$");
      case "configuration file, encrypted":
        env.ETL_CONFIG_KEY = CANARY_KEY;
        return await encryptValue(value, {
          path,
          key: key!,
          iv: crypto.getRandomValues(new Uint8Array(IV_BYTES)),
        });
      case "environment":
        env[name] = value;
        return `\${${name}}`;
      case "secret file":
        await Deno.writeTextFile(join(dirname(config), name), `${value}\n`);
        return `\${file:${name}}`;
    }
  };
  const walk = async (node: object, path: string): Promise<object> =>
    Object.fromEntries(
      await Promise.all(
        Object.entries(node).map(async ([name, value]) => {
          const at = `${path}${name}`;
          if (typeof value === "object") return [name, await walk(value, `${at}.`)];
          return [name, names.includes(name) ? await planted(value, at) : value];
        }),
      ),
    );
  await Deno.writeTextFile(config, JSON.stringify(await walk({ workDir, ...parts }, ""), null, 1));
  return env;
}

/** Fails where a secret is in a text, in plain or in a spelling that anybody could turn back. */
export function assertNoCanary(
  text: string,
  { where = "the output", secrets = everySecret(CANARIES) }: { where?: string; secrets?: string[] } = {},
): void {
  for (const secret of secrets) {
    for (const spelling of spellingsOf(secret)) {
      assert.ok(
        !text.includes(spelling),
        `${JSON.stringify(spelling)} is in ${where}:\n${text.slice(0, 5000)}`,
      );
    }
  }
}

/** All strings in an object that are secrets, and the key. */
export function everySecret(canaries: { password: string; credentials: object }): string[] {
  return [canaries.password, ...Object.values(canaries.credentials), CANARY_KEY];
}

function spellingsOf(secret: string): string[] {
  const bytes = new TextEncoder().encode(secret);
  const base64 = bytes.toBase64().replace(/=+$/, "");
  return [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret), base64, bytes.toHex()];
}
