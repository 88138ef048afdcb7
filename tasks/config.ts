/**
 * Config: makes keys, encrypts and decrypts single values of the configuration file, puts them under a new key, and
 * checks the whole.
 *
 * Needs no network. A value that is to be encrypted comes from standard input, never from an argument.
 *
 * @module
 */
import { type Action, mainOf } from "../lib/command/toolbox.ts";
import { checkConfig, renderReport } from "../lib/model/check.ts";
import { decryptField, encryptField, rotateValues } from "../lib/config/edit.ts";
import { configJsonSchema } from "../lib/config/schema.ts";
import { generateKey } from "../lib/secrets/encryption.ts";
import { openDuckdbEngine } from "../lib/engine/duckdb.ts";
import { UsageError } from "../lib/errors.ts";

/** What the task can do. */
export const actions: readonly Action[] = [
  {
    name: "generate-key",
    description: "Print a new 256-bit key for ETL_CONFIG_KEY.",
    options: [],
    ignores: ["config", "log-level"],
    run({ randomBytes }) {
      const key = generateKey(randomBytes);
      return Promise.resolve({ text: key + "\n", json: { key } });
    },
  },
  {
    name: "encrypt",
    description:
      "Encrypt a value and write it into a field of the configuration file. The value is asked for, or taken from a " +
      'pipe: printf %s "$VALUE" | deno task config encrypt --path FIELD. All else in the file stays as it is.',
    options: ["path"],
    ignores: ["log-level"],
    async run({ configPath: config, path: field, readSecret, ...world }) {
      await encryptField(config, { field, readValue: () => readSecret(field), world });
      return { text: `${field} in ${config} is encrypted\n`, json: { field, config } };
    },
  },
  {
    name: "decrypt",
    description: "Print the value of an encrypted field, to a terminal.",
    options: ["path", "force"],
    ignores: ["log-level"],
    async run({ configPath: config, path: field, flags, isShown, ...world }) {
      if (!isShown && !flags.force) {
        throw new UsageError(
          "Standard output is no terminal, and would keep the secret; give --force if it may",
        );
      }
      const value = await decryptField(config, field, world);
      return { text: value + "\n", json: { field, config, value } };
    },
  },
  {
    name: "rotate",
    description:
      "Encrypt all values of the configuration file anew, under the first of several keys. Values that come from " +
      "the environment or from files stay as they are.",
    options: [],
    ignores: ["log-level"],
    async run({ configPath: config, ...world }) {
      const result = await rotateValues(config, world);
      return { text: renderRotation(config, result), json: { config, ...result } };
    },
  },
  {
    name: "check",
    description:
      "Check that everything resolves, decrypts and is valid, and say where each value comes from.",
    options: [],
    ignores: ["log-level"],
    besidesError: { valid: false },
    async run({ configPath, ...world }) {
      const report = await checkConfig(configPath, world, openDuckdbEngine);
      return { text: renderReport(report), json: { valid: true, ...report } };
    },
  },
  {
    name: "schema",
    description: "Print the JSON Schema of the configuration file.",
    options: [],
    ignores: ["config", "log-level"],
    run() {
      const text = configJsonSchema();
      return Promise.resolve({ text, json: JSON.parse(text) });
    },
  },
];

type Rotation = Awaited<ReturnType<typeof rotateValues>>;

function renderRotation(config: string, { rotated, encryptedCount }: Rotation): string {
  if (rotated.length > 0) return `${rotated.join(", ")} in ${config}: now under the first key given\n`;
  if (encryptedCount === 0) return `${config} has no encrypted value\n`;
  const what = encryptedCount === 1
    ? "1 encrypted value, which is"
    : `${encryptedCount} encrypted values, all`;
  return `${config}: ${what} under the first key given; to change the key, put the new one before it, divided by a ` +
    "comma or a line end\n";
}

if (import.meta.main) {
  await mainOf({
    name: "config",
    description: "Keys, encrypted values and the check of the configuration file.",
    actions,
  });
}
