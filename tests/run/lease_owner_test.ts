/**
 * `ETL_LEASE_OWNER`: a Pod that a Job puts in the place of one that died has another work dir, and is the same owner.
 *
 * @module
 */
import assert from "node:assert/strict";
import { copyWorkspace } from "../support/copies.ts";
import { parseSummary, runTask } from "../support/task.ts";
import {
  createWorkspace,
  deliver,
  goldenPath,
  loadDimensions,
  type Workspace,
} from "../support/workspace.ts";

/** A workspace in which this owner has begun a night and died: the lease is held, the work dir is gone. */
async function leaveBehind(owner: string): Promise<Workspace> {
  const workspace = await createWorkspace();
  await loadDimensions(workspace, goldenPath("dimensions"));
  await deliver(workspace, goldenPath("night-1/landing"));
  const args = ["--config", workspace.config, "--json"];
  const result = await runTask("download", args, { env: { ETL_LEASE_OWNER: owner } });
  assert.equal(result.code, 0, result.text);
  await Deno.remove(workspace.workDir, { recursive: true });
  return workspace;
}

Deno.test("pipeline goes on at once with a new work dir, when the lease's owner is the same", async () => {
  await using workspace = await leaveBehind("job-1");
  const args = ["--config", workspace.config, "--json"];
  const result = await runTask("pipeline", args, { env: { ETL_LEASE_OWNER: "job-1" } });
  assert.equal(result.code, 0, result.text);
  assert.equal(parseSummary(result).state, "committed");
});

/** Who had it, and who asks for it. */
const REFUSED: readonly (readonly [first: string, env: Record<string, string>])[] = [
  ["job-1", { ETL_LEASE_OWNER: "job-2" }],
  ["job-1", { ETL_LEASE_OWNER: "" }],
  ["job-1", {}],
  // Both are what their work dirs are.
  ["", { ETL_LEASE_OWNER: "" }],
];

for (const [first, env] of REFUSED) {
  const who = JSON.stringify(env.ETL_LEASE_OWNER ?? null);
  Deno.test(`pipeline of ${who} is refused with a new work dir, when ${JSON.stringify(first)} has the lease`, async () => {
    await using workspace = await leaveBehind(first);
    const result = await runTask("pipeline", ["--config", workspace.config, "--json"], { env });
    assert.equal(result.code, 75, result.text);
    assert.equal(parseSummary(result).error?.code, "lease_held", result.text);
  });
}

Deno.test("pipeline of another owner gets the lease, when it waits longer than that lives", async () => {
  await using first = await createWorkspace({ lease: { ttlSeconds: 2, waitSeconds: 0 } });
  await loadDimensions(first, goldenPath("dimensions"));
  await deliver(first, goldenPath("night-1/landing"));
  const held = await runTask("download", ["--config", first.config], { env: { ETL_LEASE_OWNER: "job-1" } });
  assert.equal(held.code, 0, held.text);
  await using second = await copyWorkspace(first, { lease: { ttlSeconds: 900, waitSeconds: 20 } });
  await Deno.remove(second.workDir, { recursive: true });
  const env = { ETL_LEASE_OWNER: "job-2" };
  const result = await runTask("pipeline", ["--config", second.config, "--json"], { env });
  assert.equal(result.code, 0, result.text);
});
