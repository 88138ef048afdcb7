/**
 * Planted secrets are neither in what the stages print or send to a collector nor in what they write, on a real S3
 * server and a real MariaDB, whether these take them or not; nor is a customer's name, nor a row, in what they print or
 * send.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { assertNoCanary, CANARIES, everySecret, plant, type Planting, PLANTINGS } from "../support/canary.ts";
import { type Collector, startCollector } from "../support/collector.ts";
import { dumpDatabase, readParquet } from "../support/duckdb.ts";
import { runTask } from "../support/task.ts";
import { listFiles } from "../support/tree.ts";
import { createWorkspace, goldenPath } from "../support/workspace.ts";
import { createRemote, type RemoteDeployment, Servers } from "./remote_deployment.ts";

const STAGES = ["download", "validate", "transform-customer", "transform-sales", "upload", "move"];
/** Of the golden dimensions and sales: name, street, telephone number, product. */
const PERSONAL = ["Dellow", "Canal Street", "98000 00001", "quaker oats"];

let servers: Servers;
Deno.test.beforeAll(async () => {
  servers = await Servers.start();
});
Deno.test.afterAll(() => servers?.[Symbol.asyncDispose]());

/** What the servers take. */
function secretsOf({ bucket, mariadb }: RemoteDeployment) {
  return { password: mariadb.account.password, credentials: bucket.config.credentials };
}

/** Plants secrets in a deployment's configuration; gives the environment that it needs. */
function plantIn(deployment: RemoteDeployment, planting: Planting, secrets: typeof CANARIES) {
  const { bucket, mariadb } = deployment;
  const { host, port, user } = mariadb.account;
  return plant(deployment, planting, {
    store: { kind: "s3", ...bucket.config, credentials: secrets.credentials },
    database: { kind: "mysql", host, port, user, database: mariadb.name, password: secrets.password },
  });
}

async function run(
  task: string,
  { config }: RemoteDeployment,
  env: Record<string, string>,
  exitCode: number,
) {
  const args = ["--config", config, "--log-level", "debug", ...task === "pipeline" ? ["--json"] : []];
  const result = await runTask(task, args, { env });
  assert.equal(result.code, exitCode, result.text);
  for (const word of PERSONAL) assert.ok(!result.text.includes(word), `shows ${word}: ${result.text}`);
  return result.text;
}

/** What a collector got, as text. */
async function textSentTo(collector: Collector): Promise<string> {
  const { spans, texts } = await collector.stop();
  assert.ok(spans.length > 0, "nothing was traced");
  const text = [...texts].join("\n");
  for (const word of PERSONAL) assert.ok(!text.includes(word), `sends ${word}: ${text}`);
  return text;
}

/** Everything that is in a folder, as text; Parquet as its rows. */
async function textOf(folder: string): Promise<string> {
  const texts: string[] = [];
  for (const name of await listFiles(folder)) {
    const path = join(folder, name);
    const bytes = await Deno.readFile(path);
    texts.push(name, new TextDecoder().decode(bytes));
    if (name.endsWith(".parquet")) {
      const rows = await readParquet([path]);
      texts.push(JSON.stringify(rows, (_, value) => typeof value === "bigint" ? String(value) : value));
    }
  }
  return texts.join("\n");
}

for (const planting of PLANTINGS) {
  Deno.test(`stages neither show nor write a secret of the ${planting}`, async () => {
    await using deployment = await createRemote(servers);
    await deployment.loadDimensions(goldenPath("dimensions"));
    await deployment.deliver(goldenPath("night-1/landing"));
    const secrets = secretsOf(deployment);
    const all = { secrets: everySecret(secrets) };
    await using collector = await startCollector();
    const env = { ...await plantIn(deployment, planting, secrets), ...collector.env };
    for (const stage of STAGES) assertNoCanary(await run(stage, deployment, env, 0), all);
    const local = await textOf(deployment.workDir);
    assert.match(local, /\[redacted\]/, "the manifest was not read");
    assertNoCanary(local, { where: "the work dir", ...all });
    assertNoCanary(await run("cleanup", deployment, env, 0), all);
    assertNoCanary(await textSentTo(collector), { where: "the telemetry", ...all });
    await deployment.refresh();
    const store = await textOf(deployment.store);
    assert.match(store, /Dellow/, "the marts were not read");
    assertNoCanary(store, { where: "the store", ...all });
    const tables = await dumpDatabase(deployment.database);
    const database = JSON.stringify(tables, (_, value) => typeof value === "bigint" ? String(value) : value);
    assert.match(database, /Dellow/, "the tables were not read");
    assertNoCanary(database, { where: "the database", ...all });
  });

  Deno.test(`pipeline neither shows nor writes a secret of the ${planting}, when S3 or MySQL refuses it`, async () => {
    await using deployment = await createRemote(servers);
    await deployment.deliver(goldenPath("night-1/landing"));
    const { credentials, password } = secretsOf(deployment);
    const known = { ...credentials, secretAccessKey: CANARIES.credentials.secretAccessKey };
    for (
      const secrets of [
        { credentials: CANARIES.credentials, password },
        { credentials: known, password },
        { credentials, password: CANARIES.password },
      ]
    ) {
      const all = { secrets: everySecret(secrets) };
      await using collector = await startCollector();
      const env = { ...await plantIn(deployment, planting, secrets), ...collector.env };
      assertNoCanary(await run("pipeline", deployment, env, 77), all);
      assertNoCanary(await run("download", deployment, env, 77), all);
      assertNoCanary(await textSentTo(collector), { where: "the telemetry", ...all });
      assertNoCanary(await textOf(deployment.workDir), { where: "the work dir", ...all });
    }
  });
}

/** What the AWS default chain finds, and in which ways. */
const FOUND = { id: "CANARYCHAINKEYID0001", secret: "canary/chain+secret", token: "canary/chain+token=" };

Deno.test("pipeline shows no secret that the AWS default chain finds, when the server tells what it was sent", async (test) => {
  const chain = {
    AccessKeyId: FOUND.id,
    SecretAccessKey: FOUND.secret,
    Token: FOUND.token,
    Expiration: "2099-01-01T00:00:00Z",
  };
  let told = 0;
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, ({ url, headers }) => {
    if (url.endsWith("/chain")) return Response.json(chain);
    if (headers.get("authorization")?.includes(FOUND.id)) told++;
    const sent = JSON.stringify([...headers, `secret ${FOUND.secret}`]).replaceAll("&", "").replaceAll(
      "<",
      "",
    );
    return new Response(
      `<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>${sent}</Message></Error>`,
      {
        status: 403,
        headers: { "content-type": "application/xml" },
      },
    );
  });
  const endpoint = `http://127.0.0.1:${server.addr.port}`;
  await using workspace = await createWorkspace({ store: { kind: "s3", bucket: "b", endpoint } });
  const profile = join(workspace.folder, "profile");
  await Deno.writeTextFile(
    profile,
    `[default]\naws_access_key_id = ${FOUND.id}\naws_secret_access_key = ${FOUND.secret}\n` +
      `aws_session_token = ${FOUND.token}\n`,
  );
  const ways = {
    environment: {
      AWS_ACCESS_KEY_ID: FOUND.id,
      AWS_SECRET_ACCESS_KEY: FOUND.secret,
      AWS_SESSION_TOKEN: FOUND.token,
    },
    profile: { AWS_SHARED_CREDENTIALS_FILE: profile },
    "Pod Identity": { AWS_CONTAINER_CREDENTIALS_FULL_URI: `${endpoint}/chain` },
  };
  for (const [way, env] of Object.entries(ways)) {
    await test.step(way, async () => {
      told = 0;
      const args = ["--config", workspace.config, "--log-level", "debug"];
      const { code, text } = await runTask("pipeline", args, { env: { HOME: workspace.folder, ...env } });
      assert.equal(code, 77, text);
      assert.ok(told > 0);
      assert.match(text, /Credential=\[redacted\]/);
      assertNoCanary(text, { secrets: Object.values(FOUND) });
    });
  }
});
