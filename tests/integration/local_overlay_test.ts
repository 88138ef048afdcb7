/**
 * What `k8s/overlays/local` says of its servers and its pipeline makes a night of the demo's files, without a cluster: its
 * S3 server by its own command, its dimension tables in a MariaDB, its configuration with other addresses.
 *
 * @module
 */
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import assert from "node:assert/strict";
import { delimiter, join } from "node:path";
import { containersOf, type Document, named, podsOf } from "../k8s/documents.ts";
import { render } from "../k8s/render.ts";
import { goProgram, programFolder } from "../support/programs.ts";
import { REPOSITORY, runPipeline } from "../support/task.ts";
import { listFiles } from "../support/tree.ts";
import { freePort } from "./free_port.ts";
import { MysqlServer } from "./mysql_server.ts";
import { VERSITYGW } from "./s3_server.ts";

const BUCKET = "retail-sales";
const DEMO = join(REPOSITORY, "tasks/demo/sales_data");

/** Text of a ConfigMap, which kustomize has given a name with a hash. */
function configOf(documents: readonly Document[], name: string, key: string): string {
  const found = documents.find(({ kind, metadata }) =>
    kind === "ConfigMap" && metadata?.name?.startsWith(name)
  );
  return named(documents, "ConfigMap", found?.metadata?.name)?.data?.[key] ?? "";
}

/** Replaces each of the texts, which must be there. */
function withPlaces(text: string, places: Readonly<Record<string, string>>): string {
  for (const [from, to] of Object.entries(places)) {
    assert.ok(text.includes(from), `${from} is not in ${text}`);
    text = text.replaceAll(from, to);
  }
  return text;
}

/** Starts the S3 server by the command of its container; gives its port. */
async function startS3(
  documents: readonly Document[],
  folder: string,
): Promise<{ port: number; process: Deno.ChildProcess }> {
  await goProgram("versitygw", VERSITYGW);
  const pod = podsOf(documents).find(([name]) => name === "s3")?.[1];
  const { command: [program = "", ...flags] = [], args: [script = ""] = [] } = containersOf(pod ?? {})[0] ??
    {};
  const port = await freePort();
  const places = {
    // As Kubernetes puts it in.
    "$$(": "$(",
    "/run/secrets/s3": join(folder, "secrets"),
    "/data": join(folder, "data"),
    ":7070": `127.0.0.1:${port}`,
  };
  const PATH = [await programFolder(), Deno.env.get("PATH")].join(delimiter);
  const process = new Deno.Command(program, {
    args: [...flags, withPlaces(script, places)],
    env: { PATH },
    stdout: "null",
    stderr: "null",
  }).spawn();
  const isReady = () =>
    fetch(`http://127.0.0.1:${port}/health`).then(({ ok, body }) => body?.cancel().then(() => ok));
  for (let tries = 0; !await isReady().catch(() => false); tries++) {
    assert.ok(tries < 300, "the S3 server did not start");
    await new Promise((done) => setTimeout(done, 100));
  }
  return { port, process };
}

Deno.test("the local overlay makes a night of the demo's files", async () => {
  const documents = await render({ folder: "overlays/local", components: [] });
  await using stack = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir({ prefix: "nightly-marts-local-" });
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const mariadb = stack.use(await MysqlServer.start());
  const { name: database, account, sql } = stack.use(await mariadb.freshDatabase());

  const secrets = {
    "database-user": account.user,
    "database-password": account.password,
    "s3-access-key": "trial",
    "s3-secret-key": "secret-of-the-trial",
  };
  await Deno.mkdir(join(folder, "secrets"));
  for (const [name, value] of Object.entries(secrets)) {
    await Deno.writeTextFile(join(folder, "secrets", name), value);
  }
  const { port, process } = await startS3(documents, folder);
  stack.defer(async () => {
    process.kill("SIGTERM");
    await process.status;
  });

  await sql(
    ...configOf(documents, "dimensions", "dimensions.sql").split(/;$/m).filter((text) => text.trim() !== ""),
  );
  const client = new S3Client({
    endpoint: `http://127.0.0.1:${port}`,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: secrets["s3-access-key"], secretAccessKey: secrets["s3-secret-key"] },
  });
  stack.defer(() => client.destroy());
  for (const name of await listFiles(DEMO)) {
    const Body = await Deno.readFile(join(DEMO, name));
    await client.send(new PutObjectCommand({ Bucket: BUCKET, Key: `sales_data/${name}`, Body }));
  }

  const config = join(folder, "pipeline.jsonc");
  const places = {
    "http://s3:7070": `http://127.0.0.1:${port}`,
    '"host": "mariadb"': `"host": "${account.host}", "port": ${account.port}`,
    '"database": "retail"': `"database": "${database}"`,
    "/run/secrets/nightly-marts": join(folder, "secrets"),
    '"/work"': JSON.stringify(join(folder, "work")),
  };
  await Deno.writeTextFile(
    config,
    withPlaces(configOf(documents, "nightly-marts-config", "pipeline.jsonc"), places),
  );
  const summary = await runPipeline(config);
  assert.equal(summary.state, "committed");
  assert.deepEqual(summary.rows, { read: 14, accepted: 10, rejected: 4 });
  assert.deepEqual(summary.files.map(({ status }) => status), [
    "accepted",
    "accepted",
    "accepted",
    "rejected",
  ]);
  const totals = await sql("SELECT COUNT(*), SUM(total_sales) FROM customers_data_mart");
  assert.deepEqual(totals, [["7", "196.10"]]);
});
