/**
 * Says whether a configuration is right, without the network, and where each of its values comes from.
 *
 * @module
 */
import { dirname, resolve } from "node:path";
import { valueAt } from "./freeze.ts";
import { configFault, loadConfig, type LoadedConfig } from "./load.ts";
import { type Config, pathFields, SECRET_FIELDS } from "./schema.ts";
import type { ConfigWorld, ValueOrigin } from "./values.ts";
import { findRuleFault } from "../contract/rules.ts";
import type { Engine } from "../engine/engine.ts";
import { LEAST_SECRET_CHARACTERS } from "../secrets/redactor.ts";
import { REDACTED, Secret } from "../secrets/secret.ts";
import { visible } from "../text.ts";

/** A value of the effective configuration. */
export interface CheckedField {
  /** As `database.password`. */
  readonly field: string;
  /** As it is used, paths absolute; `[redacted]` where it is secret. */
  readonly value: string | number | boolean;
  /** `file`, `environment NAME`, `secret file PATH` or `default`; with `, encrypted` where it was. */
  readonly source: string;
}

/** What {@linkcode checkConfig} found. */
export interface ConfigReport {
  /** The configuration file, absolute. */
  readonly config: string;
  /** In the order of the file's shape. */
  readonly fields: readonly CheckedField[];
  /** What works, and should be otherwise. */
  readonly warnings: readonly string[];
}

/**
 * Checks that everything resolves, decrypts and is valid, the rules included.
 *
 * @param openEngine Opens an engine to check rules by, which reads and writes nothing.
 * @throws {ConfigError} with file, line and key of what is wrong.
 */
export async function checkConfig(
  path: string,
  world: ConfigWorld,
  openEngine: (options: { folder: string; resources: Config["resources"] }) => Promise<Engine>,
): Promise<ConfigReport> {
  const file = resolve(path);
  const loaded = await loadConfig(file, world);
  const { config } = loaded;
  {
    await using engine = await openEngine({ folder: dirname(file), resources: config.resources });
    const fault = await findRuleFault(config.contract, engine);
    if (fault) throw await configFault(file, fault.path, fault.what);
  }
  for (const field of pathFields(config, "files")) {
    const path = valueAt(config, field);
    if (typeof path !== "string") continue;
    await Deno.readTextFile(path).catch(async () => {
      throw await configFault(file, field.split("."), `cannot read the file ${path}`);
    });
  }
  const leaves = [...leavesOf(config)];
  return {
    config: file,
    fields: leaves.map(({ field, value }) => ({
      field,
      value: value instanceof Secret || isEncrypted(loaded.origins.get(field)) ? REDACTED : value,
      source: loaded.origins.get(field)?.source ?? "default",
    })),
    warnings: leaves.flatMap((leaf) => warningsOf(leaf, loaded)),
  };
}

/** The report for people. */
export function renderReport({ config, fields, warnings }: ConfigReport): string {
  const width = Math.max(...fields.map(({ field }) => field.length));
  const lines = fields.map(({ field, value, source }) =>
    `  ${field.padEnd(width)}  ${visible(String(value))}  (${visible(source)})`
  );
  const warned = warnings.map((warning) => `Warning: ${warning}`);
  return [`${config} is valid`, ...lines, ...warned].join("\n") + "\n";
}

interface Leaf {
  readonly field: string;
  readonly value: Secret | string | number | boolean;
}

function* leavesOf(node: object, parent = ""): Generator<Leaf> {
  for (const [key, value] of Object.entries(node)) {
    if (typeof value === "object" && !(value instanceof Secret)) yield* leavesOf(value, `${parent}${key}.`);
    else yield { field: parent + key, value };
  }
}

function isEncrypted(origin: ValueOrigin | undefined): boolean {
  return origin?.keyIndex !== undefined;
}

function warningsOf({ field, value }: Leaf, { origins }: LoadedConfig): string[] {
  const warnings: string[] = [];
  const origin = origins.get(field);
  const isSecret = SECRET_FIELDS.includes(field) || isEncrypted(origin);
  const text = value instanceof Secret ? value.reveal() : String(value);
  if (origin?.source === "file" && isSecret && text !== "") {
    warnings.push(
      `${field} is in plain text in the file; encrypt it: deno task config encrypt --path ${field}`,
    );
  }
  if (isSecret && text !== "" && text.length < LEAST_SECRET_CHARACTERS) {
    warnings.push(
      `${field} has fewer than ${LEAST_SECRET_CHARACTERS} characters: too short to be found in text that is printed`,
    );
  }
  if (isSecret && text.length >= LEAST_SECRET_CHARACTERS && /^\p{Lu}?[\p{Ll}_-]+$/u.test(text)) {
    warnings.push(
      `${field} may be an ordinary word: wherever such a word is in what is printed, [redacted] takes its place`,
    );
  }
  if ((origin?.keyIndex ?? 0) > 0) {
    // Only what stands in the file as it is.
    const isRotated = origin?.source === "file, encrypted";
    const remedy = isRotated
      ? 'run "deno task config rotate"'
      : `rotate does not change it there (${origin?.source}); encrypt it anew, by "deno task config encrypt --path ` +
        `${field}" in a copy of the file, and put that there`;
    warnings.push(`${field} is encrypted under an older key; ${remedy}`);
  }
  return warnings;
}
