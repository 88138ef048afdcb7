/**
 * A configuration without its secrets, which a run's manifest keeps for the stages after download.
 *
 * A fingerprint stands for an encrypted place, such as the store's path: a later stage must see if it is no longer the
 * same, and a reader of the manifest must not see what it is.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { storeBackend } from "../store/open.ts";
import { type Config, configSchema } from "./schema.ts";

/** The parts of a configuration that say where things are. Stages need everything else as it is, encrypted or not. */
const PLACES = /^(store|database|workDir)\b/;

/**
 * Freezes a configuration: what is left of it has no secret and no encrypted place.
 *
 * @param options.encrypted The fields whose values were encrypted.
 * @param options.runId Makes the fingerprints this run's own: two runs' do not tell whether their places are the same.
 */
export function freezeConfig(
  config: Config,
  { encrypted, runId }: { encrypted: readonly string[]; runId: string },
): Config {
  // On the way through JSON secrets lose their values.
  let frozen = configSchema.parse(JSON.parse(JSON.stringify(config)));
  // Each stage may have an account of its own.
  frozen.store = storeBackend(frozen.store).placeOf(frozen.store);
  for (const path of encrypted.filter((path) => PLACES.test(path))) {
    const value = valueAt(frozen, path);
    if (typeof value !== "string") continue;
    const hash = createHash("sha256").update(JSON.stringify([runId, path, value])).digest("hex").slice(0, 16);
    // What the field allows: text, else a URL, else (if it can only be one of some words) the word itself.
    for (const shown of [`[redacted:${hash}]`, `http://redacted-${hash}.invalid`]) {
      const { success, data } = configSchema.safeParse(withValue(frozen, path, shown));
      if (!success) continue;
      frozen = data;
      break;
    }
  }
  return frozen;
}

/** SHA-256 of a frozen configuration and its model, in hex; the same for every run with them. */
export function configHash(frozen: Config, model: object): string {
  const text = JSON.stringify([frozen, model]).replaceAll(/\bredacted[:-][0-9a-f]{16}/g, "redacted");
  return createHash("sha256").update(text).digest("hex");
}

/** The value at a path such as `database.password`; `undefined` if there is none. */
export function valueAt(node: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>(
    (inner, key) => typeof inner === "object" && inner !== null ? Reflect.get(inner, key) : undefined,
    node,
  );
}

/** Puts another value at a path, whose parents must be there. */
export function setValueAt(node: object, path: string, value: unknown): void {
  const [, parents = "", key = ""] = /^(?:(.*)\.)?([^.]*)$/.exec(path) ?? [];
  Reflect.set(parents === "" ? node : valueAt(node, parents) as object, key, value);
}

/** A copy as JSON with another value at a path. */
function withValue(config: Config, path: string, value: string): object {
  const copy = JSON.parse(JSON.stringify(config));
  setValueAt(copy, path, value);
  return copy;
}
