/**
 * Changes encrypted values in a configuration file, and nothing else of it. Comments and layout stay, and the file is
 * the old or the new one at every moment. If somebody else changes it meanwhile, nothing is written, and their change
 * stays.
 *
 * @module
 */
import { applyEdits } from "jsonc-parser";
import { replaceFile } from "../atomic_file.ts";
import { type ConfigDocument, errorAt, findValue, readDocument, stringsOf } from "./document.ts";
import { faultsOf } from "./fit.ts";
import { putString } from "./insert.ts";
import { type ConfigWorld, readKeys, SET_A_KEY } from "./values.ts";
import {
  DecryptionError,
  decryptValue,
  ENCRYPTED_PREFIX,
  encryptValue,
  IV_BYTES,
  type RandomBytes,
} from "../secrets/encryption.ts";
import { ConfigError, UsageError } from "../errors.ts";

/** What it takes to encrypt, besides the file. */
export interface EncryptionWorld extends ConfigWorld {
  /** Makes the IVs. */
  readonly randomBytes: RandomBytes;
}

/**
 * Encrypts a value under the first key and writes it into a field of the file.
 *
 * @param field A field such as `database.password`; put in if the file does not have it.
 * @param readValue Reads the value; called once everything else is known to be right.
 * @throws {UsageError} if the configuration has no such field, or the value does not suit it.
 * @throws {ConfigError} if the file or a key is not right.
 */
export async function encryptField(
  configPath: string,
  { field, readValue, world }: { field: string; readValue: () => Promise<string>; world: EncryptionWorld },
): Promise<void> {
  const document = await readDocument(configPath);
  const path = field.split(".");
  const refuse = (fault: string | undefined) => {
    if (fault !== undefined) throw new UsageError(`Cannot encrypt ${field}: ${fault}`);
  };
  // Nobody should type a secret to hear that there is no such field, or no key.
  refuse(faultsOf(document, path, "placeholder").find(({ ofName }) => ofName)?.message);
  const [key] = await requireKeys(world);
  const value = await readValue();
  world.redactor.add(value);
  if (value.startsWith(ENCRYPTED_PREFIX)) refuse("the value is encrypted already");
  refuse(faultsOf(document, path, value)[0]?.message);
  const encrypted = await encryptValue(value, { path: field, key, iv: world.randomBytes(IV_BYTES) });
  await replace(document, putString(document, path, encrypted) ?? document.text);
}

/**
 * Decrypts the value of one field, without a look at the others.
 *
 * @throws {ConfigError} if the field is not there, is not encrypted, or does not decrypt.
 */
export async function decryptField(configPath: string, field: string, world: ConfigWorld): Promise<string> {
  const document = await readDocument(configPath);
  const path = field.split(".");
  const text = findValue(document, path)?.value;
  if (typeof text !== "string" || !text.startsWith(ENCRYPTED_PREFIX)) {
    throw errorAt(document, path, text === undefined ? "is not in the file" : "is not encrypted in the file");
  }
  return (await decrypt(document, path, text, await requireKeys(world))).value;
}

/**
 * Encrypts anew, under the first key, every value of the file that is under another.
 *
 * @returns The paths of those values, and how many encrypted values there are in all.
 * @throws {ConfigError} if a value does not decrypt with any key; nothing is changed then.
 */
export async function rotateValues(
  configPath: string,
  world: EncryptionWorld,
): Promise<{ rotated: string[]; encryptedCount: number }> {
  const document = await readDocument(configPath);
  const keys = await requireKeys(world);
  const rotated: string[] = [];
  let encryptedCount = 0;
  const edits = [];
  for (const { path, text, node } of stringsOf(document.root)) {
    if (!text.startsWith(ENCRYPTED_PREFIX)) continue;
    encryptedCount++;
    const { value, keyIndex } = await decrypt(document, path, text, keys);
    if (keyIndex === 0) continue;
    const field = path.join(".");
    const content = await encryptValue(value, { path: field, key: keys[0], iv: world.randomBytes(IV_BYTES) });
    edits.push({ offset: node.offset, length: node.length, content: JSON.stringify(content) });
    rotated.push(field);
  }
  if (edits.length > 0) await replace(document, applyEdits(document.text, edits));
  return { rotated, encryptedCount };
}

type Keys = [first: CryptoKey, ...others: CryptoKey[]];

async function requireKeys(world: ConfigWorld): Promise<Keys> {
  const [first, ...others] = await readKeys(world);
  if (first === undefined) {
    throw new ConfigError(
      "no_key",
      `There is no key; make one with "deno task config generate-key" and ${SET_A_KEY}`,
    );
  }
  return [first, ...others];
}

async function decrypt(
  document: ConfigDocument,
  path: readonly (string | number)[],
  text: string,
  keys: Keys,
) {
  try {
    return await decryptValue(text, { path: path.join("."), keys });
  } catch (error) {
    throw error instanceof DecryptionError ? errorAt(document, path, error.message) : error;
  }
}

/** Replaces the file that was read, through a symlink, which stays one. */
async function replace({ path, text }: ConfigDocument, changed: string): Promise<void> {
  // A file that is gone has no real path; its own is as good for the message then.
  const file = await Deno.realPath(path).catch(() => path);
  const encoder = new TextEncoder();
  await replaceFile(file, { before: encoder.encode(text), after: encoder.encode(changed) });
}
