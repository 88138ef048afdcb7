/**
 * Planted secrets are neither in what the stages print nor in what they write, on a real S3 server and a real MariaDB,
 * whether these take them or not; nor is a customer's name, nor a row, in what they print.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { assertNoCanary, CANARIES, everySecret, plant, type Planting, PLANTINGS } from "../support/canary.ts";
import { dumpDatabase, readParquet } from "../support/duckdb.ts";
import { runTask } from "../support/task.ts";
import { listFiles } from "../support/tree.ts";
import { goldenPath } from "../support/workspace.ts";
import { createRemote, type RemoteDeployment, Servers } from "./remote_deployment.ts";

const STAGES = ["download", "validate", "transform-customer", "transform-sales", "upload", "move"];
/** Of the golden dimensions and sales: name, street, telephone number, product. */
const PERSONAL = ["Dellow", "Canal Street", "98000 00001", "quaker oats"];

let servers: Servers;
Deno.test.beforeAll(async () => {
  servers = await Servers.start();
});
Deno.test.afterAll(() => servers[Symbol.asyncDispose]());

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
    const env = await plantIn(deployment, planting, secrets);
    for (const stage of STAGES) assertNoCanary(await run(stage, deployment, env, 0), all);
    const local = await textOf(deployment.workDir);
    assert.match(local, /\[redacted\]/, "the manifest was not read");
    assertNoCanary(local, { where: "the work dir", ...all });
    assertNoCanary(await run("cleanup", deployment, env, 0), all);
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
      const env = await plantIn(deployment, planting, secrets);
      assertNoCanary(await run("pipeline", deployment, env, 77), all);
      assertNoCanary(await run("download", deployment, env, 77), all);
      assertNoCanary(await textOf(deployment.workDir), { where: "the work dir", ...all });
    }
  });
}
