/**
 * Nights on an S3 server whose certificate is from an authority of the company's own.
 *
 * @module
 */
import assert from "node:assert/strict";
import { parseSummary, runPipeline, runTask } from "../support/task.ts";
import { goldenPath } from "../support/workspace.ts";
import { createRemote, type RemoteDeployment, Servers } from "./remote_deployment.ts";

let servers: Servers;
Deno.test.beforeAll(async () => void (servers = await Servers.start({ tls: true })));
Deno.test.afterAll(() => servers?.[Symbol.asyncDispose]());

async function prepare(store: Readonly<Record<string, unknown>>): Promise<RemoteDeployment> {
  const deployment = await createRemote(servers, { store });
  await deployment.loadDimensions(goldenPath("dimensions"));
  await deployment.deliver(goldenPath("night-1/landing"));
  return deployment;
}

/** What companies set on their machines, for Node and for others. */
const EXTRA = () => ({ NODE_EXTRA_CA_CERTS: servers.s3.caFile });

Deno.test("a night is complete, when store.caFile names the server's authority", async (test) => {
  for (const env of [{ NODE_EXTRA_CA_CERTS: "" }, EXTRA(), { NODE_EXTRA_CA_CERTS: "/no/such.pem" }]) {
    await test.step(JSON.stringify(Object.values(env)), async () => {
      await using deployment = await prepare({ caFile: servers.s3.caFile });
      assert.equal((await runPipeline(deployment.config, [], { env })).state, "committed");
    });
  }
});

/** Settings of a store that is not as it says, with what ends the night. */
const WRONG =
  (): readonly (readonly [what: string, store: Record<string, unknown>, code: string, says: RegExp])[] => [
    ["the authority is not named", {}, "bad_certificate", /name the file of its authority in store\.caFile/],
    [
      "the host is another",
      { caFile: servers.s3.caFile, endpoint: `https://127.0.0.1:${servers.s3.port}` },
      "bad_certificate",
      /not for this host/,
    ],
    ["the file is missing", { caFile: "no.pem" }, "ca_file_missing", /correct store\.caFile/],
    [
      "the endpoint has a path",
      { endpoint: `${servers.s3.endpoint}/s3` },
      "invalid_config",
      /store\.endpoint: must be scheme, host and port only/,
    ],
    [
      "the port does not speak TLS",
      { endpoint: `https://localhost:${servers.mariadb.port}` },
      "no_tls",
      /does not speak TLS at this port/,
    ],
  ];

Deno.test("pipeline ends with 78 and says what to correct, when the store is not as it is configured", async (test) => {
  for (const [what, store, code, says] of WRONG()) {
    await test.step(what, async () => {
      await using deployment = await prepare(store);
      const result = await runTask("pipeline", ["--config", deployment.config, "--json"], { env: EXTRA() });
      assert.equal(result.code, 78, result.text);
      const { error } = parseSummary(result);
      assert.equal(error?.code, code, result.text);
      assert.match(error?.message ?? "", says);
    });
  }
});
