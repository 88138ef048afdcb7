/**
 * Changing values of a configuration file beside others who change it too, and of files of all kinds.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { decryptField, encryptField, type EncryptionWorld, rotateValues } from "../../lib/config/edit.ts";
import { ConfigError, UnavailableError, UsageError } from "../../lib/errors.ts";
import { Redactor } from "../../lib/secrets/redactor.ts";
import { removeAtEnd } from "../support/ending.ts";

const [NEW_KEY, OLD_KEY] = ["q", "r"].map((letter) => `${letter.repeat(42)}A=`) as [string, string];

const TEXT = `{
  "store": { "kind": "folder", "path": "store" }, // Łódź
  "database": { "kind": "mysql", "host": "localhost", "database": "d", "user": "u", "password": "" }
}
`;

function worldOf(keys: string): EncryptionWorld {
  return {
    env: (name) => name === "ETL_CONFIG_KEY" ? keys : undefined,
    redactor: new Redactor(),
    randomBytes: (size) => crypto.getRandomValues(new Uint8Array(size)),
  };
}

async function createConfig(text: string | Uint8Array = TEXT) {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "config-" }));
  const path = join(folder, "config.jsonc");
  await Deno.writeFile(path, typeof text === "string" ? new TextEncoder().encode(text) : text);
  return { folder, path, [Symbol.asyncDispose]: () => removeAtEnd(folder) };
}

/** Encrypts a field while something else happens before its value is there. */
function encrypt(path: string, field: string, { value = "canary", meanwhile = async () => {} } = {}) {
  const readValue = async () => {
    await meanwhile();
    return value;
  };
  return encryptField(path, { field, readValue, world: worldOf(OLD_KEY) });
}

const isChanged = (error: unknown) => error instanceof UnavailableError && error.code === "file_changed";

Deno.test("encryptField() writes nothing, when the file is changed or deleted while the value is typed", async () => {
  await using file = await createConfig();
  const changed = TEXT.replace("localhost", "127.0.0.1");
  const change = () => Deno.writeTextFile(file.path, changed);
  await assert.rejects(encrypt(file.path, "database.password", { meanwhile: change }), isChanged);
  assert.equal(await Deno.readTextFile(file.path), changed);
  const remove = () => Deno.remove(file.path);
  await assert.rejects(encrypt(file.path, "database.password", { meanwhile: remove }), isChanged);
  assert.deepEqual(await Array.fromAsync(Deno.readDir(file.folder)), []);
});

/** Fields that no configuration like this one has, or that hold no string, and what is said of them. */
const NO_FIELDS: Readonly<Record<string, RegExp>> = {
  "database.pasword": /there is no such field where database\.kind is "mysql", as in .*config\.jsonc/,
  "database.path": /there is no such field where database\.kind is "mysql"/,
  "database.password.x": /there is no such field/,
  "databse.password": /there is no such field$/,
  "workDir.x": /there is no such field/,
  "workDir.0": /there is no such field/,
  "contract.columns.a.b": /there is no such field/,
  "contract.rules.r.check.x": /there is no such field/,
  "$schema": /there is no such field/,
  "$schema.x": /there is no such field/,
  "__proto__.x": /there is no such field/,
  "contract.rules.__proto__.check": /there is no such field/,
  "": /there is no such field/,
  "database": /it has fields of its own/,
  "database.port": /expected number, received string/,
  "contract.maxRejectedShare": /expected number, received string/,
};

Deno.test("encryptField() refuses a field before it asks for the value, when there is none that takes a string", async () => {
  for (const [field, says] of Object.entries(NO_FIELDS)) {
    await using file = await createConfig(TEXT.replace("{", '{ "workDir": "w",'));
    const before = await Deno.readTextFile(file.path);
    const meanwhile = () => Promise.reject(new Error("it was asked for"));
    await assert.rejects(encrypt(file.path, field, { meanwhile }), (error) => {
      assert.ok(error instanceof UsageError, `${field}: ${error}`);
      assert.ok(error.message.startsWith(`Cannot encrypt ${field}: `), error.message);
      assert.match(error.message, says);
      return true;
    });
    assert.equal(await Deno.readTextFile(file.path), before);
  }
});

Deno.test("encryptField() refuses a value that makes the file invalid, and does not show it", async () => {
  const values: Readonly<Record<string, readonly [value: string, says: RegExp]>> = {
    "prefixes.source": ["_staging/x/", /"\[redacted\]" lies within "_staging\/" \(staging\)/],
    "prefixes.error": ["_runs/", /^[^:]*: ("\[redacted\]" lies|prefixes\.runs: .*within "\[redacted\]")/],
    "prefixes.runs": ["a", /must end in/],
    "contract.columns.colour": ["double", /must be integer, text, date or decimal/],
    "store.kind": ["ftp-canary", /./],
  };
  for (const [field, [value, says]] of Object.entries(values)) {
    await using file = await createConfig();
    await assert.rejects(encrypt(file.path, field, { value }), (error) => {
      assert.ok(error instanceof UsageError, `${field}: ${error}`);
      assert.match(error.message, says);
      if (value !== "a") assert.ok(!error.message.includes(`"${value}"`), error.message);
      return true;
    });
    assert.equal(await Deno.readTextFile(file.path), TEXT);
  }
});

Deno.test("encryptField() lets the redactor know the value at once", async () => {
  await using file = await createConfig();
  const world = worldOf(OLD_KEY);
  const readValue = () => Promise.resolve("enc:canary");
  await assert.rejects(encryptField(file.path, { field: "database.password", readValue, world }), UsageError);
  assert.equal(world.redactor.redact("it is enc:canary"), "it is [redacted]");
});

Deno.test("encryptField() takes values of a section one by one, and beside others that refer to an environment", async () => {
  await using file = await createConfig(`{
  "store": { "kind": "s3", "bucket": "b", "endpoint": "\${ENDPOINT}" }, // c
  "database": { "kind": "mysql", "host": "\${HOST}", "database": "d", "user": "u" }, // d
  "prefixes": { "source": "\${SOURCE}" }
}`);
  for (const name of ["accessKeyId", "secretAccessKey"]) {
    await encrypt(file.path, `store.credentials.${name}`);
  }
  await encrypt(file.path, "database.password");
  const text = (await Deno.readTextFile(file.path)).replaceAll(/enc:v1:[^"]+/g, "enc");
  assert.equal(
    text,
    `{
  "store": { "kind": "s3", "bucket": "b", "endpoint": "\${ENDPOINT}", "credentials": { "accessKeyId": "enc", "secretAccessKey": "enc" } }, // c
  "database": { "kind": "mysql", "host": "\${HOST}", "database": "d", "user": "u", "password": "enc" }, // d
  "prefixes": { "source": "\${SOURCE}" }
}`,
  );
});

Deno.test("encryptField() keeps what others have encrypted, when several encrypt at once", async () => {
  await using file = await createConfig();
  const fields = ["database.password", "database.host", "database.user", "store.path", "database.database"];
  const results = await Promise.allSettled(fields.map((field) => encrypt(file.path, field)));
  for (const [i, result] of results.entries()) {
    if (result.status === "rejected") assert.ok(isChanged(result.reason), `${result.reason}`);
    else assert.equal(await decryptField(file.path, fields[i]!, worldOf(OLD_KEY)), "canary");
  }
  assert.ok(results.some(({ status }) => status === "fulfilled"));
});

Deno.test("rotateValues() leaves a whole file under the new key, when several rotate at once", async () => {
  await using file = await createConfig();
  await encrypt(file.path, "database.password");
  await encrypt(file.path, "database.user");
  const rotations = Array.from(
    { length: 4 },
    () => rotateValues(file.path, worldOf(`${NEW_KEY},${OLD_KEY}`)),
  );
  for (const result of await Promise.allSettled(rotations)) {
    if (result.status === "rejected") assert.ok(isChanged(result.reason), `${result.reason}`);
  }
  assert.equal(await decryptField(file.path, "database.password", worldOf(NEW_KEY)), "canary");
  assert.equal(await decryptField(file.path, "database.user", worldOf(NEW_KEY)), "canary");
});

Deno.test("encryptField() and rotateValues() refuse a file that is not UTF-8 and leave it as it is", async () => {
  const latin1 = Uint8Array.from(TEXT.replace("Łódź", "caf\u00e9"), (character) => character.charCodeAt(0));
  await using file = await createConfig(latin1);
  for (
    const edit of [
      () => encrypt(file.path, "database.password"),
      () => rotateValues(file.path, worldOf(OLD_KEY)),
    ]
  ) {
    await assert.rejects(edit(), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, /config\.jsonc: is not UTF-8/);
      return true;
    });
    assert.deepEqual(await Deno.readFile(file.path), latin1);
  }
});
