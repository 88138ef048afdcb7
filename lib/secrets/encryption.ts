/**
 * Encrypted values of a configuration file: AES-256-GCM by Web Crypto, each bound to its field.
 *
 * A value is `enc:v1:` and then, in base64, a random 96-bit IV, the ciphertext and the 128-bit tag. The path of its
 * field, such as `database.password`, is the additional authenticated data: moved to another field it does not decrypt.
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

/** How every encrypted string of a configuration begins, whatever its version. */
export const ENCRYPTED_PREFIX = "enc:";
/** Bytes of an initialisation vector (NIST SP 800-38D, 8.2.2: 96 random bits). */
export const IV_BYTES = 12;
const V1 = `${ENCRYPTED_PREFIX}v1:`;
const TAG_BYTES = 16;
const KEY_BYTES = 32;

/** A value that does not decrypt; the message says why, in words that follow the field's name, and tells no value. */
export class DecryptionError extends Error {
  /** The class's name, which messages show. */
  override readonly name = "DecryptionError";
}

/** Makes random bytes, as many as asked for, that nobody can guess: `crypto.getRandomValues`, but for tests. */
export type RandomBytes = (size: number) => Uint8Array<ArrayBuffer>;

/** Makes a new 256-bit key, in base64. */
export function generateKey(randomBytes: RandomBytes): string {
  return randomBytes(KEY_BYTES).toBase64();
}

/**
 * Parses keys: base64 of 32 bytes each, with line ends, blanks or commas between them, the newest first.
 *
 * @param source Where the keys come from, for messages.
 * @throws {ConfigError} `invalid_key` if one has another form. The message tells its number only.
 */
export async function parseKeys(text: string, source: string): Promise<CryptoKey[]> {
  const keys = splitKeys(text).map((word, i) => {
    try {
      const bytes = Uint8Array.fromBase64(word, { lastChunkHandling: "strict" });
      if (bytes.length === KEY_BYTES) return bytes;
    } catch {
      // The decoder's message could tell a part of the key.
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

/** Splits a text into the keys that it holds, as text. */
export function splitKeys(text: string): string[] {
  return text.split(/[\s,]+/).filter((word) => word !== "");
}

/**
 * Encrypts a field's value.
 *
 * @param options.path The field's path, such as `database.password`.
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
 * Decrypts a field's value with the first of the keys that fits.
 *
 * @returns The value, and the position of the key that fitted, from 0.
 * @throws {DecryptionError} if the text has another version or form, no key fits, or the value is not UTF-8.
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
    // The decoder's message could tell a part of the value.
  }
  throw new DecryptionError("is not a whole encrypted value: it was cut or changed");
}

function contextOf(path: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(path);
}

/**
 * Encrypts by AES-256-GCM; gives IV, ciphertext and tag in one.
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

/** Gives back what {@linkcode seal} was given; `null` if the key, the context or a single bit is another. */
async function unseal(
  sealed: Uint8Array<ArrayBuffer>,
  { key, context }: { key: CryptoKey; context: Uint8Array<ArrayBuffer> },
): Promise<Uint8Array | null> {
  const algorithm = { name: "AES-GCM", iv: sealed.subarray(0, IV_BYTES), additionalData: context };
  try {
    return new Uint8Array(await crypto.subtle.decrypt(algorithm, key, sealed.subarray(IV_BYTES)));
  } catch (error) {
    // Web Crypto throws this for every tag that does not fit, and does not say why.
    if (error instanceof DOMException && error.name === "OperationError") return null;
    throw error;
  }
}
