import assert from "node:assert/strict";
import { join } from "node:path";
import { loadConfig, loadWorkDir } from "../../lib/config/load.ts";
import { configHash } from "../../lib/config/freeze.ts";
import { type Config, configJsonSchema, configSchema, SECRET_FIELDS } from "../../lib/config/schema.ts";
import type { Environment } from "../../lib/config/values.ts";
import { encryptValue, IV_BYTES, parseKeys } from "../../lib/secrets/encryption.ts";
import { ConfigError } from "../../lib/errors.ts";
import { loadModel } from "../../lib/model/load.ts";
import { Redactor } from "../../lib/secrets/redactor.ts";
import { Secret } from "../../lib/secrets/secret.ts";
import { removeAtEnd } from "../support/ending.ts";
import { REPOSITORY } from "../support/task.ts";

/** A folder with a configuration file of this text. */
async function writeConfig(text: string) {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "config-" }));
  const path = join(folder, "config.jsonc");
  await Deno.writeTextFile(path, text);
  return { folder, path, [Symbol.asyncDispose]: () => removeAtEnd(folder) };
}

const ENVIRONMENT: Readonly<Record<string, string>> = {
  NAME: "value",
  EMPTY: "",
  TRICKY: '${NAME} $$ "\\',
};
const env = (name: string): string | undefined => ENVIRONMENT[name];
const worldOf = (env: Environment) => ({ env, redactor: new Redactor() });

async function load(path: string): Promise<Config> {
  const loaded = await loadConfig(path, worldOf(env));
  // It fills in what is the model's.
  await loadModel(loaded);
  return loaded.config;
}

Deno.test("loadConfig() fills in every default, when only store and database are given", async () => {
  await using file = await writeConfig(`{
    "$schema": "./schema.json",
    "store": { "kind": "folder", "path": "../store" },
    "database": { "kind": "duckdb", "path": "warehouse.duckdb" }, // a comment
  }`);
  assert.deepEqual(await load(file.path), {
    store: { kind: "folder", path: join(file.folder, "../store") },
    database: { kind: "duckdb", path: join(file.folder, "warehouse.duckdb") },
    workDir: join(file.folder, "../data/work"),
    prefixes: {
      source: "sales_data/",
      processed: "sales_data_processed/",
      error: "sales_data_error/",
      customerMart: "customer_data_mart/",
      salesMart: "sales_data_mart/",
      salesPartitionedMart: "sales_partitioned_data_mart/",
      acceptedSales: "accepted_sales/",
      staging: "_staging/",
      runs: "_runs/",
    },
    contract: {
      columns: {
        customer_id: "integer",
        store_id: "integer",
        product_name: "text",
        sales_date: "date",
        sales_person_id: "integer",
        price: "decimal(10,2)",
        quantity: "integer",
        total_cost: "decimal(18,2)",
      },
      rules: {
        quantity_positive: { check: "quantity > 0", severity: "reject" },
        price_not_negative: { check: "price >= 0", severity: "reject" },
        total_matches: { check: "total_cost = price * quantity", severity: "warn" },
      },
      unknownKeys: "reject",
      maxRejectedShare: 0.1,
      minRejectsForShare: 10,
      redelivery: "add",
      maxUnknownShare: 0.5,
    },
    csv: { delimiter: ",", quote: '"', maxRowBytes: 1048576, maxColumns: 2000, maxFileBytes: 68719476736 },
    landing: {
      ignore: [
        ...["*.filepart", "*.crdownload", "*_$folder$", "_SUCCESS", "*.ok", "*.done", "*.md5", "Thumbs.db"],
      ],
    },
    lease: { ttlSeconds: 900, waitSeconds: 0 },
    incentivePercent: 1,
    resources: { memoryLimit: "auto", threads: "auto" },
  });
});

Deno.test("loadConfig() takes what is given, and a rules or columns object in place of the default one", async () => {
  await using file = await writeConfig(`{
    "store": { "kind": "s3", "bucket": "b", "endpoint": "http://127.0.0.1:7070", "forcePathStyle": true },
    "database": { "kind": "mysql", "host": "h", "database": "d", "user": "u", "password": "",
                  "tls": { "mode": "required", "caFile": "ca.pem" } },
    "workDir": "/var/nightly",
    "prefixes": { "source": "in/2023/" },
    "contract": { "rules": {}, "unknownKeys": "fail" },
    "csv": { "delimiter": "\\t" },
    "incentivePercent": 0.0625,
    "resources": { "memoryLimit": "1.5 GiB", "threads": 2 }
  }`);
  const config = await load(file.path);
  assert.deepEqual(config.store, {
    kind: "s3",
    bucket: "b",
    endpoint: "http://127.0.0.1:7070",
    forcePathStyle: true,
  });
  assert.deepEqual(config.database, {
    kind: "mysql",
    host: "h",
    port: 3306,
    database: "d",
    user: "u",
    password: new Secret(""),
    tls: { mode: "required", caFile: join(file.folder, "ca.pem") },
  });
  assert.equal(config.workDir, "/var/nightly");
  assert.equal(config.prefixes.source, "in/2023/");
  assert.equal(config.prefixes.processed, "sales_data_processed/");
  assert.deepEqual(config.contract.rules, {});
  assert.equal(config.csv.delimiter, "\t");
  assert.equal(config.incentivePercent, 0.0625);
  assert.deepEqual(config.resources, { memoryLimit: "1.5 GiB", threads: 2 });
});

Deno.test("loadConfig() reads a file that begins with a byte order mark and has CRLF", async () => {
  await using file = await writeConfig(
    '\ufeff{\r\n"store": {"kind": "folder", "path": "s"},\r\n"database": {"kind": "duckdb", "path": "d"}\r\n}\r\n',
  );
  assert.equal((await load(file.path)).incentivePercent, 1);
});

/** What a string becomes; `secret.txt` and `crlf.txt` are files beside the configuration. */
const REFERENCES: Readonly<Record<string, string>> = {
  "${NAME}": "value",
  "<${NAME}|${NAME}>": "<value|value>",
  "${EMPTY}": "",
  "${MISSING:-default}": "default",
  "${EMPTY:-default}": "default",
  "${NAME:-default}": "value",
  "${MISSING:-}": "",
  "${MISSING:-a:-b c/d}": "a:-b c/d",
  "${file:secret.txt}": "first line\n last line ",
  "${file:./crlf.txt}": "p\u00e4ss",
  "<${file:no-line-end.txt}>": "<word>",
  "${TRICKY}": '${NAME} $$ "\\',
  "$$": "$",
  "$$$$": "$$",
  "$${NAME}": "${NAME}",
  "$$${NAME}": "$value",
  "$": "$",
  "$NAME and 5 $": "$NAME and 5 $",
  "a{NAME}": "a{NAME}",
};

Deno.test("loadConfig() puts in values of the environment and of files, and nothing a second time", async () => {
  for (const [given, expected] of Object.entries(REFERENCES)) {
    const password = JSON.stringify(given);
    await using file = await writeConfig(`{ "store": { "kind": "folder", "path": "s" }, "database":
      { "kind": "mysql", "host": "h", "database": "d", "user": "u", "password": ${password} } }`);
    await Deno.writeTextFile(join(file.folder, "secret.txt"), "first line\n last line \n");
    await Deno.writeTextFile(join(file.folder, "crlf.txt"), "p\u00e4ss\r\n");
    await Deno.writeTextFile(join(file.folder, "no-line-end.txt"), "word");
    const { database } = await load(file.path);
    assert.ok(database.kind === "mysql");
    assert.equal(database.password.reveal(), expected, given);
  }
});

Deno.test("loadConfig() refuses a file that is not UTF-8, whether it is a value, the key or the configuration", async () => {
  const text = '{ "store": { "kind": "folder", "path": "${file:latin1}" },\n"workDir": "enc:v1:x" }';
  await using file = await writeConfig(text);
  const latin1 = join(file.folder, "latin1");
  await Deno.writeFile(latin1, new Uint8Array([0x63, 0xe9]));
  const refuses = (says: RegExp, env: Environment) =>
    assert.rejects(loadConfig(file.path, worldOf(env)), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, says);
      return true;
    });
  await refuses(/:1: store\.path: the file .*latin1 is not UTF-8/, env);
  await Deno.writeTextFile(file.path, text.replace("${file:latin1}", "s"));
  await refuses(
    /:2: workDir: is encrypted, and .*latin1 is not UTF-8/,
    (name) => name === "ETL_CONFIG_KEY_FILE" ? latin1 : undefined,
  );
  await Deno.writeFile(file.path, new Uint8Array([0xff, 0xfe, 0x7b, 0]));
  await refuses(/config\.jsonc: is not UTF-8/, env);
});

Deno.test("loadConfig() shows no key, when ETL_CONFIG_KEY_FILE holds one in place of a path", async () => {
  await using file = await writeConfig('{ "workDir": "enc:v1:x" }');
  const key = `${"k".repeat(42)}A=`;
  for (const given of [key, key.slice(0, -1), `${key},${key}`, `/${key.slice(1)}`, `${key}\n`]) {
    const world = worldOf((name) => name === "ETL_CONFIG_KEY_FILE" ? given : undefined);
    await assert.rejects(loadConfig(file.path, world), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, /workDir: .*ETL_CONFIG_KEY_FILE holds a key, not the path of a file/);
      assert.ok(!Deno.inspect(error).includes("kkkkk"), error.message);
      return true;
    });
    assert.doesNotMatch(world.redactor.redact(given), /kkkkk/);
  }
});

/** A configuration whose line 4 is `line`; lines 2 and 3 have what must be given, unless `line` gives it. */
function configWith(line: string): string {
  const given = {
    store: '"store": { "kind": "folder", "path": "s" },',
    database: '"database": { "kind": "duckdb", "path": "d" },',
  };
  const unless = (key: keyof typeof given) => line.trimStart().startsWith(`"${key}"`) ? "" : given[key];
  return `{\n${unless("store")}\n${unless("database")}\n${line}\n}\n`;
}

const CORE = `"customer_id": "integer", "store_id": "integer", "product_name": "text", "sales_date": "date",
  "sales_person_id": "integer", "price": "decimal(10,2)", "quantity": "integer"`;

/** Line 4 and what follows of a faulty configuration, and what must be said, each as `LINE: KEY: REASON`. */
const FAULTS: readonly (readonly [line: string, ...says: readonly string[]])[] = [
  ['"work_dir": "x"', "4: work_dir: unknown key"],
  [
    '"lease": { "ttl": 1,\n"wait": 2 }, "more": 1',
    "4: lease.ttl: unknown key",
    "5: lease.wait: unknown key",
    "5: more: unknown key",
  ],
  ['"store": { "kind": "folder", "path": "s",\n"bucket": "b" }', "5: store.bucket: unknown key"],
  ['"store": { "kind": "ftp" }', "4: store.kind: "],
  ['"store": { "kind": "folder" }', "4: store.path: "],
  ['"store": "data/store"', "4: store: "],
  ['"database": { "kind": "duckdb", "path": "" }', "4: database.path: "],
  [
    '"database": { "kind": "mysql", "host": "h", "database": "d", "user": "u", "password": "x", "port": "3306" }',
    "4: database.port: ",
  ],
  ...["ftp://h", "http://u:p@h", "http://u@h", "http://h?p=1", "http://h#p", "h:9000", ""].map((url) =>
    [`"store": { "kind": "s3", "bucket": "b", "endpoint": "${url}" }`, "4: store.endpoint: "] as const
  ),
  ...['"host": "10.0.0.1"', '"host": "::2"', '"host": "127.0.0.1", "tls": { "mode": "required" }'].map((
    host,
  ) =>
    [
      `"database": { "kind": "mysql", ${host}, "database": "d", "user": "u", "password": "x" }`,
      "4: database.host: must be a name, not an address, for TLS to check the certificate",
    ] as const
  ),
  ['"workDir": 5', "4: workDir: "],
  ['"prefixes": { "source": "in" }', "4: prefixes.source: "],
  ['"prefixes": { "source": "" }', "4: prefixes.source: "],
  ['"prefixes": { "source": "/in/" }', "4: prefixes.source: "],
  ['"prefixes": { "source": "a/../b/" }', "4: prefixes.source: "],
  [
    '"prefixes": {\n"source": "in/",\n"error": "in/error/" }',
    '6: prefixes.error: "in/error/" lies within "in/" (source)',
  ],
  ['"prefixes": { "runs": "_staging/" }', "4: prefixes.staging: ", "4: prefixes.runs: "],
  ['"prefixes": { "runs": "sales_data/_runs/" }', "4: prefixes.runs: "],
  ['"contract": { "columns": { ' + CORE + " } }", '4: contract.columns: "total_cost" may not be left out'],
  [
    '"contract": { "columns": { ' + CORE + ',\n"total_cost": "decimal(10,2)" } }',
    '6: contract.columns.total_cost: "total_cost" must be decimal(18,2)',
  ],
  [
    '"contract": { "columns": { ' + CORE + ', "total_cost": "decimal(18,2)",\n"colour": "string" } }',
    "6: contract.columns.colour: must be ",
  ],
  [
    '"contract": { "columns": { ' + CORE + ', "total_cost": "decimal(18,2)",\n"tax": "decimal(39,2)" } }',
    "6: contract.columns.tax: must be ",
  ],
  [
    '"contract": { "columns": { ' + CORE + ', "total_cost": "decimal(18,2)",\n"Price": "text" } }',
    "6: contract.columns.Price: ",
  ],
  [
    '"contract": { "columns": { ' + CORE + ', "total_cost": "decimal(18,2)",\n"source_key": "text" } }',
    "6: contract.columns.source_key: ",
  ],
  [
    '"contract": { "columns": { ' + CORE + ', "total_cost": "decimal(18,2)",\n"the colour": "text" } }',
    "6: contract.columns.the colour: must be a letter or underscore",
  ],
  [
    '"contract": { "rules": {\n"r": { "check": "TRUE", "severity": "fatal" } } }',
    "5: contract.rules.r.severity: ",
  ],
  ['"contract": { "rules": {\n"r": { "check": "" , "severity": "warn" } } }', "5: contract.rules.r.check: "],
  [
    '"contract": { "rules": {\n"unknown_product": { "check": "TRUE", "severity": "warn" } } }',
    "5: contract.rules.unknown_product: ",
  ],
  ['"contract": { "unknownKeys": "ignore" }', "4: contract.unknownKeys: "],
  ['"contract": { "maxRejectedShare": 1.01 }', "4: contract.maxRejectedShare: "],
  ['"contract": { "minRejectsForShare": -1 }', "4: contract.minRejectsForShare: "],
  ['"landing": { "ignored": [] }', "4: landing.ignored: unknown key"],
  ['"landing": { "ignore": "*.ok" }', "4: landing.ignore: "],
  ['"landing": { "ignore": ["*.ok", ""] }', "4: landing.ignore.1: must not be empty"],
  ['"landing": { "ignore": ["[ab].csv"] }', '4: landing.ignore.0: may not have "["'],
  ['"landing": { "ignore": ["old/"] }', '4: landing.ignore.0: must not end in "/"'],
  ['"landing": { "ignore": ["/old"] }', '4: landing.ignore.0: may not begin with "/"'],
  ['"csv": { "delimiter": "||" }', "4: csv.delimiter: "],
  ['"csv": { "delimiter": "" }', "4: csv.delimiter: "],
  ['"csv": { "delimiter": "\\n" }', "4: csv.delimiter: "],
  ['"csv": { "delimiter": "." }', "4: csv.delimiter: "],
  ['"csv": { "quote": "," }', "4: csv: delimiter and quote must differ"],
  ['"csv": { "quote": "a" }', "4: csv.quote: "],
  ['"csv": { "maxColumns": 0 }', "4: csv.maxColumns: "],
  ['"csv": { "maxRowBytes": 0 }', "4: csv.maxRowBytes: "],
  ['"csv": { "maxFileBytes": 1.5 }', "4: csv.maxFileBytes: "],
  ['"lease": { "ttlSeconds": 0 }', "4: lease.ttlSeconds: "],
  ['"lease": { "waitSeconds": -1 }', "4: lease.waitSeconds: "],
  ['"incentivePercent": 100.1', "4: incentivePercent: "],
  ['"incentivePercent": -0.1', "4: incentivePercent: "],
  ['"incentivePercent": 1.23456', "4: incentivePercent: must have at most 4 decimals"],
  ['"incentivePercent": 0.00001', "4: incentivePercent: must have at most 4 decimals"],
  ['"incentivePercent": "1"', "4: incentivePercent: "],
  ['"resources": { "memoryLimit": "lots" }', "4: resources.memoryLimit: "],
  ['"resources": { "threads": 0 }', "4: resources.threads: "],
  ['"resources": { "threads": "all" }', "4: resources.threads: "],
  ['"workDir": "a", "workDir": "b"', "4: workDir: given twice"],
  ['"lease": { "waitSeconds": 1,\n"waitSeconds": 2 }', "5: waitSeconds: given twice"],
  ['"workDir": "${MISSING}"', "4: workDir: the environment variable MISSING is not set"],
  ['"workDir": "${file:missing.txt}"', "4: workDir: cannot read the file "],
  ['"workDir": "${file:}"', "4: workDir: cannot read the file "],
  ['"workDir": "${not a name}"', "4: workDir: a reference is "],
  ['"workDir": "${}"', "4: workDir: a reference is "],
  ['"workDir": "${NAME"', "4: workDir: "],
  ['"workDir": "${NAME:-${OTHER}}"', "4: workDir: the default of NAME may have no reference in it"],
  ['"workDir": "enc:v1:AAAA"', "4: workDir: "],
  ['"workDir": "x" "lease": {}', "4: not valid JSONC: "],
  ['"workDir": "x', "4: not valid JSONC: "],
  ['"workDir": tru', "4: not valid JSONC: "],
];

/** The lines that are said about a configuration, without the file's name, which each of them begins with. */
async function faultsOf(text: string): Promise<string[]> {
  await using file = await writeConfig(text);
  try {
    await load(file.path);
  } catch (error) {
    assert.ok(error instanceof ConfigError, `failed with ${error}`);
    assert.equal(error.code, "invalid_config");
    return error.message.split("\n").map((line) => {
      assert.ok(line.startsWith(`${file.path}:`), line);
      return line.slice(file.path.length + 1);
    });
  }
  return [];
}

Deno.test("loadConfig() names file, line, key and reason of everything that is wrong", async (test) => {
  for (const [line, ...says] of FAULTS) {
    await test.step(line.replaceAll("\n", " "), async () => {
      const found = await faultsOf(configWith(line));
      assert.equal(found.length, says.length, found.join("\n"));
      for (const [i, expected] of says.entries()) {
        assert.ok(found[i]?.startsWith(expected), `${found[i]} does not begin with ${expected}`);
        assert.doesNotMatch(found[i] ?? "", /: (Invalid input)?$/, "no reason is given");
      }
    });
  }
});

Deno.test("loadConfig() says what is missing, when a file has no store, no object or nothing", async () => {
  const [store, database, ...others] = await faultsOf("{\n}");
  assert.match(store ?? "", /^1: store: .*expected object/);
  assert.match(database ?? "", /^1: database: .*expected object/);
  assert.deepEqual(others, []);
  for (const text of ["", "[]", '"x"', "// only a comment\n", "null"]) {
    assert.match((await faultsOf(text))[0] ?? "accepted", /^\d: not valid JSONC: /, JSON.stringify(text));
  }
});

Deno.test("loadConfig() names the file and says how to name another, when it cannot be read", async () => {
  await using file = await writeConfig("{}");
  for (const path of [join(file.folder, "missing.jsonc"), file.folder]) {
    await assert.rejects(load(path), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.equal(error.code, "config_unreadable");
      assert.ok(error.message.includes(path));
      assert.match(error.message, /--config FILE/);
      return true;
    });
  }
});

Deno.test("loadConfig() tells no value, whatever is wrong with it", async () => {
  const canary = "5ecret-Canary";
  const full = {
    store: {
      kind: "s3",
      bucket: "b",
      region: "r",
      endpoint: "http://h",
      forcePathStyle: false,
      credentials: { accessKeyId: "a", secretAccessKey: "s", sessionToken: "t" },
    },
    database: {
      kind: "mysql",
      host: "h",
      port: 1,
      database: "d",
      user: "u",
      password: "p",
      tls: { mode: "off", caFile: "f" },
    },
    workDir: "w",
    prefixes: { source: "in/" },
    contract: { unknownKeys: "fail", maxRejectedShare: 0, rules: { r: { check: "TRUE", severity: "warn" } } },
    csv: { delimiter: ",", quote: '"', maxColumns: 1 },
    lease: { ttlSeconds: 1 },
    incentivePercent: 1,
    resources: { memoryLimit: "auto", threads: 1 },
  };
  let refused = 0;
  const canaries = [canary, `enc:v1:${canary}`, "${SECRET}", "${file:secret.txt}", [canary], {
    [`x`]: canary,
  }];
  for (const path of [...leavesOf(full), ["typo"], ["lease", "typo"]]) {
    for (const value of canaries) {
      const changed = structuredClone(full) as Json;
      const parent = path.slice(0, -1).reduce((node, key) => node[key] as Json, changed);
      parent[path.at(-1)!] = value;
      await using file = await writeConfig(JSON.stringify(changed, null, 1));
      await Deno.writeTextFile(join(file.folder, "secret.txt"), canary);
      try {
        await loadConfig(file.path, worldOf((name) => name === "SECRET" ? canary : undefined));
      } catch (error) {
        assert.ok(error instanceof ConfigError);
        const shown = `${error.message} ${error.stack} ${Deno.inspect(error.cause)}`;
        assert.ok(!shown.includes(canary), `${path.join(".")} = ${JSON.stringify(value)}: ${shown}`);
        refused++;
      }
    }
  }
  assert.ok(refused > 60, `only ${refused} values were refused`);
});

interface Json {
  [key: string]: unknown;
}

/** The paths of all values that are no objects. */
function leavesOf(node: object): string[][] {
  return Object.entries(node).flatMap(([key, value]) =>
    typeof value === "object" ? leavesOf(value).map((path) => [key, ...path]) : [[key]]
  );
}

Deno.test("loadWorkDir() needs nothing but the work dir, and no secret", async () => {
  await using file = await writeConfig(
    '{ "workDir": "${NAME}/work", "database": { "password": "${MISSING}" } }',
  );
  assert.equal(await loadWorkDir(file.path, worldOf(env)), join(file.folder, "value/work"));
  await Deno.writeTextFile(file.path, "{}");
  assert.equal(await loadWorkDir(file.path, worldOf(env)), join(file.folder, "../data/work"));
  for (const faulty of ['""', "5", '"${MISSING}"']) {
    await Deno.writeTextFile(file.path, `{\n"workDir": ${faulty} }`);
    await assert.rejects(
      loadWorkDir(file.path, worldOf(env)),
      (error) => error instanceof ConfigError && error.message.startsWith(`${file.path}:2: workDir: `),
      faulty,
    );
  }
});

const RUN = "20230401T020000Z-7f3a";

Deno.test("freeze() keeps everything but the secrets, and configHash() tells configurations apart", async () => {
  const loadWith = async (secret: string, rule: string) => {
    await using file = await writeConfig(`{
      "store": { "kind": "s3", "bucket": "b", "credentials":
        { "accessKeyId": "${secret}", "secretAccessKey": "${secret}", "sessionToken": "${secret}" } },
      "database": { "kind": "mysql", "host": "h", "database": "d", "user": "u", "password": "${secret}" },
      "workDir": "/var/nightly", "contract": { "rules": { "r": { "check": "${rule}", "severity": "warn" } } } }`);
    const { config, freeze } = await loadConfig(file.path, worldOf(env));
    return { config, frozen: freeze(RUN) };
  };
  const { config, frozen } = await loadWith("5ecret-Canary", "TRUE");
  assert.ok(config.database.kind === "mysql" && config.database.password.reveal() === "5ecret-Canary");
  assert.ok(!JSON.stringify(config).includes("5ecret-Canary"));
  assert.ok(frozen.database.kind === "mysql" && frozen.database.password.reveal() === "[redacted]");
  assert.match(configHash(frozen, {}), /^[0-9a-f]{64}$/);
  assert.equal(configHash(frozen, {}), configHash((await loadWith("another", "TRUE")).frozen, {}));
  assert.notEqual(configHash(frozen, {}), configHash((await loadWith("another", "FALSE")).frozen, {}));
});

const KEY = `${"k".repeat(42)}A=`;
const keyed: Environment = (name) => name === "ETL_CONFIG_KEY" ? KEY : undefined;

/** Every string of store, database and work dir with a value that says so, and one that may be none. */
const REMOTE = {
  store: { kind: "s3", bucket: "canary-b", region: "canary-r", endpoint: "https://canary-e.example:9000" },
  database: {
    ...{
      kind: "mysql",
      host: "canary-h.example",
      database: "canary-d",
      user: "canary-u",
      password: "canary-p",
    },
    tls: { mode: "required", caFile: "canary-f" },
  },
  workDir: "canary-w",
};
const EMBEDDED = {
  store: { kind: "folder", path: "canary-s" },
  database: { kind: "duckdb", path: "canary-d" },
  workDir: "canary-w",
};

/** The same with all its strings encrypted. */
async function encryptAll(node: object, parent = ""): Promise<object> {
  const [key] = await parseKeys(KEY, "this test");
  const entries = Object.entries(node).map(async ([name, value]) => {
    const path = parent + name;
    if (typeof value === "object") return [name, await encryptAll(value, `${path}.`)];
    const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
    return [name, await encryptValue(value, { path, key: key!, iv })];
  });
  return Object.fromEntries(await Promise.all(entries));
}

Deno.test("freeze() keeps a valid configuration without any place, when all are encrypted", async () => {
  for (const [places, count] of [[REMOTE, 8], [EMBEDDED, 3]] as const) {
    await using file = await writeConfig(JSON.stringify(await encryptAll(places)));
    const world = worldOf(keyed);
    const { config, freeze } = await loadConfig(file.path, world);
    const frozen = freeze(RUN), kept = JSON.stringify(frozen);
    assert.doesNotMatch(kept, /canary/);
    assert.equal(JSON.stringify(configSchema.parse(JSON.parse(kept))), kept);
    const marks = [...kept.matchAll(/redacted[:-]([0-9a-f]{16})/g)].map(([, mark]) => mark);
    assert.equal(new Set(marks).size, count, kept);
    assert.deepEqual([frozen.store.kind, frozen.database.kind], [places.store.kind, places.database.kind]);
    assert.notEqual(JSON.stringify(freeze("another run")), kept);
    assert.equal(configHash(freeze("another run"), {}), configHash(frozen, {}));
    for (const place of leavesOf({ ...config, contract: {}, csv: {}, prefixes: {} })) {
      const value = place.reduce<unknown>((node, key) => (node as Json)[key], config);
      if (!String(value).includes("canary")) continue;
      assert.ok(!world.redactor.redact(`Cannot open ${value}!`).includes("canary"), place.join("."));
    }
  }
});

Deno.test("freeze() gives another fingerprint, whichever encrypted place is another", async () => {
  for (const places of [REMOTE, EMBEDDED]) {
    await using file = await writeConfig(JSON.stringify(await encryptAll(places)));
    const before = JSON.stringify((await loadConfig(file.path, worldOf(keyed))).freeze(RUN));
    for (const path of leavesOf(places)) {
      const changed = structuredClone(places) as unknown as Json;
      const parent = path.slice(0, -1).reduce((node, key) => node[key] as Json, changed);
      const name = path.at(-1)!;
      if (["kind", "mode", "password"].includes(name)) continue;
      parent[name] = String(parent[name]).replace("canary", "finch");
      await Deno.writeTextFile(file.path, JSON.stringify(await encryptAll(changed)));
      const after = JSON.stringify((await loadConfig(file.path, worldOf(keyed))).freeze(RUN));
      assert.notEqual(after, before, path.join("."));
      await Deno.writeTextFile(file.path, JSON.stringify(await encryptAll(places)));
      assert.equal(JSON.stringify((await loadConfig(file.path, worldOf(keyed))).freeze(RUN)), before);
    }
  }
});

Deno.test("loadConfig() lets the redactor know the key, and the host of an encrypted endpoint", async () => {
  await using file = await writeConfig(JSON.stringify(await encryptAll(REMOTE)));
  const { redactor } = worldOf(keyed);
  await loadConfig(file.path, { env: keyed, redactor });
  assert.equal(redactor.redact(`the key ${KEY}`), "the key [redacted]");
  for (const text of ["canary-e.example:9000", "canary-e.example"]) {
    assert.equal(redactor.redact(`s3://b at ${text}`), "s3://b at [redacted]");
  }
});

Deno.test("loadConfig() takes a value from a file for no secret, unless its field is one", async () => {
  await using file = await writeConfig(`{
    "store": { "kind": "s3", "bucket": "\${file:bucket}" },
    "database": { "kind": "mysql", "host": "h", "database": "d", "user": "u", "password": "\${file:password}" } }`);
  await Deno.writeTextFile(join(file.folder, "bucket"), "plain-bucket");
  await Deno.writeTextFile(join(file.folder, "password"), "5ecret-canary");
  const world = worldOf(env);
  const frozen = (await loadConfig(file.path, world)).freeze(RUN);
  assert.ok(frozen.store.kind === "s3" && frozen.store.bucket === "plain-bucket");
  assert.equal(world.redactor.redact("plain-bucket 5ecret-canary"), "plain-bucket [redacted]");
});

Deno.test("config/schema.json is what configJsonSchema() gives", async () => {
  const file = await Deno.readTextFile(join(REPOSITORY, "config/schema.json"));
  assert.equal(file, configJsonSchema(), 'run "deno task --quiet config schema > config/schema.json"');
});

Deno.test("loadConfig() takes every configuration in config/", async () => {
  const folder = join(REPOSITORY, "config");
  const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
  const configs = names.filter((name) => name.endsWith(".jsonc") && name !== "model.jsonc");
  assert.ok(configs.includes("local.jsonc"));
  for (const name of configs) {
    await loadConfig(
      join(folder, name),
      worldOf((variable) => variable.toLowerCase()),
    );
  }
});

Deno.test("SECRET_FIELDS names every field whose value is a Secret", () => {
  const config = configSchema.parse({
    store: {
      kind: "s3",
      bucket: "b",
      credentials: { accessKeyId: "a", secretAccessKey: "s", sessionToken: "t" },
    },
    database: { kind: "mysql", host: "h", database: "d", user: "u", password: "p" },
  });
  const secretsOf = (node: object): string[] =>
    Object.entries(node).flatMap(([key, value]) =>
      value instanceof Secret
        ? [key]
        : typeof value === "object"
        ? secretsOf(value).map((path) => `${key}.${path}`)
        : []
    );
  assert.deepEqual(secretsOf(config).sort(), [...SECRET_FIELDS].sort());
});
