/**
 * The rights that `config/bucket-policy.example.json` and `config/grants.example.sql` give to each stage are enough for
 * it, and those on the bucket are none too many.
 *
 * Each stage is a process of its own whose S3 user and database account have these rights only. The server knows the
 * condition on `s3:prefix`; of what it does otherwise than Amazon, a proxy makes up for its answers for missing keys.
 * Not shown: tags and keys of KMS, which Amazon has permissions of their own for, and the sizes from which objects are
 * sent and copied in parts, which take no others. That no grant is too many is in `mysql_database_test.ts`.
 *
 * @module
 */
import { CreateMultipartUploadCommand, DeleteObjectCommand } from "@aws-sdk/client-s3";
import assert from "node:assert/strict";
import { join } from "node:path";
import pMap from "p-map";
import { CHECKS } from "../tasks/golden_nights.ts";
import type { ReplaySummary } from "../support/replay.ts";
import { parseSummary, runTask, type TaskResult } from "../support/task.ts";
import { readTree, type Tree } from "../support/tree.ts";
import { goldenPath } from "../support/workspace.ts";
import { DocumentedPolicy, type Grant, grantText, type Permission, readGrants } from "./documented_rights.ts";
import { MissingKeyProxy } from "./missing_key_proxy.ts";
import { createRemote, type RemoteDeployment, Servers } from "./remote_deployment.ts";

/** The stages in their order, with whether one has rights of its own; the others need nothing but the work dir. */
const STAGES = {
  download: true,
  validate: false,
  "transform-customer": false,
  "transform-sales": false,
  upload: true,
  move: true,
  cleanup: true,
} as const;

type Stage = keyof typeof STAGES;
const STAGE_NAMES = Object.keys(STAGES) as Stage[];
const ROLES = STAGE_NAMES.filter((stage) => STAGES[stage]);
/** The role of the one command that is no stage. */
const REPLAY = "replay";
/** The account of the database that may make tables. */
const MIGRATION = "migration";
const PASSWORD = "canary 'pass\"word";

let servers: Servers;
let proxy: MissingKeyProxy;
let policy: DocumentedPolicy;
let grants: readonly Grant[];
/** The S3 user of each role, and the one that has all roles. */
const users = new Map<string, { accessKeyId: string; secretAccessKey: string }>();

Deno.test.beforeAll(async () => {
  servers = await Servers.start({ users: true });
  proxy = await MissingKeyProxy.start(servers.s3);
  policy = await DocumentedPolicy.read();
  grants = await readGrants();
  for (const role of [...ROLES, REPLAY, "pipeline"]) {
    users.set(role, await servers.s3.createUser(`nightly-marts-${role}`));
  }
});
Deno.test.afterAll(async () => {
  await proxy?.[Symbol.asyncDispose]();
  await servers?.[Symbol.asyncDispose]();
});

/** Runs a task whose user and account have these rights, and no others. */
async function runAs(
  task: string,
  { bucket, mariadb, ...workspace }: RemoteDeployment,
  rights: {
    user: string;
    grantsOf: readonly string[];
    leftOut?: readonly Permission[];
    flags?: readonly string[];
  },
): Promise<TaskResult> {
  const { user, grantsOf, leftOut = [], flags = [] } = rights;
  // Either the stages' or replay's: the pipeline has not the rights of replay, and both are too long for the server.
  const nameOf = (role: string) =>
    (user === REPLAY) === (role === REPLAY)
      ? users.get(user === "pipeline" ? user : role)?.accessKeyId ?? ""
      : null;
  await bucket.setPolicy(policy.text(bucket.name, nameOf, leftOut));
  const listed = policy.permissions.filter((permission) =>
    permission.action === "s3:ListBucket" && !leftOut.includes(permission)
  );
  proxy.mayList = (user, key) => listed.some(({ role, on }) => nameOf(role) === user && matches(key, on));

  const account = `${mariadb.name}_${user}`;
  await mariadb.sql(
    `DROP USER IF EXISTS ${account}@'%'`,
    `CREATE USER ${account}@'%' IDENTIFIED BY '${PASSWORD.replaceAll("'", "''")}'`,
    ...grants.filter((grant) => grantsOf.includes(grant.account))
      .map((grant) => grantText(grant, mariadb.name, account)),
  );
  const config = JSON.parse(await Deno.readTextFile(workspace.config));
  config.store.credentials = users.get(user);
  Object.assign(config.database, { user: account, password: PASSWORD });
  const path = join(workspace.folder, `${user}.jsonc`);
  await Deno.writeTextFile(path, JSON.stringify(config));
  return await runTask(task, ["--config", path, "--json", ...flags]);
}

/** Runs a stage with its documented rights, or not all of them. */
function runStage(
  deployment: RemoteDeployment,
  stage: Stage,
  leftOut: readonly Permission[] = [],
): Promise<TaskResult> {
  if (STAGES[stage]) return runAs(stage, deployment, { user: stage, grantsOf: [stage], leftOut });
  return runTask(stage, ["--work-dir", deployment.workDir, "--json"]);
}

/** Runs a stage that must succeed. */
async function passStage(deployment: RemoteDeployment, stage: Stage): Promise<TaskResult> {
  const result = await runStage(deployment, stage);
  assert.equal(result.code, 0, result.text);
  return result;
}

async function passPipeline(deployment: RemoteDeployment): Promise<TaskResult> {
  const result = await runAs("pipeline", deployment, { user: "pipeline", grantsOf: ROLES });
  assert.equal(result.code, 0, result.text);
  return result;
}

/** A deployment whose tables are made, as the documents say it, by the user that will download. */
async function prepareDeployment(user: string): Promise<RemoteDeployment> {
  const deployment = await createRemote(servers, { endpoint: proxy.endpoint });
  await deployment.loadDimensions(goldenPath("dimensions"));
  const result = await runAs("download", deployment, { user, grantsOf: [MIGRATION] });
  assert.equal(result.code, 0, result.text);
  assert.equal(parseSummary(result).state, "nothing-to-do");
  return deployment;
}

/** Delivers a golden night; gives the store as it is then. */
async function deliverNight(deployment: RemoteDeployment, number: number): Promise<Tree> {
  await deployment.deliver(goldenPath(`night-${number}/landing`));
  await deployment.refresh();
  return await readTree(deployment.store);
}

/** The night has come to what the golden data expect. */
async function assertNight(
  test: Deno.TestContext,
  deployment: RemoteDeployment,
  { number, before, last }: { number: number; before: Tree; last: TaskResult },
): Promise<void> {
  await deployment.refresh();
  const after = await readTree(deployment.store);
  const night = { number, workspace: deployment, summary: parseSummary(last), before, after };
  for (const [what, check] of CHECKS) await test.step(`night ${number}: ${what}`, () => check(night));
}

Deno.test("stages make the golden nights complete, when each has the rights documented for it", async (test) => {
  await using deployment = await prepareDeployment("download");
  for (const number of [1, 2]) {
    const before = await deliverNight(deployment, number);
    let last: TaskResult | undefined;
    for (const stage of STAGE_NAMES) last = await passStage(deployment, stage);
    if (last) await assertNight(test, deployment, { number, before, last });
  }
});

Deno.test("pipeline makes the golden nights complete, when it has the rights of all stages", async (test) => {
  await using deployment = await prepareDeployment("pipeline");
  for (const number of [1, 2]) {
    const before = await deliverNight(deployment, number);
    await assertNight(test, deployment, { number, before, last: await passPipeline(deployment) });
  }
});

Deno.test("stages are stopped or leave work undone, and nothing worse, when one permission is left out", async (test) => {
  await using deployment = await prepareDeployment("pipeline");
  await deliverNight(deployment, 1);
  await passPipeline(deployment);
  const before = await deliverNight(deployment, 2);
  const { bucket } = deployment;
  // What a process that was killed in the middle of an upload leaves.
  const cutOff = { Bucket: bucket.name, Key: "_staging/20230401T020000Z-dead/0" };
  await servers.s3.client.send(new CreateMultipartUploadCommand(cutOff));

  let last: TaskResult | undefined;
  for (const stage of STAGE_NAMES) {
    const permissions = policy.permissions.filter(({ role, on }) => role === stage && on !== REPLAYED);
    const usual = permissions.filter((permission) => !isForMissing(permission));
    if (usual.length > 0) await tryWithout(test, deployment, stage, usual);
    const forMissing = permissions.filter(isForMissing);
    if (forMissing.length > 0) {
      const putBack = await saveAll(deployment, "whole");
      await loseObjects(deployment, stage);
      await tryWithout(test, deployment, stage, forMissing);
      await putBack();
    }
    last = await passStage(deployment, stage);
  }
  assert.deepEqual(await bucket.openUploads(), []);
  if (last) await assertNight(test, deployment, { number: 2, before, last });
});

/** Where replays put things back; upload has to do with it only where a replay was killed after its commit. */
const REPLAYED = "sales_data/replay/*";

/** A deployment after a golden night that rejects files and rows, and what a replay is told to put back of it. */
async function afterNight(): Promise<{ deployment: RemoteDeployment; flags: readonly string[] }> {
  const deployment = await prepareDeployment("pipeline");
  await deliverNight(deployment, 2);
  return { deployment, flags: ["--run", parseSummary(await passPipeline(deployment)).runId] };
}

async function runReplay(
  deployment: RemoteDeployment,
  flags: readonly string[],
  leftOut: readonly Permission[] = [],
): Promise<TaskResult & { summary: ReplaySummary }> {
  const rights = { user: REPLAY, grantsOf: [REPLAY], leftOut, flags };
  const result = await runAs(REPLAY, deployment, rights);
  return { ...result, summary: JSON.parse(result.stdout) };
}

/** Objects and moves, the same however often a replay was tried before. */
async function readReplayed(deployment: RemoteDeployment, runId: string | null) {
  const { published, staged, moves, cutOff } = await readState(deployment);
  const text = JSON.stringify({
    keys: published.keys,
    staged,
    moves: moves.map(({ to, outcome }) => [to, outcome]),
    cutOff,
  });
  return JSON.parse(text.replaceAll(runId ?? "", "REPLAY"));
}

Deno.test("replay puts back what it is told to, and is stopped or leaves something out, when one permission is left out", async (test) => {
  const { deployment, flags } = await afterNight();
  await using _ = deployment;
  const { bucket } = deployment;
  // Something to sweep: an object, and an upload, of a run that died.
  await deployment.mariadb.sql(
    "INSERT INTO pipeline_run (run_id, token, state, config_hash, started_at) VALUES ('20230401T020000Z-dead', 0, 'abandoned', '', NOW())",
  );
  await bucket.put("_staging/20230401T020000Z-dead/1", new Uint8Array(1));
  const cutOff = { Bucket: bucket.name, Key: "_staging/20230401T020000Z-dead/0" };
  await servers.s3.client.send(new CreateMultipartUploadCommand(cutOff));
  const putBack = await saveAll(deployment, "tried");
  const passed = await runReplay(deployment, flags);
  assert.equal(passed.code, 0, passed.text);
  assert.deepEqual(passed.summary.leftOut, []);
  assert.ok(passed.summary.counts.rows > 0 && passed.summary.counts.files > 0, passed.text);
  const expected = await readReplayed(deployment, passed.summary.runId);
  const permissions = policy.permissions.filter(({ role }) => role === REPLAY);
  for (const permission of permissions) {
    const { statement, action, on } = permission;
    await test.step(`without ${action} on ${on || "the bucket"} (${statement})`, async () => {
      await putBack();
      if (isForMissing(permission)) await loseReplayed(deployment, flags, on);
      const { summary, ...result } = await runReplay(deployment, flags, [permission]);
      if (on === REPLAYED) {
        assert.equal(result.code, 0, result.text);
        assert.match(result.stderr, /stays pending: .*access denied/, result.text);
        assert.ok(summary.pendingMoves > 0);
      } else if (/^sales_data_(processed|error)\//.test(on)) {
        assert.equal(result.code, 0, result.text);
        assert.ok(summary.leftOut.some(({ reason }) => reason === "access_denied"), result.text);
      } else {
        assertStopped(result);
      }
      if (isForMissing(permission)) return;
      const whole = await runReplay(deployment, flags);
      assert.equal(whole.code, 0, whole.text);
      const id = summary.replayed.length > 0 ? summary.runId : whole.summary.runId;
      const normalised = await readReplayed(deployment, id);
      // What could be put back at first has another id than the rest.
      const other = JSON.parse(JSON.stringify(normalised).replaceAll(whole.summary.runId ?? "", "REPLAY"));
      assert.deepEqual(withoutRecords(other), withoutRecords(expected));
    });
  }
});

Deno.test("upload finishes a replay that was cut off, and leaves it pending, when one permission is left out", async (test) => {
  const { deployment, flags } = await afterNight();
  await using _ = deployment;
  const { summary, text } = await runReplay(deployment, flags, mayNotPutBack());
  assert.ok(summary.pendingMoves > 0, text);
  for (const stage of STAGE_NAMES.slice(0, STAGE_NAMES.indexOf("upload"))) await passStage(deployment, stage);
  const putBack = await saveAll(deployment, "tried");
  const openMoves = () => readMoves(deployment.mariadb, "outcome IS NULL");
  for (
    const permission of policy.permissions.filter(({ role, on }) => role === "upload" && on === REPLAYED)
  ) {
    await test.step(`without ${permission.action} (${permission.statement})`, async () => {
      await putBack();
      if (isForMissing(permission)) await loseObjects(deployment, "move", "publish");
      const result = await runStage(deployment, "upload", [permission]);
      assert.equal(result.code, 0, result.text);
      assert.match(result.stderr, /stays pending: .*access denied/, result.text);
      assert.equal((await openMoves()).length, summary.pendingMoves);
      await passStage(deployment, "upload");
      assert.deepEqual(await openMoves(), []);
    });
  }
  await putBack();
  for (const stage of STAGE_NAMES.slice(STAGE_NAMES.indexOf("upload"))) await passStage(deployment, stage);
  const landed = (await deployment.bucket.keys("sales_data/replay/")).sort();
  assert.deepEqual(landed, summary.replayed.map(({ destination }) => destination).sort());
});

/** The permission without which a replay commits what it puts back, and cannot put it in its place. */
function mayNotPutBack(): Permission[] {
  return policy.permissions.filter(({ role, action, on }) =>
    role === REPLAY && action === "s3:PutObject" && on === REPLAYED
  );
}

/** Sorted, and without the completion records: two replays have two. */
function withoutRecords({ keys, moves, ...rest }: { keys: string[]; moves: unknown[] }) {
  return {
    ...rest,
    keys: keys.filter((key) => !key.startsWith("_runs/")).sort(),
    moves: moves.map((move) => JSON.stringify(move)).sort(),
  };
}

/** Loses the objects that a replay reads, or those that one has put back when it was cut off. */
async function loseReplayed(
  deployment: RemoteDeployment,
  flags: readonly string[],
  on: string,
): Promise<void> {
  if (on === REPLAYED) {
    const { summary, text } = await runReplay(deployment, flags, mayNotPutBack());
    assert.ok(summary.pendingMoves > 0, text);
  }
  const keys = [...await deployment.bucket.keys(""), ""].filter((key) =>
    matches(key, on) || key.startsWith("_staging/")
  );
  await pMap(keys, async (Key) => {
    await servers.s3.client.send(new DeleteObjectCommand({ Bucket: deployment.bucket.name, Key }));
  }, { concurrency: 8 });
}

/** Runs the stage without each of the permissions, and then with it, which must come to the same as at once. */
async function tryWithout(
  test: Deno.TestContext,
  deployment: RemoteDeployment,
  stage: Stage,
  permissions: readonly Permission[],
): Promise<void> {
  const putBack = await saveAll(deployment, "tried");
  const atFirst = await readState(deployment);
  await passStage(deployment, stage);
  const expected = await readState(deployment);
  for (const [name, leftOut] of casesOf(permissions)) {
    const [permission] = leftOut;
    const effect = effectOf(permission);
    await test.step(`${stage} without ${name}`, async () => {
      await putBack();
      const result = await runStage(deployment, stage, leftOut);
      if (effect === "stopped") assertStopped(result);
      else if (effect === "skipped") assertSkipped(result);
      else await assertPending(result, deployment, leftOut);
      // The completion record is the one thing that is denied after the commit and stops the stage.
      if (effect === "stopped" && permission.on !== "_runs/*") {
        assert.deepEqual((await readState(deployment)).published, atFirst.published);
      }
      await passStage(deployment, stage);
      assert.deepEqual(await readState(deployment), expected);
    });
  }
  await putBack();
}

/**
 * By name what is left out together: one permission, or those to the places that upload moves objects to. Each of these
 * shows by itself, by the moves that stay pending.
 */
function casesOf(permissions: readonly Permission[]): Map<string, [Permission, ...Permission[]]> {
  const cases = new Map<string, [Permission, ...Permission[]]>();
  for (const permission of permissions) {
    const { statement, role, action, on } = permission;
    const isPlace = role === "upload" && effectOf(permission) === "pending" && on !== "_staging/*";
    const name = `${action} on ${isPlace ? "the places" : on || "the bucket"} (${statement})`;
    const others = cases.get(name);
    if (others) others.push(permission);
    else cases.set(name, [permission]);
  }
  return cases;
}

/** Permissions that matter only where an object has vanished: to be told so. */
function isForMissing({ statement }: Permission): boolean {
  return statement.endsWith("IsToldWhatIsMissing");
}

/** What comes of it when a permission is left out. */
function effectOf(permission: Permission): "stopped" | "skipped" | "pending" {
  const { action, on } = permission;
  if (isForMissing(permission)) return "pending";
  if (["s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:AbortMultipartUpload"].includes(action)) {
    return "stopped";
  }
  if (on.startsWith("_runs/") || (on === "_staging/*" && action !== "s3:DeleteObject")) return "stopped";
  return permission.role === "download" ? "skipped" : "pending";
}

function assertStopped(result: TaskResult): void {
  assert.equal(result.code, 77, result.text);
  assert.match(result.stderr, /access denied/, result.text);
}

function assertSkipped(result: TaskResult): void {
  assert.equal(result.code, 0, result.text);
  const found = new Set(parseSummary(result).files.map(({ status, reason }) => `${status} ${reason}`));
  assert.deepEqual([...found], ["skipped access_denied"]);
}

/** Exactly the moves from or to what is denied are left, and no record says that the run is complete. */
async function assertPending(
  result: TaskResult,
  { bucket, mariadb }: RemoteDeployment,
  leftOut: readonly Permission[],
): Promise<void> {
  assert.equal(result.code, 0, result.text);
  assert.match(result.stderr, /stays pending: .*access denied/, result.text);
  const { runId, pendingMoves } = parseSummary(result);
  const kind = leftOut[0]?.role === "upload" ? "publish" : "archive";
  const moves = await readMoves(mariadb, `kind = '${kind}' AND run_id = '${runId}'`);
  const open = moves.filter(({ outcome }) => outcome === null);
  for (const { on } of leftOut) {
    assert.ok(moves.some((move) => isOn(move, on)), `nothing in the golden data needs ${on}`);
  }
  const denied = moves.filter((move) => leftOut.some(({ on }) => isOn(move, on)));
  assert.deepEqual(open, denied.map((move) => ({ ...move, outcome: null })));
  assert.equal(pendingMoves, open.length);
  assert.equal((await bucket.keys("_runs/")).includes(`_runs/${runId}.json`), kind === "archive");
}

/** Ends the stage before its moves are done, and loses the objects that are to be moved. */
async function loseObjects(
  deployment: RemoteDeployment,
  stage: Stage,
  kind = stage === "upload" ? "publish" : "archive",
): Promise<void> {
  if (stage === "upload") {
    const deleting = ({ statement, action }: Permission) =>
      statement === "UploadSweepsStaging" && action === "s3:DeleteObject";
    await runStage(deployment, stage, policy.permissions.filter(deleting));
  }
  const { bucket, mariadb } = deployment;
  const moves = await readMoves(mariadb, `kind = '${kind}' AND outcome IS NULL`);
  assert.ok(moves.length > 0);
  await pMap(moves.flatMap(({ from, to }) => [from, to]), async (Key) => {
    await servers.s3.client.send(new DeleteObjectCommand({ Bucket: bucket.name, Key }));
  }, { concurrency: 8 });
}

async function readMoves({ sql }: RemoteDeployment["mariadb"], which: string) {
  const text = (column: string) => `CONVERT(${column} USING utf8mb4)`;
  const rows = await sql(
    `SELECT ${text("from_key")}, ${
      text("to_key")
    }, outcome FROM pending_move WHERE ${which} ORDER BY from_key, to_key`,
  );
  return rows.map(([from, to, outcome = null]) => ({ from: String(from), to: String(to), outcome }));
}

/** What two ways to the same end are compared by. */
async function readState({ bucket, mariadb }: RemoteDeployment) {
  const keys = await bucket.keys("");
  const isStaged = (key: string) => key.startsWith("_staging/");
  return {
    published: {
      keys: keys.filter((key) => !isStaged(key)),
      customers: await mariadb.sql("SELECT * FROM customers_data_mart ORDER BY 1, 5"),
      sales: await mariadb.sql("SELECT * FROM sales_team_data_mart ORDER BY 1, 2, 4"),
      ledger: await mariadb.sql(
        "SELECT run_id, object_key, status, destination FROM source_file ORDER BY 1, 2",
      ),
      runs: await mariadb.sql(
        "SELECT run_id, state FROM pipeline_run WHERE state IN ('committed', 'published') ORDER BY 1",
      ),
    },
    staged: keys.filter(isStaged),
    cutOff: await bucket.openUploads(),
    moves: await readMoves(mariadb, "TRUE"),
  };
}

/** Keeps bucket, database and work dir under a name; gives what puts them back, as often as it is called. */
async function saveAll(
  { bucket, mariadb, workDir }: RemoteDeployment,
  as: string,
): Promise<() => Promise<void>> {
  const putBucketBack = await bucket.save(as);
  const { name } = mariadb, saved = `${name}_${as}`, savedWorkDir = `${workDir}-${as}`;
  const tables = (await mariadb.sql("SHOW TABLES")).map(([table]) => String(table));
  await mariadb.sql(
    `DROP DATABASE IF EXISTS ${saved}`,
    `CREATE DATABASE ${saved}`,
    ...tables.map((table) => `CREATE TABLE ${saved}.${table} AS SELECT * FROM ${table}`),
  );
  await copyFolder(workDir, savedWorkDir);
  return async () => {
    await putBucketBack();
    await mariadb.sql(...tables.flatMap((table) => [
      `DELETE FROM ${table}`,
      `INSERT INTO ${table} SELECT * FROM ${saved}.${table}`,
    ]));
    await copyFolder(savedWorkDir, workDir);
  };
}

async function copyFolder(from: string, to: string): Promise<void> {
  await Deno.remove(to, { recursive: true }).catch(() => {});
  const { success } = await new Deno.Command("cp", { args: ["-a", from, to] }).output();
  assert.ok(success, `cp of ${from}`);
}

function isOn({ from, to }: { from: string; to: string }, pattern: string): boolean {
  return matches(from, pattern) || matches(to, pattern);
}

/** Whether a key is one of those that a policy's pattern stands for. */
function matches(key: string, pattern: string): boolean {
  const parts = pattern.split("*").map((part) => part.replaceAll(/[.\\/]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`, "s").test(key);
}
