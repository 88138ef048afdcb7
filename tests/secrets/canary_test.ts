/**
 * Planted secrets are in nothing that a process prints, whatever fails and in whatever way a driver tells them. With
 * real servers, and in what the pipeline writes: `integration/canary_test.ts`.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import pMap from "p-map";
import { assertNoCanary, CANARIES, CANARY_KEY, plant, PLANTINGS } from "../support/canary.ts";
import { startCollector } from "../support/collector.ts";
import { LEAKS } from "../support/leaking_pipeline.ts";
import { REPOSITORY, runTask } from "../support/task.ts";
import { listFiles } from "../support/tree.ts";
import { createWorkspace, deliver, goldenPath, loadDimensions } from "../support/workspace.ts";

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
  const collector = await startCollector();
  await pMap(Object.keys(LEAKS), async (leak) => {
    for (const flags of [["--json"], ["--log-format=json"], []]) {
      const telemetry = flags.includes("--log-format=json") ? collector.env : {};
      const process = new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--no-check", "tests/support/leaking_pipeline.ts", "--config", workspace.config]
          .concat("--log-level", "debug", flags),
        cwd: REPOSITORY,
        env: { ...env, ...telemetry, LEAK: leak, NO_COLOR: "1" },
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
        const isExpected = /expected|URL|the log|library|runtime/.test(leak);
        assert.equal(isExpected ? [75, 78].includes(code) : code === 70, true, text);
      });
    }
  }, { concurrency: 1 });
  const { texts } = await collector.stop();
  for (const said of [/^This is a bug/, /^connecting with \[/, /^Warning: deprecated \[/]) {
    assert.ok([...texts].some((text) => said.test(text)), `${said} was not exported`);
  }
  assertNoCanary([...texts].join("\n"), { where: "the telemetry" });
  assert.match([...texts].join("\n"), /\[redacted\]/);
});

/** Fields that are secret where they are encrypted, and only then. */
const PLACES = ["path", "workDir", "bucket", "region", "endpoint", "host", "database", "user"];

Deno.test("pipeline shows no place that is encrypted, when it works, when a store is missing, and when one is another", async () => {
  await using workspace = await createWorkspace();
  const places = ["canary-store", "canary-warehouse.duckdb", "canary-work"];
  const secrets = { secrets: [...places, CANARY_KEY] };
  const plantPlaces = (store: string, names = PLACES) =>
    plant({ ...workspace, workDir: "canary-work" }, "configuration file, encrypted", {
      store: { kind: "folder", path: store },
      database: { kind: "duckdb", path: "canary-warehouse.duckdb" },
    }, names);
  const run = async (task: string, exitCode: number, env: Record<string, string>) => {
    for (const flags of task === "pipeline" ? [["--json"], []] : [["--json"]]) {
      const args = ["--config", workspace.config, "--log-level", "debug", ...flags];
      const [name = "", ...action] = task.split(" ");
      const result = await runTask(name, [...action, ...args], { env });
      assert.equal(result.code, exitCode, result.text);
      assertNoCanary(result.stdout + result.stderr, secrets);
      if (exitCode !== 0) assert.match(result.stderr, /\[redacted\]|config_changed|is not what it was/);
    }
  };
  await run("pipeline", 78, await plantPlaces("canary-store"));
  for (const name of ["canary-store", "other-store"]) {
    await Deno.mkdir(join(workspace.folder, name, "sales_data"), { recursive: true });
  }
  const copy = { ...workspace, store: join(workspace.folder, "canary-store") };
  copy.database = join(workspace.folder, "canary-warehouse.duckdb");
  await loadDimensions(copy, goldenPath("dimensions"));
  await deliver(copy, goldenPath("night-1/landing"));
  const env = await plantPlaces("canary-store");
  await run("config check", 0, env);
  await run("download", 0, env);
  await run("pipeline", 0, env);
  await deliver(copy, goldenPath("night-2/landing"));
  // Compute stages have no key: they are told the work dir.
  const sources = ["path"];
  await plantPlaces("canary-store", sources);
  secrets.secrets = places.filter((place) => place !== "canary-work").concat(CANARY_KEY);
  for (const stage of ["download", "validate", "transform-customer", "transform-sales"]) {
    await run(stage, 0, env);
  }
  await plantPlaces("other-store", sources);
  await run("upload", 78, env);
  await plantPlaces("canary-store", sources);
  for (const stage of ["upload", "move"]) await run(stage, 0, env);
  const runs = join(workspace.folder, "canary-work", "runs");
  for (const name of await listFiles(runs)) {
    if (!name.endsWith(".json")) continue;
    assertNoCanary(await Deno.readTextFile(join(runs, name)), { where: name, ...secrets });
  }
});

Deno.test("pipeline writes no secret into the manifest, when a store tells it with an object that it skips", async () => {
  await using workspace = await createWorkspace();
  await deliver(workspace, goldenPath("night-1/landing"));
  await loadDimensions(workspace, goldenPath("dimensions"));
  const env = await plant(workspace, "configuration file, encrypted", {
    store: { kind: "folder", path: workspace.store },
    database: { kind: "duckdb", path: workspace.database },
  }, ["path"]);
  const args = ["run", "-A", "--no-check", "tests/support/denying_pipeline.ts", "--json"];
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: [...args, "--config", workspace.config],
    cwd: REPOSITORY,
    env: { ...env, NO_COLOR: "1" },
  }).output();
  const summary = JSON.parse(new TextDecoder().decode(stdout));
  const runs = join(workspace.workDir, "runs");
  const manifest = await Deno.readTextFile(join(runs, summary.runId, "manifest.json"));
  for (const text of [manifest, JSON.stringify(summary)]) {
    assert.match(text, /denied by .*\[redacted\]/);
    assertNoCanary(text, { secrets: [workspace.store] });
  }
});

Deno.test("pipeline shows no endpoint, bucket, host or account that is encrypted, when they cannot be reached", async () => {
  await using workspace = await createWorkspace();
  const secrets = { secrets: ["canary-bucket", "127.0.0.9", "canary-db.invalid", "canary-user", CANARY_KEY] };
  const password = "p";
  const account = {
    kind: "mysql",
    host: "canary-db.invalid",
    database: "canary-d",
    user: "canary-user",
    password,
  };
  for (
    const store of [
      {
        kind: "s3",
        bucket: "canary-bucket",
        endpoint: "http://127.0.0.9:1",
        credentials: CANARIES.credentials,
      },
      { kind: "folder", path: workspace.store },
    ]
  ) {
    const parts = { store, database: { ...account, tls: { mode: "off" } } };
    const env = await plant(workspace, "configuration file, encrypted", parts, PLACES);
    const result = await runTask("pipeline", ["--config", workspace.config, "--log-level", "debug"], { env });
    assert.equal(result.code, 75, result.text);
    assertNoCanary(result.stdout + result.stderr, secrets);
    assert.match(result.stderr, /\[redacted\]/);
  }
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
