/**
 * `deno task config` as processes: what it does to a file, what it says, and that no secret is shown.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { loadConfig } from "../../lib/config/load.ts";
import { Redactor } from "../../lib/secrets/redactor.ts";
import { REPOSITORY, runTask, type TaskOptions, type TaskResult, wordsOf } from "../support/task.ts";
import { removeAtEnd } from "../support/ending.ts";

const CANARY = "5ecret 'Canary\" \\ €";
const [NEW_KEY, OLD_KEY] = ["q", "r"].map((letter) => `${letter.repeat(42)}A=`) as [string, string];

/** A file with comments, odd layout, and everything else that an edit must leave alone. */
const TEXT = `{
  // The bucket of the shop in Łódź.
  "store": {  "kind": "s3", "bucket": "retail", "region":"eu-central-1", /* tabs: \t */
    "credentials": { "accessKeyId": "AKIA-plain-canary",
                     "secretAccessKey":   "to be encrypted"   /* here */ } },
  "database": { "kind": "mysql", "host": "localhost", "database": "retail", "user": "etl",
                "password": "" , }, // a comma too many
  "workDir": "work"
}
`;

async function createConfig(text = TEXT) {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "config-" }));
  const path = join(folder, "config.jsonc");
  await Deno.writeTextFile(path, text);
  return { folder, path, [Symbol.asyncDispose]: () => removeAtEnd(folder) };
}

/** Runs `deno task config ACTION --config PATH`. */
function runConfig(action: string, path: string, args: readonly string[] = [], options: TaskOptions = {}) {
  return runTask("config", [...action.split(" "), "--config", path, ...args], {
    ...options,
    env: { ETL_CONFIG_KEY: OLD_KEY, ...options.env },
  });
}

async function pass(result: Promise<TaskResult>): Promise<string> {
  const { code, stdout, stderr, text } = await result;
  assert.equal(code, 0, text);
  assert.equal(stderr, "", text);
  return stdout;
}

const encrypt = (path: string, field: string, input = CANARY, options: TaskOptions = {}) =>
  runConfig("encrypt --path " + field, path, [], { input, ...options });

Deno.test("config encrypt writes one value and leaves comments, layout, mode and symlinks, and check and decrypt take it", async () => {
  for (const text of [TEXT, "\ufeff" + TEXT.replaceAll("\n", "\r\n")]) {
    await using file = await createConfig(text);
    await Deno.chmod(file.path, 0o640);
    const link = join(file.folder, "link.jsonc");
    await Deno.symlink(file.path, link);
    await pass(encrypt(link, "store.credentials.secretAccessKey", `${CANARY}\n`));
    await pass(encrypt(link, "database.password"));
    const changed = await Deno.readTextFile(file.path);
    const values = changed.match(/enc:v1:[^"]+/g) ?? [];
    assert.equal(values.length, 2);
    assert.equal(changed.replace(values[0]!, "to be encrypted").replace(values[1]!, ""), text);
    assert.equal((await Deno.stat(file.path)).mode! & 0o777, 0o640);
    assert.ok((await Deno.lstat(link)).isSymlink);
    for (const field of ["store.credentials.secretAccessKey", "database.password"]) {
      assert.equal(await pass(runConfig(`decrypt --force --path ${field}`, link)), `${CANARY}\n`);
    }
    const { code, stdout } = await runConfig("check", link, ["--json"]);
    assert.equal(code, 0);
    assert.ok(!stdout.includes("Canary"));
  }
});

Deno.test("config encrypt puts a field in, when the file does not have it", async () => {
  await using file = await createConfig();
  await pass(encrypt(file.path, "store.credentials.sessionToken"));
  const changed = await Deno.readTextFile(file.path);
  assert.match(changed, /"sessionToken": "enc:v1:/);
  assert.ok(changed.includes("// a comma too many"));
  assert.equal(
    await pass(runConfig("decrypt --force --path store.credentials.sessionToken", file.path)),
    `${CANARY}\n`,
  );
});

/** What encrypt refuses, and how; the file stays as it is, and no value is shown. */
const REFUSED: readonly { name: string; field: string; options: TaskOptions; code: number; says: RegExp }[] =
  [
    {
      name: "the field is unknown",
      field: "database.pasword",
      options: {},
      code: 64,
      says: /database\.pasword: there is no such field/,
    },
    {
      name: "the section is unknown",
      field: "databse.password",
      options: {},
      code: 64,
      says: /there is no such field/,
    },
    {
      name: "the field is not a string",
      field: "database.port",
      options: {},
      code: 64,
      says: /database\.port: .*number/,
    },
    { name: "the field is an object", field: "database", options: {}, code: 64, says: /database: / },
    {
      name: "the value does not suit the field",
      field: "store.endpoint",
      options: {},
      code: 64,
      says: /store\.endpoint: /,
    },
    {
      name: "the value is encrypted already",
      field: "database.password",
      options: { input: "enc:v1:5ecret" },
      code: 64,
      says: /encrypted already/,
    },
    {
      name: "the value is empty",
      field: "database.password",
      options: { input: "\n" },
      code: 64,
      says: /empty/,
    },
    {
      name: "the value is not UTF-8",
      field: "database.password",
      options: { input: new Uint8Array([0xff, 0xfe]) },
      code: 64,
      says: /UTF-8/,
    },
    {
      name: "there is no key",
      field: "database.password",
      options: { env: { ETL_CONFIG_KEY: "" } },
      code: 78,
      says: /no key.*generate-key.*ETL_CONFIG_KEY_FILE/,
    },
    {
      name: "the key is wrong",
      field: "database.password",
      options: { env: { ETL_CONFIG_KEY: "5ecret" } },
      code: 78,
      says: /ETL_CONFIG_KEY: key 1 is not base64/,
    },
    {
      name: "the key file is missing",
      field: "database.password",
      options: { env: { ETL_CONFIG_KEY_FILE: "/no/key" } },
      code: 78,
      says: /\/no\/key/,
    },
  ];

for (const { name, field, options, code, says } of REFUSED) {
  Deno.test(`config encrypt refuses and leaves the file as it is, when ${name}`, async () => {
    await using file = await createConfig();
    const result = await encrypt(file.path, field, CANARY, options);
    assert.equal(result.code, code, result.text);
    assert.match(result.stderr, says);
    assert.doesNotMatch(result.stdout + result.stderr, /Canary|5ecret/);
    assert.equal(await Deno.readTextFile(file.path), TEXT);
  });
}

Deno.test("config encrypt exits with 64, when standard input is a folder", async () => {
  await using file = await createConfig();
  const args = ["run", "-A", "--no-check", "tasks/config.ts", "encrypt", "--path", "database.password"];
  const { code, stderr } = await new Deno.Command("sh", {
    args: ["-c", 'exec "$@" < /', "sh", Deno.execPath(), ...args, "--config", file.path],
    cwd: REPOSITORY,
    env: { ETL_CONFIG_KEY: OLD_KEY, NO_COLOR: "1" },
  }).output();
  assert.equal(code, 64, new TextDecoder().decode(stderr));
  assert.match(new TextDecoder().decode(stderr), /Cannot read a value from standard input/);
});

Deno.test("config decrypt refuses, when standard output is no terminal, and when the field is not encrypted", async () => {
  await using file = await createConfig();
  await pass(encrypt(file.path, "database.password"));
  const shown = await runConfig("decrypt --path database.password", file.path);
  assert.equal(shown.code, 64, shown.text);
  assert.match(shown.stderr, /no terminal.*--force/);
  assert.ok(!shown.text.includes("Canary"));
  const plain = await runConfig("decrypt --force --path store.bucket", file.path);
  assert.equal(plain.code, 78, plain.text);
  assert.match(plain.stderr, /config\.jsonc:3: store\.bucket: is not encrypted/);
});

/** Faults of an encrypted password, as changes of the file's text or of the environment. */
const SPOILED: Readonly<Record<string, (text: string) => { text?: string; key?: string }>> = {
  "the key is another": () => ({ key: NEW_KEY }),
  "the value is cut short": (text) => ({ text: text.replace(/(enc:v1:[^"]+)[^"]{8}"/, '$1"') }),
  "a bit of the value is flipped": (text) => ({
    text: text.replace(/enc:v1:(.)/, (_, first) => `enc:v1:${first === "A" ? "B" : "A"}`),
  }),
  "the value stands in another field": (text) => ({
    text: text.replace(/"AKIA-plain-canary"/, `"${/enc:v1:[^"]+/.exec(text)?.[0]}"`),
  }),
};

for (const [fault, spoil] of Object.entries(SPOILED)) {
  Deno.test(`pipeline and config check exit with 78 and name the field, when ${fault}`, async () => {
    await using file = await createConfig();
    await pass(encrypt(file.path, "database.password"));
    const { text, key = OLD_KEY } = spoil(await Deno.readTextFile(file.path));
    if (text !== undefined) await Deno.writeTextFile(file.path, text);
    const options = { env: { ETL_CONFIG_KEY: key } };
    for (
      const result of [
        await runConfig("check", file.path, [], options),
        await runTask("pipeline", ["--config", file.path, "--json", "--log-level", "debug"], options),
        await runTask("pipeline", ["--config", file.path], options),
      ]
    ) {
      assert.equal(result.code, 78, result.text);
      const field = fault.includes("another field")
        ? /:4: store\.credentials\.accessKeyId: /
        : /:7: database\.password: /;
      assert.match(result.stderr, field);
      assert.ok(!result.text.includes("Canary"), result.text);
      assert.ok(![OLD_KEY, NEW_KEY].some((key) => result.text.includes(key)), result.text);
    }
  });
}

/** The secrets of a file, read with these keys. */
async function secretsOf(path: string, keys: string): Promise<(string | undefined)[]> {
  const env = (name: string) => name === "ETL_CONFIG_KEY" ? keys : undefined;
  const { store, database } = (await loadConfig(path, { env, redactor: new Redactor() })).config;
  assert.ok(store.kind === "s3" && database.kind === "mysql");
  return [store.credentials?.secretAccessKey.reveal(), database.password.reveal()];
}

const KEYS = `${NEW_KEY},${OLD_KEY}`;

Deno.test("config rotate puts all values under the first key, once, and leaves all else", async () => {
  await using file = await createConfig();
  await pass(encrypt(file.path, "store.credentials.secretAccessKey", "first canary"));
  await pass(encrypt(file.path, "database.password", "second canary"));
  const before = await Deno.readTextFile(file.path);
  const rotate = () => pass(runConfig("rotate", file.path, [], { env: { ETL_CONFIG_KEY: KEYS } }));
  assert.match(await rotate(), /secretAccessKey, database\.password .*first key given/);
  const after = await Deno.readTextFile(file.path);
  assert.deepEqual(await secretsOf(file.path, NEW_KEY), ["first canary", "second canary"]);
  const masked = (text: string) => text.replaceAll(/enc:v1:[^"]+/g, "enc");
  assert.equal(masked(after), masked(before));
  assert.match(await rotate(), /2 encrypted values, all under the first key given/);
  assert.equal(await Deno.readTextFile(file.path), after);
});

Deno.test("config rotate says how many values there are, when it has nothing to do", async () => {
  await using file = await createConfig();
  assert.match(await pass(runConfig("rotate", file.path)), /config\.jsonc has no encrypted value\n/);
  await pass(encrypt(file.path, "database.password"));
  assert.match(
    await pass(runConfig("rotate", file.path)),
    /: 1 encrypted value, which is under the first key/,
  );
});

Deno.test("config rotate changes nothing and names the field, when one value does not decrypt", async () => {
  await using file = await createConfig();
  await pass(encrypt(file.path, "store.credentials.secretAccessKey"));
  await pass(
    encrypt(file.path, "database.password", CANARY, { env: { ETL_CONFIG_KEY: `${"s".repeat(42)}A=` } }),
  );
  const before = await Deno.readTextFile(file.path);
  const result = await runConfig("rotate", file.path, [], { env: { ETL_CONFIG_KEY: KEYS } });
  assert.equal(result.code, 78, result.text);
  assert.match(result.stderr, /config\.jsonc:7: database\.password: does not decrypt with any of the 2 keys/);
  assert.equal(await Deno.readTextFile(file.path), before);
});

Deno.test("config rotate leaves the old or the new file whole, when it is killed at any moment", async () => {
  await using file = await createConfig();
  await pass(encrypt(file.path, "store.credentials.secretAccessKey", "first canary"));
  await pass(encrypt(file.path, "database.password", "second canary"));
  const before = await Deno.readTextFile(file.path);
  const killedBefore: string[] = [];
  for (let killAt = 0;; killAt++) {
    await Deno.writeTextFile(file.path, before);
    const process = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "tests/support/killing_config.ts", "rotate", "--config", file.path],
      cwd: REPOSITORY,
      env: { ETL_CONFIG_KEY: KEYS, KILL_AT: String(killAt), NO_COLOR: "1" },
      stdout: "null",
      stderr: "piped",
    });
    const { signal, stderr } = await process.output();
    assert.deepEqual(await secretsOf(file.path, KEYS), ["first canary", "second canary"]);
    if (signal === null) break;
    assert.equal(signal, "SIGKILL");
    killedBefore.push(/killed before (\w+)/.exec(new TextDecoder().decode(stderr))?.[1] ?? "");
  }
  assert.deepEqual(await secretsOf(file.path, NEW_KEY), ["first canary", "second canary"]);
  for (const operation of ["open", "chmod", "write", "sync", "rename"]) {
    assert.ok(killedBefore.includes(operation), operation);
  }
});

Deno.test("config check says where every value comes from, and warns of what should be otherwise", async () => {
  await using file = await createConfig(
    TEXT.replace('"retail", "region"', '"${BUCKET}-${SHOP:-main}", "region"'),
  );
  await pass(encrypt(file.path, "store.credentials.secretAccessKey"));
  const secret = join(file.folder, "password");
  await Deno.writeTextFile(secret, "5hort\n");
  await Deno.writeTextFile(
    file.path,
    (await Deno.readTextFile(file.path)).replace('"password": ""', '"password": "${file:password}"'),
  );
  const { code, stdout, text } = await runConfig("check", file.path, ["--json"], {
    env: { BUCKET: "retail", ETL_CONFIG_KEY: KEYS },
  });
  assert.equal(code, 0, text);
  assert.doesNotMatch(text, /Canary|AKIA-plain|5hort/);
  const { valid, fields, warnings } = JSON.parse(stdout);
  assert.equal(valid, true);
  const sources = new Map(
    fields.map(({ field, value, source }: Record<string, string>) => [field, [value, source]]),
  );
  assert.deepEqual(sources.get("store.bucket"), [
    "retail-main",
    "environment BUCKET and file, as the default of SHOP",
  ]);
  assert.deepEqual(sources.get("store.credentials.accessKeyId"), ["[redacted]", "file"]);
  assert.deepEqual(sources.get("store.credentials.secretAccessKey"), ["[redacted]", "file, encrypted"]);
  assert.deepEqual(sources.get("database.password"), ["[redacted]", `secret file ${secret}`]);
  assert.deepEqual(sources.get("workDir"), [join(file.folder, "work"), "file"]);
  assert.deepEqual(sources.get("database.port"), [3306, "default"]);
  assert.deepEqual(sources.get("contract.rules.total_matches.severity"), ["warn", "default"]);
  assert.equal(warnings.length, 3, warnings.join("\n"));
  assert.match(
    warnings.join("\n"),
    /accessKeyId is in plain text.*\n.*secretAccessKey is encrypted under an older key.*\n.*password has fewer than 6/,
  );
});

Deno.test("config check says what to do about an older key and a secret that is a word, wherever the value comes from", async () => {
  await using file = await createConfig();
  await pass(encrypt(file.path, "database.password", "committed"));
  const text = await Deno.readTextFile(file.path);
  const [encrypted = ""] = /enc:v1:[^"]+/.exec(text) ?? [];
  const warningsFrom = async (password: string) => {
    await Deno.writeTextFile(file.path, text.replace(encrypted, password));
    const env = { ETL_CONFIG_KEY: KEYS, PASSWORD: encrypted };
    const stdout = await pass(runConfig("check", file.path, ["--json"], { env }));
    return JSON.parse(stdout).warnings.filter((warning: string) => warning.startsWith("database.password"));
  };
  const word = "database.password may be an ordinary word: ";
  const [first = "", second = "", ...others] = await warningsFrom(encrypted);
  assert.ok(first.startsWith(word), first);
  assert.match(second, /is encrypted under an older key; run "deno task config rotate"$/);
  assert.deepEqual(others, []);
  const [, elsewhere] = await warningsFrom("${PASSWORD}");
  assert.match(
    elsewhere,
    /older key; rotate does not change it there \(environment PASSWORD, encrypted\); encrypt it anew/,
  );
});

Deno.test("config check exits with 78 and names file, line and field, when a rule or a CA file is wrong", async () => {
  const faults = [
    [
      /"workDir": "work"/,
      '"contract": { "rules": { "r": { "check": "quantty > 0", "severity": "warn" } } }',
      /:8: contract\.rules\.r\.check: .*quantty/,
    ],
    [
      /"password": "" ,/,
      '"password": "x", "tls": { "mode": "required", "caFile": "no.pem" }',
      /:7: database\.tls\.caFile: cannot read .*no\.pem/,
    ],
    [/"password": "" ,/, '"password": "${MISSING}"', /:7: database\.password: .*MISSING is not set/],
  ] as const;
  for (const [from, to, says] of faults) {
    await using file = await createConfig(TEXT.replace(from, to));
    const result = await runConfig("check", file.path);
    assert.equal(result.code, 78, result.text);
    assert.match(result.stderr, says);
  }
});

Deno.test("config needs an action that it knows", async () => {
  for (const args of [[], ["encrpyt"], ["encrypt"], ["check", "extra"]]) {
    const result = await runTask("config", args);
    assert.equal(result.code, 64, result.text);
    assert.match(result.stderr, /deno task config/);
  }
});

Deno.test("config shows no argument that somebody took for the place of a secret", async () => {
  const mistakes = [
    ["encrypt", "--path", "database.password", "hunter2xx"],
    ["hunter2xx"],
    ["encrypt", "--path", "database.password", "--password=hunter2xx"],
    ["encrypt", "--path", "database.password", "-phunter2xx"],
    ["check", "--log-level", "hunter2xx"],
  ];
  for (const args of mistakes) {
    for (const flags of [[], ["--json"]]) {
      const { code, stdout, stderr } = await runTask("config", [...args, ...flags]);
      assert.equal(code, 64, stderr);
      assert.doesNotMatch(stdout + stderr, /hunter2xx/);
      assert.match(stderr, args[0] === "check" ? /--log-level.*Allowed/ : /standard input/);
    }
  }
  const { stderr } = await runTask("config", ["check", "--josn"]);
  assert.match(stderr, /there is no option --josn \(Did you mean --json\?\)/);
});

Deno.test("config gives each action's result as JSON, when it is asked to", async () => {
  await using file = await createConfig();
  const json = async (action: string, options: TaskOptions = {}) =>
    JSON.parse(await pass(runConfig(action, file.path, ["--json"], options)));
  assert.match((await json("generate-key")).key, /^[A-Za-z0-9+/]{43}=$/);
  const field = "database.password", config = file.path;
  assert.deepEqual(await json(`encrypt --path ${field}`, { input: CANARY }), { field, config });
  assert.deepEqual(await json(`decrypt --force --path ${field}`), { field, config, value: CANARY });
  assert.deepEqual(await json("rotate"), { config, rotated: [], encryptedCount: 1 });
  assert.equal((await json("schema")).title, "nightly-marts configuration");
});

Deno.test("config gives a failure as JSON without a run's summary, when it is asked to", async () => {
  await using file = await createConfig(TEXT.replace('"workDir": "work"', '"workdir": "work"'));
  const failed = async (action: string, exitCode: number) => {
    const { code, stdout, text } = await runConfig(action, file.path, ["--json"]);
    assert.equal(code, exitCode, text);
    const { error, ...others } = JSON.parse(stdout);
    assert.deepEqual(Object.keys(error), ["exitCode", "code", "message"]);
    return others;
  };
  assert.deepEqual(await failed("check", 78), { valid: false });
  assert.deepEqual(await failed("check --nonsense", 64), { valid: false });
  assert.deepEqual(await failed("decrypt --force --path database.password", 78), {});
  assert.deepEqual(await failed("rotate --nonsense", 64), {});
});

Deno.test("config --help shows the options that an action has a use for, and takes the common ones besides", async () => {
  const helpOf = async (action: string) => await pass(runTask("config", [action, "--help"]));
  assert.doesNotMatch(await helpOf("generate-key"), /--config|--log-level/);
  assert.doesNotMatch(await helpOf("schema"), /--config/);
  assert.match(await helpOf("encrypt"), /asked for, or taken from a\s+pipe[^]*--config/);
  await pass(runTask("config", ["generate-key", "--config", "no.jsonc", "--log-level", "debug"]));
});

Deno.test("config has neither the network nor other processes", () => {
  assert.doesNotMatch(wordsOf("config").join(" "), /allow-(net|run|sys|all)|-A\b/);
});
