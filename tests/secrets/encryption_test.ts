import assert from "node:assert/strict";
import fc from "fast-check";
import {
  DecryptionError,
  decryptValue,
  encryptValue,
  generateKey,
  IV_BYTES,
  parseKeys,
  seal,
} from "../../lib/secrets/encryption.ts";
import { ConfigError } from "../../lib/errors.ts";

/**
 * Known answers of NIST's Cryptographic Algorithm Validation Program, gcmEncryptExtIV256.rsp (keys of 256 bits, IVs of
 * 96, tags of 128), one of each length of plaintext and of additional data in hex.
 */
const VECTORS = [
  {
    key: "b52c505a37d78eda5dd34f20c22540ea1b58963cf8e5bf8ffa85f9f2492505b4",
    iv: "516c33929df5a3284ff463d7",
    plaintext: "",
    aad: "",
    ciphertext: "",
    tag: "bdc1ac884d332457a1d2664f168c76f0",
  },
  {
    key: "78dc4e0aaf52d935c3c01eea57428f00ca1fd475f5da86a49c8dd73d68c8e223",
    iv: "d79cf22d504cc793c3fb6c8a",
    plaintext: "",
    aad: "b96baa8c1c75a671bfb2d08d06be5f36",
    ciphertext: "",
    tag: "3e5d486aa2e30b22e040b85723a06e76",
  },
  {
    key: "82c4f12eeec3b2d3d157b0f992d292b237478d2cecc1d5f161389b97f999057a",
    iv: "7b40b20f5f397177990ef2d1",
    plaintext: "982a296ee1cd7086afad976945",
    aad: "",
    ciphertext: "ec8e05a0471d6b43a59ca5335f",
    tag: "113ddeafc62373cac2f5951bb9165249",
  },
  {
    key: "31bdadd96698c204aa9ce1448ea94ae1fb4a9a0b3c9d773b51bb1822666b8f22",
    iv: "0d18e06c7c725ac9e362e1ce",
    plaintext: "2db5168e932556f8089a0622981d017d",
    aad: "",
    ciphertext: "fa4362189661d163fcd6a56d8bf0405a",
    tag: "d636ac1bbedd5cc3ee727dc2ab4a9489",
  },
  {
    key: "24501ad384e473963d476edcfe08205237acfd49b5b8f33857f8114e863fec7f",
    iv: "9ff18563b978ec281b3f2794",
    plaintext:
      "27f348f9cdc0c5bd5e66b1ccb63ad920ff2219d14e8d631b3872265cf117ee86757accb158bd9abb3868fdc0d0b074b5f01b2c",
    aad: "adb5ec720ccf9898500028bf34afccbcaca126ef",
    ciphertext:
      "eb7cb754c824e8d96f7c6d9b76c7d26fb874ffbf1d65c6f64a698d839b0b06145dae82057ad55994cf59ad7f67c0fa5e85fab8",
    tag: "bc95c532fecc594c36d1550286a7a3f0",
  },
  {
    key: "148579a3cbca86d5520d66c0ec71ca5f7e41ba78e56dc6eebd566fed547fe691",
    iv: "b08a5ea1927499c6ecbfd4e0",
    plaintext:
      "9d0b15fdf1bd595f91f8b3abc0f7dec927dfd4799935a1795d9ce00c9b879434420fe42c275a7cd7b39d638fb81ca52b49dc41",
    aad:
      "e4f963f015ffbb99ee3349bbaf7e8e8e6c2a71c230a48f9d59860a29091d2747e01a5ca572347e247d25f56ba7ae8e05cde2be3c97931292c02370208ecd097ef692687fecf2f419d3200162a6480a57dad408a0dfeb492e2c5d",
    ciphertext:
      "2097e372950a5e9383c675e89eea1c314f999159f5611344b298cda45e62843716f215f82ee663919c64002a5c198d7878fd3f",
    tag: "adbecdb0d5c2224d804d2886ff9a5760",
  },
];

for (const [i, vector] of VECTORS.entries()) {
  Deno.test(`seal() gives what NIST says, for vector ${i + 1}`, async () => {
    const [key] = await parseKeys(Uint8Array.fromHex(vector.key).toBase64(), "the vector");
    const iv = Uint8Array.fromHex(vector.iv), context = Uint8Array.fromHex(vector.aad);
    const sealed = await seal(Uint8Array.fromHex(vector.plaintext), { key: key!, iv, context });
    assert.equal(sealed.toHex(), vector.iv + vector.ciphertext + vector.tag);
  });
}

const [KEY, OTHER_KEY] = await parseKeys(`${"A".repeat(43)}= ${"B".repeat(42)}A=`, "these tests") as [
  CryptoKey,
  CryptoKey,
];
const PATH = "database.password";
const CANARY = "5ecret-Canary";

function encrypt(value: string, path = PATH, key = KEY): Promise<string> {
  return encryptValue(value, { path, key, iv: crypto.getRandomValues(new Uint8Array(IV_BYTES)) });
}

Deno.test("decryptValue() gives what encryptValue() was given, whatever it is and wherever it stands", async () => {
  const text = fc.string({ unit: "grapheme", maxLength: 200 });
  await fc.assert(fc.asyncProperty(text, text, async (value, path) => {
    const encrypted = await encrypt(value.toWellFormed(), path);
    assert.match(encrypted, /^enc:v1:[A-Za-z0-9+/]+={0,2}$/);
    assert.equal((await decryptValue(encrypted, { path, keys: [KEY] })).value, value.toWellFormed());
  }));
});

Deno.test("encryptValue() gives another text each time", async () => {
  assert.notEqual(await encrypt(CANARY), await encrypt(CANARY));
});

Deno.test("decryptValue() finds the key among several, and says which it was", async () => {
  const older = await encrypt(CANARY, PATH, OTHER_KEY);
  assert.deepEqual(await decryptValue(older, { path: PATH, keys: [KEY, OTHER_KEY] }), {
    value: CANARY,
    keyIndex: 1,
  });
});

async function refuses(
  text: string,
  options: { path?: string; keys?: CryptoKey[] },
  says: RegExp,
): Promise<void> {
  await assert.rejects(decryptValue(text, { path: PATH, keys: [KEY], ...options }), (error) => {
    assert.ok(error instanceof DecryptionError, `failed with ${error}`);
    assert.match(error.message, says);
    assert.ok(!Deno.inspect(error).includes(CANARY));
    return true;
  });
}

Deno.test("decryptValue() refuses a value, when it was moved to another field or encrypted with another key", async () => {
  const text = await encrypt(CANARY);
  await refuses(text, { path: "store.credentials.secretAccessKey" }, /for another field/);
  await refuses(text, { keys: [OTHER_KEY] }, /with another key/);
  await refuses(text, { keys: [OTHER_KEY, OTHER_KEY] }, /any of the 2 keys/);
});

Deno.test("decryptValue() refuses a value, whichever of its bits is flipped", async () => {
  const sealed = Uint8Array.fromBase64((await encrypt(CANARY)).slice("enc:v1:".length));
  for (let bit = 0; bit < sealed.length * 8; bit++) {
    const flipped = sealed.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    await refuses(`enc:v1:${flipped.toBase64()}`, {}, /was changed/);
  }
});

Deno.test("decryptValue() refuses a value, whichever of its characters is changed or wherever it is cut", async () => {
  const text = await encrypt(CANARY);
  for (let i = "enc:v1:".length; i < text.length; i++) {
    await refuses(text.slice(0, i), {}, /cut|changed/);
    for (const character of ["A", "b", "9", "/", "=", " ", "é"]) {
      if (text[i] === character) continue;
      await refuses(text.slice(0, i) + character + text.slice(i + 1), {}, /cut|changed/);
    }
  }
  await refuses(`${text}\n`, {}, /cut or changed/);
});

Deno.test("decryptValue() refuses a value of another version", async () => {
  await refuses((await encrypt(CANARY)).replace("v1", "v2"), {}, /version that is not known here/);
  await refuses("enc:", {}, /version that is not known here/);
});

Deno.test("parseKeys() reads keys divided by line ends, blanks and commas, and those that generateKey() makes", async () => {
  const keys = Array.from(
    { length: 4 },
    () => generateKey((size) => crypto.getRandomValues(new Uint8Array(size))),
  );
  assert.equal((await parseKeys(`${keys[0]}\r\n${keys[1]}, ${keys[2]}\n${keys[3]}\n`, "a file")).length, 4);
  assert.deepEqual(await parseKeys(" \n", "a file"), []);
});

Deno.test("parseKeys() says which key is wrong, and nothing of it", async () => {
  const good = generateKey((size) => crypto.getRandomValues(new Uint8Array(size)));
  for (const bad of [CANARY, good.slice(0, -4), good.slice(0, -1), `${good}AAAA`, good.replace(/./, "é")]) {
    await assert.rejects(parseKeys(`${good} ${bad}`, "ETL_CONFIG_KEY"), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, /^ETL_CONFIG_KEY: key 2 is not base64 of 32 bytes/);
      assert.ok(!Deno.inspect(error).includes(bad), error.message);
      return true;
    });
  }
});

Deno.test("decryptValue() refuses a value, when it is authentic and not UTF-8", async () => {
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
  const sealed = await seal(new Uint8Array([0x63, 0xe9]), {
    key: KEY,
    iv,
    context: new TextEncoder().encode(PATH),
  });
  await refuses(`enc:v1:${sealed.toBase64()}`, {}, /not UTF-8/);
});
