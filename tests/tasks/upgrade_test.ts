/**
 * A deployment that an earlier version has made goes on: `tests/testdata/deployment_v2.tar.gz` has the store, the
 * database and the work dir of the version before there was a model (schema version 2, manifest version 1), after the
 * first golden night, and in the second one, which was killed while its objects were published.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Deployment } from "../support/deployment.ts";
import { createEmbedded } from "../support/deployment.ts";
import { dumpDatabase } from "../support/duckdb.ts";
import { runPipeline, runTask } from "../support/task.ts";
import { listFiles } from "../support/tree.ts";
import { goldenPath } from "../support/workspace.ts";
import { assertTables, deliverNight } from "./golden_nights.ts";

async function unpack(): Promise<Deployment> {
  const deployment = await createEmbedded();
  const archive = goldenPath("../deployment_v2.tar.gz");
  // tar, since only it keeps all digits of the times: they are part of what makes an object version.
  const { success } = await new Deno.Command("tar", { args: ["-xzf", archive, "-C", deployment.folder] })
    .output();
  assert.ok(success, `tar of ${archive}`);
  return deployment;
}

Deno.test("a deployment of the version before goes on, and nothing is lost or doubled, when it is taken over", async (test) => {
  await using deployment = await unpack();
  const before = await dumpDatabase(deployment.database);
  const [first = "", second = ""] = (before.pipeline_run?.rows ?? []).map(([runId]) => String(runId));

  await test.step("the night that was killed is finished, by what the database knows of it", async () => {
    const summary = await runPipeline(deployment.config);
    assert.equal(summary.state, "recovered");
    assert.deepEqual(summary.recovered, [second]);
    assert.deepEqual(summary.files, []);
    await assertTables(deployment, 2);
    const keys = await listFiles(deployment.store);
    for (const runId of [first, second]) {
      const record = JSON.parse(await Deno.readTextFile(join(deployment.store, "_runs", `${runId}.json`)));
      for (const { key } of record.objects) assert.ok(keys.includes(key), key);
    }
    assert.deepEqual(keys.filter((key) => key.startsWith("_staging/")), []);
  });

  await test.step("what the ledger had is there, as sales", async () => {
    const after = await dumpDatabase(deployment.database);
    assert.equal(after.source_file?.rows.length, before.source_file?.rows.length);
    const dataset = after.source_file?.columns.findIndex((column) => column.startsWith("dataset ")) ?? -1;
    assert.ok(after.source_file?.rows.every((row) => row[dataset] === "sales"));
  });

  await test.step("what was delivered before is known", async () => {
    await deployment.deliver(goldenPath("night-1/landing"));
    const { files } = await runPipeline(deployment.config);
    const again = files.filter(({ key }) => key.endsWith("sales_1.csv") || key.endsWith("sales_2.csv"));
    assert.deepEqual(again.map(({ status }) => status), ["duplicate", "duplicate"]);
    await assertTables(deployment, 2);
  });

  await test.step("what was rejected before can be replayed", async () => {
    const args = ["--config", deployment.config, "--json", "--run", second, "--reason", "rule", "--dry-run"];
    const replay = await runTask("replay", args);
    assert.equal(replay.code, 0, replay.text);
    assert.equal(JSON.parse(replay.stdout).counts.rows, 2);
  });

  await test.step("the next nights give what they would have given", async () => {
    for (const number of [3, 4]) {
      await deliverNight(deployment, number);
      await runPipeline(deployment.config);
      await assertTables(deployment, number);
    }
  });
});
