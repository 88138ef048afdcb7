/**
 * What `tests/support/permissions.ts` allows each stage is enough for it, each of it is needed, and `deno.json` allows no
 * kind of permission beyond it. `tests/integration/permissions_test.ts` shows the same on S3 and MySQL.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { CHECKS } from "./golden_nights.ts";
import { saveWorkspace } from "../support/copies.ts";
import { startReplay } from "../support/crash_process.ts";
import {
  embeddedPermissions,
  flagsOf,
  kindsOf,
  leaveOutEach,
  type LeftOut,
  PERMISSIONS,
  type Permissions,
  renderPermissions,
  REPLAYED,
  type Role,
  ROLES,
  type Stage,
  STAGE_NAMES,
  STAGES,
} from "../support/permissions.ts";
import {
  parseSummary,
  REPOSITORY,
  runPipeline,
  runTask,
  TASK_NAMES,
  type TaskResult,
  wordsOf,
} from "../support/task.ts";
import { listFiles, readTree } from "../support/tree.ts";
import {
  createWorkspace,
  deliver,
  goldenPath,
  loadDimensions,
  type Workspace,
} from "../support/workspace.ts";

function runStage(workspace: Workspace, stage: Stage, permissions: Permissions): Promise<TaskResult> {
  const where = STAGES[stage] ? ["--work-dir", workspace.workDir] : ["--config", workspace.config];
  return runTask(stage, [...where, "--json"], { permissions: flagsOf(permissions) });
}

/** The task was stopped for want of the permission, and says which one. */
function assertStopped(result: TaskResult, { kind, value }: LeftOut, config: string): void {
  const [exitCode, code] = value === config || value.endsWith("/config/model.jsonc")
    ? [78, "config_unreadable"]
    : value.endsWith("/tasks/sql")
    ? [78, "invalid_config"]
    : [77, "access_denied"];
  assert.equal(result.code, exitCode, result.text);
  assert.equal(parseSummary(result).error?.code, code, result.text);
  assert.ok(result.stderr.includes(`Requires ${kind} access to "${value}`), result.text);
  assert.doesNotMatch(result.stderr, /^ +at |bug/m, "a failure that is expected has no stack");
}

Deno.test("stages make a night complete with exactly these permissions, and stop when one of them is left out", async (test) => {
  await using workspace = await createWorkspace({ resources: { threads: 1 } });
  await loadDimensions(workspace, goldenPath("dimensions"));
  await deliver(workspace, goldenPath("night-1/landing"));
  const before = await readTree(workspace.store);
  const table = embeddedPermissions(workspace);
  let last: TaskResult | undefined;
  for (const stage of STAGE_NAMES) {
    await using saved = await saveWorkspace(workspace);
    for (const leftOut of leaveOutEach(table[stage])) {
      const { kind, value, permissions } = leftOut;
      // Below, with a replay to finish.
      if (stage === "upload" && value.endsWith(REPLAYED)) continue;
      await test.step(`${stage} without ${kind} ${value.replace(workspace.folder, "")}`, async () => {
        assertStopped(await runStage(workspace, stage, permissions), leftOut, workspace.config);
      });
      await saved.putBack();
    }
    last = await runStage(workspace, stage, table[stage]);
    assert.equal(last.code, 0, last.text);
  }
  assert.ok(last);
  const night = {
    number: 1,
    workspace,
    summary: parseSummary(last),
    before,
    after: await readTree(workspace.store),
  };
  for (const [what, check] of CHECKS) await test.step(what, () => check(night));
});

Deno.test("replay, and upload that finishes one, need exactly these permissions", async (test) => {
  await using workspace = await createWorkspace({ resources: { threads: 1 } });
  await loadDimensions(workspace, goldenPath("dimensions"));
  await deliver(workspace, goldenPath("night-2/landing"));
  const { config } = workspace;
  const flags = ["--run", (await runPipeline(config)).runId];
  const { replay, upload, ...others } = embeddedPermissions(workspace);
  const runReplay = (permissions: Permissions) =>
    runTask("replay", ["--config", config, "--json", ...flags], { permissions: flagsOf(permissions) });
  await using saved = await saveWorkspace(workspace);
  for (const leftOut of leaveOutEach(replay)) {
    const { kind, value, permissions } = leftOut;
    await test.step(`replay without ${kind} ${value.replace(workspace.folder, "")}`, async () => {
      assertStopped(await runReplay(permissions), leftOut, config);
    });
    await saved.putBack();
  }
  await test.step("upload without the one for a replay that was killed", async () => {
    const killed = await startReplay(config, flags, { when: "after", call: "database.commit" }).ended;
    assert.equal(killed.signal, "SIGKILL", killed.text);
    for (const stage of STAGE_NAMES.slice(0, STAGE_NAMES.indexOf("upload")) as (keyof typeof others)[]) {
      const result = await runStage(workspace, stage, others[stage]);
      assert.equal(result.code, 0, result.text);
    }
    const leftOut = leaveOutEach(upload).find(({ value }) => value.endsWith(REPLAYED));
    assert.ok(leftOut);
    assertStopped(await runStage(workspace, "upload", leftOut.permissions), leftOut, config);
    const passed = await runStage(workspace, "upload", upload);
    assert.equal(passed.code, 0, passed.text);
    assert.ok((await listFiles(join(workspace.store, REPLAYED))).length > 0);
  });
  await saved.putBack();
  const passed = await runReplay(replay);
  assert.equal(passed.code, 0, passed.text);
  assert.ok((await listFiles(join(workspace.store, REPLAYED))).length > 0);
});

/** What the tasks of `deno.json` allow of each kind: only the configuration knows the paths, hosts and names. */
const SCOPES: Readonly<Record<keyof Permissions, string>> = {
  read: "--allow-read",
  write: "--allow-write",
  net: "--allow-net",
  env: "--allow-env",
  sys: "--allow-sys=osRelease",
  ffi: "--allow-ffi=./node_modules",
};

Deno.test("deno.json allows each task the kinds of permissions that it needs, and no others", () => {
  const scopesOf = (kinds: readonly (keyof Permissions)[]) => kinds.map((kind) => SCOPES[kind]);
  const allowed: Record<string, readonly string[]> = {
    pipeline: scopesOf([...new Set(STAGE_NAMES.flatMap(kindsOf))]),
    ...Object.fromEntries(ROLES.map((role) => [role, scopesOf(kindsOf(role))])),
    config: scopesOf(["read", "write", "env", "ffi"]),
    // The file that it is about may be anywhere.
    sample: ["--allow-read", "--allow-write=/tmp", "--allow-ffi=./node_modules"],
    // It has a store, a database and a configuration of its own there.
    demo: flagsOf({
      read: ["./data", "./tasks/demo", "./tasks/sql"],
      write: ["./data"],
      ffi: ["./node_modules"],
    }),
  };
  assert.deepEqual(Object.keys(allowed).sort(), [...TASK_NAMES].sort());
  for (const task of TASK_NAMES) {
    const words = wordsOf(task);
    const flags = words.filter((word) => /^(--allow-|-[A-Za-z])/.test(word));
    assert.deepEqual(flags.sort(), [...allowed[task] ?? []].sort(), task);
    assert.ok(words.includes("--no-prompt"), task);
  }
});

/** What the security page says of a role's permissions in a deployment. */
function documentedPermissions(page: string, role: Role, deployment: string): string | undefined {
  const [, ...sections] = page.split(/^### /m);
  const section = sections.find((text) => new RegExp(`^(.*, )?\`${role}\`(, .*)?\\n`).test(text));
  // A line of the list may go on, indented, on the next lines.
  const lines = section?.replaceAll(/\n +/g, " ").replaceAll("`", "").split("\n") ?? [];
  const heads = [`- Deno, ${deployment}: `, "- Deno, whatever store and database: "];
  const line = lines.find((text) => heads.some((head) => text.startsWith(head)));
  return line?.replace(/^[^:]*: (.*)\.$/, "$1");
}

Deno.test("the security page allows each role what the table does, and nothing else", async () => {
  const page = await Deno.readTextFile(join(REPOSITORY, "docs/security.md"));
  for (const role of ROLES) {
    const { embedded, remote } = PERMISSIONS;
    assert.equal(
      documentedPermissions(page, role, "folder and DuckDB file"),
      renderPermissions(embedded[role]),
      role,
    );
    assert.equal(documentedPermissions(page, role, "S3 and MySQL"), renderPermissions(remote[role]), role);
  }
});

Deno.test("tasks write nothing into the program itself, when a configuration names it as work dir", async () => {
  const workDir = join(REPOSITORY, "lib", "work-dir-of-a-test");
  await using workspace = await createWorkspace({ workDir });
  try {
    const results = [
      await runTask("pipeline", ["--config", workspace.config]),
      await runTask("validate", ["--work-dir", workDir]),
    ];
    for (const result of results) {
      assert.equal(result.code, 77, result.text);
      assert.ok(result.stderr.includes(`Requires write access to "${workDir}`), result.text);
    }
    await assert.rejects(Deno.stat(workDir), Deno.errors.NotFound);
  } finally {
    await Deno.remove(workDir, { recursive: true }).catch(() => {});
  }
  // The demo may write below data only.
  for (const task of TASK_NAMES.filter((name) => name !== "demo")) {
    const denied = wordsOf(task).filter((word) => word.startsWith("--deny-"));
    assert.deepEqual(denied, ["--deny-write=./tasks,./lib,./node_modules,./deno.json,./deno.lock"], task);
  }
});

/** Which of the permissions that a process has at first are left when it opens its store. */
async function rightsWith(parts: object): Promise<string> {
  await using workspace = await createWorkspace({ contract: { rules: {} }, ...parts });
  const script = `import { main } from "./lib/command/main.ts";
    import { download } from "./tasks/download.ts";
    const names = ["read", "env", "sys", "net"] as const;
    const openStore = () => {
      throw new Error("left: " + names.filter((name) => Deno.permissions.querySync({ name }).state === "granted"));
    };
    const task = { name: "download", description: "Tells rights.", options: [] };
    await main({ ...task, run: (session) => session.download(download) }, { openStore });`;
  const file = join(workspace.folder, "script.ts");
  await Deno.writeTextFile(file, script.replaceAll('"./', `"${REPOSITORY}`));
  const write = `--allow-write=${workspace.folder}`;
  const flags = [
    "--no-check",
    "--no-prompt",
    "--allow-read",
    write,
    "--allow-env",
    "--allow-sys",
    "--allow-net",
  ];
  const { stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--config", join(REPOSITORY, "deno.json"), ...flags, file, "--config", workspace.config],
  }).output();
  return /left: ([\w,]*)/.exec(new TextDecoder().decode(stderr))?.[1] ?? new TextDecoder().decode(stderr);
}

Deno.test("a process gives up what its configuration has no use for, before it opens anything", async () => {
  const mysql = { kind: "mysql", host: "localhost", database: "d", user: "u", password: "p" };
  assert.equal(await rightsWith({}), "read");
  assert.equal(await rightsWith({ database: mysql }), "read,net");
  assert.equal(await rightsWith({ store: { kind: "s3", bucket: "b" }, database: mysql }), "read,env,sys,net");
});
