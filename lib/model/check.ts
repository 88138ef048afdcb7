/**
 * Says whether a configuration and its model are right, without the network, where each value of the configuration comes
 * from, and which rights the model needs.
 *
 * @module
 */
import { dirname, resolve } from "node:path";
import { configFault, loadConfig, type LoadedConfig } from "../config/load.ts";
import { type Config, pathFields, SECRET_FIELDS } from "../config/schema.ts";
import { databaseBackend } from "../database/open.ts";
import type { ConfigWorld, ValueOrigin } from "../config/values.ts";
import { valueAt } from "../config/freeze.ts";
import type { Engine } from "../engine/engine.ts";
import { LEAST_SECRET_CHARACTERS } from "../secrets/redactor.ts";
import { REDACTED, Secret } from "../secrets/secret.ts";
import { storeBackend } from "../store/open.ts";
import { visible } from "../text.ts";
import { describeModel } from "./describe.ts";
import { loadModel } from "./load.ts";
import type { Model } from "./model.ts";
import { type BucketPolicy, bucketPolicyOf, grantsOf } from "./rights.ts";

/** A value of the effective configuration. */
export interface CheckedField {
  /** The field, such as `database.password`. */
  readonly field: string;
  /** The value as it is used, a path absolute; `[redacted]` if it is secret. */
  readonly value: string | number | boolean;
  /** The origin: `file`, `environment NAME`, `secret file PATH` or `default`; `, encrypted` follows if it was. */
  readonly source: string;
}

/** What {@linkcode checkConfig} found. */
export interface ConfigReport {
  /** The absolute path of the configuration file. */
  readonly config: string;
  /** All values, in the order of the file's shape. */
  readonly fields: readonly CheckedField[];
  /** What works but should be otherwise. */
  readonly warnings: readonly string[];
  /** The dimensions, datasets and marts that there are, by their names. */
  readonly model: {
    readonly dimensions: readonly string[];
    readonly datasets: readonly string[];
    readonly marts: readonly string[];
  };
  /** What the model needs of a MySQL database and of a bucket. */
  readonly rights: Rights;
}

/** What a model needs. */
export interface Rights {
  /** What the grants are on; `null` if the configured database has no accounts: then they are on `DATABASE`. */
  readonly database: string | null;
  /** What the policy is for; `null` if the configured store is no bucket: then it is for `BUCKET`. */
  readonly bucket: string | null;
  /** Statements, one account for each stage. */
  readonly grants: readonly string[];
  /** One role for each stage. */
  readonly bucketPolicy: BucketPolicy;
}

/**
 * Checks that everything resolves, decrypts and is valid, the rules included.
 *
 * @param openEngine Opens an engine that checks rules, and reads and writes nothing.
 * @throws {ConfigError} for a fault, with file, line and key.
 */
export async function checkConfig(
  path: string,
  world: ConfigWorld,
  openEngine: (options: { folder: string; resources: Config["resources"] }) => Promise<Engine>,
): Promise<ConfigReport> {
  const file = resolve(path);
  const loaded = await loadConfig(file, world);
  const { config } = loaded;
  const { model, fault } = await loadModel(loaded);
  {
    await using engine = await openEngine({ folder: dirname(file), resources: config.resources });
    const found = await describeModel(model, engine);
    if (found) throw fault(found.path, found.what);
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
    model: {
      dimensions: Object.keys(model.dimensions),
      datasets: Object.keys(model.datasets),
      marts: Object.keys(model.marts),
    },
    rights: rightsOf(config, model),
  };
}

function rightsOf(config: Config, model: Model): Rights {
  const database = databaseBackend(config.database).grantedOn(config.database);
  const bucket = storeBackend(config.store).grantedOn(config.store);
  const role = (stage: string) => `arn:aws:iam::ACCOUNT:role/nightly-marts-${stage}`;
  return {
    database,
    bucket,
    grants: grantsOf(model, database ?? "DATABASE"),
    bucketPolicy: bucketPolicyOf(model, config.prefixes, { bucket: bucket ?? "BUCKET", role }),
  };
}

/** The report for people; rights only for what the configuration names. */
export function renderReport({ config, fields, warnings, model, rights }: ConfigReport): string {
  const width = Math.max(...fields.map(({ field }) => field.length));
  const lines = fields.map(({ field, value, source }) =>
    `  ${field.padEnd(width)}  ${visible(String(value))}  (${visible(source)})`
  );
  const warned = warnings.map((warning) => `Warning: ${warning}`);
  const grants = rights.database === null ? [] : ["", "Grants that the model needs:", ...rights.grants];
  const policy = rights.bucket === null
    ? []
    : ["", "Bucket policy that the model needs:", JSON.stringify(rights.bucketPolicy, null, 2)];
  const parts = Object.entries(model).map(([kind, names]) => `  ${kind}: ${names.join(", ")}`);
  return [
    `${config} is valid`,
    ...lines,
    "Model",
    ...parts,
    ...warned,
    ...grants,
    ...policy,
  ].join("\n") + "\n";
}

/** A single value of a configuration. */
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
    // `rotate` changes what stands in the file itself, not what the file refers to.
    const isRotated = origin?.source === "file, encrypted";
    const remedy = isRotated
      ? 'run "deno task config rotate"'
      : `rotate does not change it there (${origin?.source}); encrypt it anew, by "deno task config encrypt --path ` +
        `${field}" in a copy of the file, and put that there`;
    warnings.push(`${field} is encrypted under an older key; ${remedy}`);
  }
  return warnings;
}
