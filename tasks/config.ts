/**
 * Config: makes keys, encrypts and decrypts single values of the configuration file, puts them under a new key, and
 * checks the whole.
 *
 * Needs no network. A value that is to be encrypted comes from standard input, never from an argument.
 *
 * @module
 */
import { type Action, mainOf } from "../lib/command.ts";
import { checkConfig, renderReport } from "../lib/config_check.ts";
import { decryptField, encryptField, rotateValues } from "../lib/config_edit.ts";
import { configJsonSchema } from "../lib/config_schema.ts";
import { generateKey } from "../lib/encryption.ts";
import { openDuckdbEngine } from "../lib/engine/duckdb.ts";
import { UsageError } from "../lib/errors.ts";

/** What the task can do. */
export const actions: readonly Action[] = [
  {
    name: "generate-key",
    description: "Print a new 256-bit key for ETL_CONFIG_KEY.",
    options: [],
    run: ({ randomBytes }) => Promise.resolve(generateKey(randomBytes) + "\n"),
  },
  {
    name: "encrypt",
    description: "Encrypt a value from standard input, and write it into the configuration file.",
    options: ["path"],
    async run({ configPath, path, readSecret, ...world }) {
      await encryptField(configPath, { field: path, readValue: () => readSecret(path), world });
      return `${path} in ${configPath} is encrypted\n`;
    },
  },
  {
    name: "decrypt",
    description: "Print the value of an encrypted field, to a terminal.",
    options: ["path", "force"],
    async run({ configPath, path, flags, isShown, ...world }) {
      if (!isShown && !flags.force) {
        throw new UsageError(
          "Standard output is no terminal, and would keep the secret; give --force if it may",
        );
      }
      return await decryptField(configPath, path, world) + "\n";
    },
  },
  {
    name: "rotate",
    description: "Encrypt all values anew under the first of several keys.",
    options: [],
    async run({ configPath, ...world }) {
      const { rotated, encryptedCount } = await rotateValues(configPath, world);
      if (rotated.length > 0) return `${rotated.join(", ")} in ${configPath}: now under the newest key\n`;
      return `${configPath}: ${encryptedCount} encrypted values, all under the newest key; to put them under ` +
        "another, set it before the present one, divided by a comma or a line end\n";
    },
  },
  {
    name: "check",
    description:
      "Check that everything resolves, decrypts and is valid, and say where each value comes from.",
    options: [],
    async run({ configPath, flags, ...world }) {
      const report = await checkConfig(configPath, world, openDuckdbEngine);
      return flags.json ? { valid: true, ...report } : renderReport(report);
    },
  },
  {
    name: "schema",
    description: "Print the JSON Schema of the configuration file.",
    options: [],
    run: () => Promise.resolve(configJsonSchema()),
  },
];

if (import.meta.main) {
  await mainOf({
    name: "config",
    description: "Keys, encrypted values and the check of the configuration file.",
    actions,
  });
}
