/**
 * Planted secrets are in nothing that a process prints, whatever fails and in whatever way a driver tells them. With
 * real servers, and in what the pipeline writes: `integration/canary_test.ts`.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import pMap from "p-map";
import { assertNoCanary, CANARIES, CANARY_KEY, plant, PLANTINGS } from "./support/canary.ts";
import { LEAKS } from "./support/leaking_pipeline.ts";
import { REPOSITORY, runTask } from "./support/task.ts";
import { createWorkspace } from "./support/workspace.ts";

/** Nobody listens there: port 1 is for TCPMUX, which nothing serves any more. */
const CLOSED = "http://127.0.0.1:1";
const ACCOUNT = { kind: "mysql", host: "127.0.0.1", port: 1, database: "retail", user: "etl" };

for (const planting of PLANTINGS) {
  Deno.test(`pipeline shows no secret of the ${planting}, when S3 and MySQL refuse connections`, async () => {
    await using workspace = await createWorkspace();
    const env = await plant(workspace, planting, {
      store: { kind: "s3", bucket: "b", endpoint: CLOSED, credentials: CANARIES.credentials },
      database: { ...ACCOUNT, password: CANARIES.password },
    });
    const s3 = await runTask("pipeline", ["--config", workspace.config, "--log-level", "debug"], { env });
    assert.equal(s3.code, 75, s3.text);
    assertNoCanary(s3.text);
    const mysqlEnv = await plant(workspace, planting, {
      store: { kind: "folder", path: workspace.store },
      database: { ...ACCOUNT, password: CANARIES.password },
    });
    const args = ["--config", workspace.config, "--json", "--log-level", "debug"];
    const mysql = await runTask("pipeline", args, { env: mysqlEnv });
    assert.equal(mysql.code, 75, mysql.text);
    assertNoCanary(mysql.text);
    assert.match(mysql.stderr, /Configuration: database\.password comes from/);
  });
}

Deno.test("pipeline shows no secret, in whatever way a driver tells it", async (test) => {
  await using workspace = await createWorkspace();
  const env = await plant(workspace, "configuration file, encrypted", {
    store: { kind: "folder", path: workspace.store },
    database: { ...ACCOUNT, password: CANARIES.password },
  });
  await pMap(Object.keys(LEAKS), async (leak) => {
    for (const flags of [["--json"], []]) {
      const process = new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--no-check", "tests/support/leaking_pipeline.ts", "--config", workspace.config]
          .concat("--log-level", "debug", flags),
        cwd: REPOSITORY,
        env: { ...env, LEAK: leak, NO_COLOR: "1" },
        stdout: "piped",
        stderr: "piped",
      });
      const { code, stdout, stderr } = await process.output();
      const text = `${leak}: exit ${code}\n${
        [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("\n")
      }`;
      await test.step(`${leak} ${flags.join("")}`, () => {
        assertNoCanary(text);
        assert.match(text, /\[redacted\]/);
        assert.doesNotMatch(text, /nothing was told/);
        const isExpected = /expected|URL|the log/.test(leak);
        assert.equal(isExpected ? [75, 78].includes(code) : code === 70, true, text);
      });
    }
  }, { concurrency: 1 });
});

Deno.test("assertNoCanary() finds a secret, when it is there in any spelling", () => {
  for (const secret of [CANARIES.password, CANARIES.credentials.secretAccessKey, CANARY_KEY]) {
    const bytes = new TextEncoder().encode(secret);
    for (
      const text of [
        secret,
        encodeURIComponent(secret),
        bytes.toBase64(),
        bytes.toHex(),
        JSON.stringify(secret),
      ]
    ) {
      assert.throws(() => assertNoCanary(`before ${text} after`), /in the output/);
    }
  }
  assertNoCanary(`the account etl of ${join("a", "b")}`);
});
