import assert from "node:assert/strict";
import { join } from "node:path";
import { DataError, InterruptedError, UnavailableError } from "../../lib/errors.ts";
import { newRunId, noteStart, WorkDir } from "../../lib/run/workdir.ts";
import { killAtEnd, removeAtEnd } from "../support/ending.ts";
import { REPOSITORY } from "../support/task.ts";
import { finished, StoppedClock } from "../support/waiting.ts";

/** A path for a work dir, which goes at the end. */
async function temporaryPath() {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "workdir-" }));
  return {
    path: join(folder, "data", "work"),
    folder,
    [Symbol.asyncDispose]: () => removeAtEnd(folder),
  };
}

function open(path: string, options: Partial<Parameters<typeof WorkDir.open>[1]> = {}): Promise<WorkDir> {
  const monotonic = () => performance.now();
  const { signal } = new AbortController();
  return WorkDir.open(path, { holder: "process 1", waitSeconds: 0, monotonic, signal, ...options });
}

/** Locks a work dir in a process of its own, says so, and keeps it until it is killed. */
const HOLDER = `
  import { WorkDir } from ${JSON.stringify(new URL("../../lib/run/workdir.ts", import.meta.url).href)};
  const { signal } = new AbortController();
  const options = { holder: "the other process", waitSeconds: 0, monotonic: () => 0, signal };
  await WorkDir.open(Deno.args[0], options);
  console.log("locked");
  for await (const _ of Deno.stdin.readable);
`;

/** Another process that has the work dir, until it is disposed of. */
async function lockElsewhere(folder: string, path: string) {
  const script = join(folder, "holder.ts");
  await Deno.writeTextFile(script, HOLDER);
  const args = [
    "run",
    "--quiet",
    "--allow-read",
    "--allow-write",
    "--config",
    join(REPOSITORY, "deno.json"),
    script,
    path,
  ];
  const child = new Deno.Command(Deno.execPath(), { args, cwd: REPOSITORY, stdin: "piped", stdout: "piped" })
    .spawn();
  const { value } = await child.stdout.pipeThrough(new TextDecoderStream()).getReader().read();
  assert.equal(value, "locked\n");
  return { [Symbol.asyncDispose]: () => killAtEnd(child) };
}

async function held(act: () => Promise<unknown>, says: RegExp): Promise<void> {
  await assert.rejects(act, (error) => {
    assert.ok(error instanceof UnavailableError, `failed with ${error}`);
    assert.equal(error.code, "lease_held");
    assert.match(error.message, says);
    return true;
  });
}

Deno.test("WorkDir.open() refuses, waits or stops while another process has it, and goes on when that is killed", async () => {
  await using temporary = await temporaryPath();
  const { folder, path } = temporary;
  const names = new RegExp(`${RegExp.escape(path)}.*the other process`);
  {
    await using other = await lockElsewhere(folder, path);
    await held(() => open(path), names);

    using clock = new StoppedClock();
    const controller = new AbortController();
    const waitSeconds = 60, monotonic = clock.now, { signal } = controller;
    const waiting = held(() => open(path, { waitSeconds, monotonic }), names);
    await clock.lookedAt(3, waiting);
    clock.advance(59_999);
    await clock.lookedAt(3, waiting);
    clock.advance(1);
    await finished("the wait", waiting);

    const reason = new InterruptedError("SIGTERM");
    const stopped = assert.rejects(open(path, { waitSeconds, monotonic, signal }), reason);
    await clock.lookedAt(3, stopped);
    controller.abort(reason);
    const { looks } = clock;
    await finished("what was stopped", stopped);
    assert.equal(clock.looks, looks, "it waited on after the signal");

    const opening = open(path, { waitSeconds, monotonic });
    await clock.lookedAt(3, opening);
    await other[Symbol.asyncDispose]();
    using workDir = await finished("the wait for the lock", opening);
    assert.equal(workDir.path, path);
  }
  await (await lockElsewhere(folder, path))[Symbol.asyncDispose]();
  using _atOnce = await open(path);
});

Deno.test("WorkDir.open() can be repeated, when the lock was freed", async () => {
  await using temporary = await temporaryPath();
  {
    using _first = await open(temporary.path);
  }
  using second = await open(temporary.path);
  assert.deepEqual(await second.runs(), []);
});

Deno.test("owner() stays the same over restarts, and differs from that of another work dir", async () => {
  await using temporary = await temporaryPath();
  let made = 0;
  const newId = () => `id-${++made}`;
  const owners: string[] = [];
  for (let i = 0; i < 2; i++) {
    using workDir = await open(temporary.path);
    owners.push(await workDir.owner(newId));
  }
  assert.deepEqual(owners, ["id-1", "id-1"]);
  using other = await open(join(temporary.folder, "other"));
  assert.equal(await other.owner(newId), "id-2");
});

Deno.test("owner() makes a new id, when the old one was cut off", async () => {
  await using temporary = await temporaryPath();
  using workDir = await open(temporary.path);
  await Deno.writeTextFile(join(temporary.path, "owner"), "");
  assert.equal(await workDir.owner(() => "id-1"), "id-1");
});

Deno.test("runs() gives the folders of runs, oldest first, and nothing else", async () => {
  await using temporary = await temporaryPath();
  using workDir = await open(temporary.path);
  const ids = ["20230401T020000Z-7f3a", "20230401T020000Z-0000", "20221231T235959Z-ffff"];
  for (const id of ids) assert.equal(await workDir.createRun(id), join(temporary.path, "runs", id));
  for (const other of ["notes", ".tmp", "20230401", "20230401T020000Z-7f3a.old"]) {
    await Deno.mkdir(join(temporary.path, "runs", other));
  }
  assert.deepEqual(await workDir.runs(), ids.toReversed());

  await Deno.writeTextFile(join(workDir.runFolder(ids[0]!), "some.csv"), "x");
  for (let i = 0; i < 2; i++) await workDir.removeRun(ids[0]!);
  assert.deepEqual(await workDir.runs(), ids.slice(1).toReversed());
});

Deno.test("runFolder() refuses what is no run id, so that no path can leave the work dir", async () => {
  await using temporary = await temporaryPath();
  using workDir = await open(temporary.path);
  for (
    const id of ["", ".", "..", "../../etc", "20230401T020000Z-7f3a/..", "20230401T020000Z-7F3A", "latest"]
  ) {
    assert.throws(() => workDir.runFolder(id), DataError, id);
    await assert.rejects(() => workDir.removeRun(id), DataError, id);
  }
});

Deno.test("newRunId() sorts by time and has the form of a run id", async () => {
  await using temporary = await temporaryPath();
  using workDir = await open(temporary.path);
  const times = ["0999-12-31T23:59:59.999Z", "2023-04-01T02:00:00Z", "2023-04-01T02:00:01.5Z"];
  const ids = times.map((time) => newRunId(new Date(time), () => "7f3a0000-0000"));
  assert.deepEqual(ids, ["09991231T235959Z-7f3a", "20230401T020000Z-7f3a", "20230401T020001Z-7f3a"]);
  for (const id of ids) workDir.runFolder(id);
});

Deno.test("noteStart() counts the starts of each stage by itself", async () => {
  await using temporary = await temporaryPath();
  const counts: number[] = [];
  for (const stage of ["validate", "validate", "move", "validate", "move"]) {
    counts.push(await noteStart(temporary.folder, stage));
  }
  assert.deepEqual(counts, [1, 2, 1, 3, 2]);
});
