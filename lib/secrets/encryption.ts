/**
 * Encrypted values of a configuration file: AES-256-GCM by Web Crypto, bound to the field that they stand in.
 *
 * `enc:v1:` is followed by base64 of a random 96-bit IV, the ciphertext and the 128-bit tag. The field's path, as
 * `database.password`, is the additional authenticated data: a value that is moved to another field does not decrypt.
 *
 * @example
 * ```ts
 * const keys = await parseKeys(generateKey((size) => new Uint8Array(size).fill(7)), "ETL_CONFIG_KEY");
 * const iv = new Uint8Array(IV_BYTES);
 * const text = await encryptValue("s3cret", { path: "database.password", key: keys[0]!, iv });
 * const { value } = await decryptValue(text, { path: "database.password", keys });
 * console.assert(value === "s3cret");
 * ```
 * @module
 */
import { ConfigError } from "../errors.ts";
import { decodeUtf8 } from "../text.ts";

/** A configuration's string that begins with this is encrypted, in this or another version. */
export const ENCRYPTED_PREFIX = "enc:";
/** Bytes of an initialisation vector (NIST SP 800-38D, 8.2: 96 bits, here by chance). */
export const IV_BYTES = 12;
const V1 = `${ENCRYPTED_PREFIX}v1:`;
const TAG_BYTES = 16;
const KEY_BYTES = 32;

/** Why a value does not decrypt, in words that follow the field's name. Never tells a value. */
export class DecryptionError extends Error {
  /** For messages. */
  override readonly name = "DecryptionError";
}

/** Random bytes, as `crypto.getRandomValues` gives them. */
export type RandomBytes = (size: number) => Uint8Array<ArrayBuffer>;

/** A new 256-bit key in base64. */
export function generateKey(randomBytes: RandomBytes): string {
  return randomBytes(KEY_BYTES).toBase64();
}

/**
 * Reads keys: base64 of 32 bytes each, divided by line ends, blanks or commas, the newest first.
 *
 * @param source Where they come from, for messages.
 * @throws {ConfigError} `invalid_key` where one has another form. The message has its number only.
 */
export async function parseKeys(text: string, source: string): Promise<CryptoKey[]> {
  const keys = splitKeys(text).map((word, i) => {
    try {
      const bytes = Uint8Array.fromBase64(word, { lastChunkHandling: "strict" });
      if (bytes.length === KEY_BYTES) return bytes;
    } catch {
      // Its message could tell a part of the key.
    }
    throw new ConfigError(
      "invalid_key",
      `${source}: key ${
        i + 1
      } is not base64 of ${KEY_BYTES} bytes; make one with "deno task config generate-key"`,
    );
  });
  return await Promise.all(
    keys.map((key) => crypto.subtle.importKey("raw", key, "AES-GCM", false, ["encrypt", "decrypt"])),
  );
}

/** The single keys in a text that holds one or several. */
export function splitKeys(text: string): string[] {
  return text.split(/[\s,]+/).filter((word) => word !== "");
}

/**
 * Encrypts a field's value.
 *
 * @param options.iv {@linkcode IV_BYTES} random bytes that were never used with this key before.
 */
export async function encryptValue(
  value: string,
  { path, key, iv }: { path: string; key: CryptoKey; iv: Uint8Array<ArrayBuffer> },
): Promise<string> {
  const sealed = await seal(new TextEncoder().encode(value), { key, iv, context: contextOf(path) });
  return V1 + sealed.toBase64();
}

/**
 * Decrypts a field's value by the first of the keys that fits.
 *
 * @returns The value, and which key it was, from 0.
 * @throws {DecryptionError} where it has another version or form, no key fits, or it is not UTF-8.
 */
export async function decryptValue(
  text: string,
  { path, keys }: { path: string; keys: readonly CryptoKey[] },
): Promise<{ value: string; keyIndex: number }> {
  if (!text.startsWith(V1)) {
    throw new DecryptionError(`is encrypted in a version that is not known here; known is ${V1}`);
  }
  const sealed = parseSealed(text.slice(V1.length));
  for (const [keyIndex, key] of keys.entries()) {
    const bytes = await unseal(sealed, { key, context: contextOf(path) });
    if (bytes === null) continue;
    const value = decodeUtf8(bytes);
    if (value === null) throw new DecryptionError("is not UTF-8 once it is decrypted; encrypt it again");
    return { value, keyIndex };
  }
  throw new DecryptionError(
    `does not decrypt with ${keys.length === 1 ? "the key" : `any of the ${keys.length} keys`}: ` +
      "it was encrypted with another key or for another field, or was changed",
  );
}

function parseSealed(text: string): Uint8Array<ArrayBuffer> {
  try {
    // Strict, so that no two texts stand for the same value.
    const bytes = Uint8Array.fromBase64(text, { lastChunkHandling: "strict" });
    if (bytes.length >= IV_BYTES + TAG_BYTES && bytes.toBase64() === text) return bytes;
  } catch {
    // Its message could tell a part of the value.
  }
  throw new DecryptionError("is not a whole encrypted value: it was cut or changed");
}

function contextOf(path: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(path);
}

/**
 * AES-256-GCM: IV, ciphertext and tag in one.
 *
 * @internal
 */
export async function seal(
  plain: Uint8Array<ArrayBuffer>,
  { key, iv, context }: { key: CryptoKey; iv: Uint8Array<ArrayBuffer>; context: Uint8Array<ArrayBuffer> },
): Promise<Uint8Array<ArrayBuffer>> {
  const algorithm = { name: "AES-GCM", iv, additionalData: context };
  const encrypted = new Uint8Array(await crypto.subtle.encrypt(algorithm, key, plain));
  const sealed = new Uint8Array(iv.length + encrypted.length);
  sealed.set(iv);
  sealed.set(encrypted, iv.length);
  return sealed;
}

/** What {@linkcode seal} was given; `null` where key, context or a bit is another. */
async function unseal(
  sealed: Uint8Array<ArrayBuffer>,
  { key, context }: { key: CryptoKey; context: Uint8Array<ArrayBuffer> },
): Promise<Uint8Array | null> {
  const algorithm = { name: "AES-GCM", iv: sealed.subarray(0, IV_BYTES), additionalData: context };
  try {
    return new Uint8Array(await crypto.subtle.decrypt(algorithm, key, sealed.subarray(IV_BYTES)));
  } catch (error) {
    if (error instanceof DOMException && error.name === "OperationError") return null;
    throw error;
  }
}
