/**
 * Changes encrypted values in a configuration file, and nothing else of it: comments and layout stay, and the file is
 * the old or the new one at every moment. What somebody else changes meanwhile is never lost: then nothing is written.
 *
 * @module
 */
import { applyEdits, modify } from "jsonc-parser";
import { replaceFile } from "./atomic_file.ts";
import {
  type ConfigDocument,
  findValue,
  parseDocument,
  problem,
  readDocument,
  stringsOf,
  type ValueNode,
} from "./config_document.ts";
import { configSchema } from "./config_schema.ts";
import { type ConfigWorld, readKeys, SET_A_KEY } from "./config_values.ts";
import {
  DecryptionError,
  decryptValue,
  ENCRYPTED_PREFIX,
  encryptValue,
  IV_BYTES,
  type RandomBytes,
} from "./encryption.ts";
import { ConfigError, UsageError } from "./errors.ts";

/** What encrypting needs besides the file. */
export interface EncryptionWorld extends ConfigWorld {
  /** For IVs. */
  readonly randomBytes: RandomBytes;
}

/**
 * Encrypts a value under the newest key and writes it into a field of the file.
 *
 * @param field As `database.password`; put in where the file does not have it.
 * @throws {UsageError} where no configuration has such a field, or the value does not suit it.
 * @throws {ConfigError} where the file or a key is not right.
 */
export async function encryptField(
  configPath: string,
  { field, readValue, world }: { field: string; readValue: () => Promise<string>; world: EncryptionWorld },
): Promise<void> {
  const document = await readDocument(configPath);
  const [key] = await requireKeys(world);
  // Only now: nobody should type a secret to hear that there is no key.
  const value = await readValue();
  if (value.startsWith(ENCRYPTED_PREFIX)) {
    throw new UsageError(`Cannot encrypt ${field}: the value is encrypted already`);
  }
  const path = field.split(".");
  const put = (content: string) => {
    const eol = document.text.includes("\r\n") ? "\r\n" : "\n";
    const formattingOptions = { insertSpaces: true, tabSize: 2, eol };
    return applyEdits(document.text, modify(document.text, path, content, { formattingOptions }));
  };
  const fault = faultOfField(parseDocument(document.path, put(value)), path);
  if (fault !== null) throw new UsageError(`Cannot encrypt ${field}: ${fault}`);
  await replace(
    document,
    put(await encryptValue(value, { path: field, key, iv: world.randomBytes(IV_BYTES) })),
  );
}

/** What is wrong with a field, alone: other values may refer to an environment that is not there. */
function faultOfField({ root }: ConfigDocument, path: readonly string[]): string | null {
  const parsed = configSchema.safeParse(plainValue(root));
  const fault = parsed.error?.issues.find((issue) => {
    const unknown = issue.code === "unrecognized_keys" ? issue.keys : [];
    const at = issue.path.join(".");
    return at === path.join(".") ||
      unknown.some((key) => `${path.join(".")}.`.startsWith([...issue.path, key, ""].join(".")));
  });
  if (!fault) return null;
  return fault.code === "unrecognized_keys" ? "there is no such field" : fault.message;
}

function plainValue(node: ValueNode): unknown {
  if (node.type === "array") return (node.children ?? []).map(plainValue);
  if (node.type !== "object") return node.value;
  const entries = (node.children ?? []).map((
    { children: [key, value] = [] },
  ) => [key?.value, value && plainValue(value)]);
  return Object.fromEntries(entries);
}

/**
 * Decrypts the value of one field; the others are not looked at.
 *
 * @throws {ConfigError} where the field is not there, not encrypted, or does not decrypt.
 */
export async function decryptField(configPath: string, field: string, world: ConfigWorld): Promise<string> {
  const document = await readDocument(configPath);
  const path = field.split(".");
  const text = findValue(document, path)?.value;
  if (typeof text !== "string" || !text.startsWith(ENCRYPTED_PREFIX)) {
    throw problem(document, path, text === undefined ? "is not in the file" : "is not encrypted in the file");
  }
  return (await decrypt(document, path, text, await requireKeys(world))).value;
}

/**
 * Encrypts every value of the file that is not under the newest key anew, under that.
 *
 * @returns The paths of those values, and how many encrypted values there are in all.
 * @throws {ConfigError} where a value does not decrypt with any key; nothing is changed then.
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

type Keys = [newest: CryptoKey, ...older: CryptoKey[]];

async function requireKeys(world: ConfigWorld): Promise<Keys> {
  const [newest, ...older] = await readKeys(world);
  if (newest === undefined) {
    throw new ConfigError(
      "no_key",
      `There is no key; make one with "deno task config generate-key" and ${SET_A_KEY}`,
    );
  }
  return [newest, ...older];
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
    throw error instanceof DecryptionError ? problem(document, path, error.message) : error;
  }
}

/** Replaces the file that was read; through a symlink, which stays one. */
async function replace({ path, text }: ConfigDocument, changed: string): Promise<void> {
  // Of one that is gone there is no real path: then its own is as good for the message.
  const file = await Deno.realPath(path).catch(() => path);
  const encoder = new TextEncoder();
  await replaceFile(file, { before: encoder.encode(text), after: encoder.encode(changed) });
}
