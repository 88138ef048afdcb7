/**
 * What `tests/support/permissions.ts` allows each stage on S3 and MySQL is enough for it, and each of it is needed.
 *
 * @module
 */
import assert from "node:assert/strict";
import { CHECKS } from "../tasks/golden_nights.ts";
import { saveWorkspace } from "../support/copies.ts";
import {
  flagsOf,
  IGNORED_ENVIRONMENT,
  leaveOutEach,
  MODEL,
  type Permissions,
  remotePermissions,
  type Stage,
  STAGE_NAMES,
  STAGES,
} from "../support/permissions.ts";
import { parseSummary, runTask, type TaskResult } from "../support/task.ts";
import { readTree } from "../support/tree.ts";
import { goldenPath } from "../support/workspace.ts";
import { createRemote, type RemoteDeployment, Servers } from "./remote_deployment.ts";

const PASSWORD = "NIGHTLY_MARTS_TEST_PASSWORD";

let servers: Servers;

Deno.test.beforeAll(async () => void (servers = await Servers.start()));
Deno.test.afterAll(() => servers?.[Symbol.asyncDispose]());

/** A deployment whose configuration takes the database's password from the environment. */
async function createDeployment(): Promise<RemoteDeployment> {
  const deployment = await createRemote(servers);
  const config = JSON.parse(await Deno.readTextFile(deployment.config));
  config.database.password = `\${${PASSWORD}}`;
  await Deno.writeTextFile(deployment.config, JSON.stringify(config));
  return deployment;
}

function runStage(
  deployment: RemoteDeployment,
  stage: Stage | "replay",
  permissions: Permissions,
  flags: readonly string[] = [],
): Promise<TaskResult> {
  if (stage !== "replay" && STAGES[stage]) {
    return runTask(stage, ["--work-dir", deployment.workDir, "--json"], {
      permissions: flagsOf(permissions),
    });
  }
  return runTask(stage, ["--config", deployment.config, "--json", ...flags], {
    permissions: [...flagsOf(permissions), IGNORED_ENVIRONMENT],
    env: { [PASSWORD]: deployment.mariadb.account.password },
  });
}

Deno.test("stages make a night complete with exactly these permissions, and stop when one of them is left out", async (test) => {
  await using deployment = await createDeployment();
  await deployment.loadDimensions(goldenPath("dimensions"));
  await deployment.deliver(goldenPath("night-1/landing"));
  await deployment.refresh();
  const before = await readTree(deployment.store);
  const { host, port } = deployment.mariadb.account;
  const table = remotePermissions(deployment, {
    s3: `${servers.s3.host}:${servers.s3.port}`,
    mysql: `${host}:${port}`,
    passwordVariable: PASSWORD,
  });
  // What is said of a value, where that is not a sentence of Deno.
  const saidOf = [
    [`${host}:${port}`, `may not use the network; run it with --allow-net=${host}:${port}`],
    [PASSWORD, `the environment variable ${PASSWORD} is not set`],
    // It is the next thing that is asked for.
    ["HOME", 'Requires sys access to "uid"'],
  ];
  let last: TaskResult | undefined;
  const leaveOut = async (stage: Stage | "replay", flags: readonly string[] = []) => {
    await using saved = await saveWorkspace(deployment);
    for (const { kind, value, permissions } of leaveOutEach(table[stage])) {
      await test.step(`${stage} without ${kind} ${value.replace(deployment.folder, "")}`, async () => {
        const result = await runStage(deployment, stage, permissions, flags);
        const isConfig = [deployment.config, PASSWORD, ...MODEL].includes(value);
        assert.equal(result.code, isConfig ? 78 : 77, result.text);
        assert.ok(parseSummary(result).error, result.text);
        const says = saidOf.find(([what]) => what === value)?.[1] ?? `Requires ${kind} access to "${value}`;
        assert.ok(result.stderr.includes(says), result.text);
        assert.doesNotMatch(result.stderr, /^ +at |bug/m, "a failure that is expected has no stack");
      });
      // In the bucket and the database no stage has done anything by then but staging, which it does anew.
      await saved.putBack();
    }
  };
  for (const stage of STAGE_NAMES) {
    await leaveOut(stage);
    last = await runStage(deployment, stage, table[stage]);
    assert.equal(last.code, 0, last.text);
  }
  assert.ok(last);
  await deployment.refresh();
  const after = await readTree(deployment.store);
  const night = { number: 1, workspace: deployment, summary: parseSummary(last), before, after };
  for (const [what, check] of CHECKS) await test.step(what, () => check(night));

  const flags = ["--run", night.summary.runId];
  await leaveOut("replay", flags);
  const replayed = await runStage(deployment, "replay", table.replay, flags);
  assert.equal(replayed.code, 0, replayed.text);
  assert.ok((await deployment.bucket.keys("sales_data/replay/")).length > 0, replayed.text);
});

Deno.test("stages name the permission and exit with 77, when the environment is closed and not ignored", async () => {
  await using deployment = await createDeployment();
  const { folder } = deployment;
  const permissions = [
    `--allow-read=${[folder, ...MODEL].join(",")}`,
    `--allow-write=${folder}`,
    "--allow-net",
    "--allow-sys",
    "--allow-ffi",
  ];
  const result = await runTask("download", ["--config", deployment.config, "--json"], {
    permissions: [...permissions, `--allow-env=HOME,${PASSWORD}`],
    env: { [PASSWORD]: deployment.mariadb.account.password },
  });
  assert.equal(result.code, 77, result.text);
  assert.match(result.stderr, /a permission of Deno is missing \(Requires env access to "AWS_/);
});
