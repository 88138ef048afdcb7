/**
 * The image, and nights in Pods as the Kubernetes manifests describe them: one container per stage, with the stage's own
 * arguments, limits, mounts and security settings.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { CHECKS, deliverNight } from "../tasks/golden_nights.ts";
import { assertSameOutcome, type NightEnd, readNightEnd } from "../support/outcome.ts";
import { parseSummary, REPOSITORY } from "../support/task.ts";
import { listFiles, readTree } from "../support/tree.ts";
import { goldenPath } from "../support/workspace.ts";
import project from "../../deno.json" with { type: "json" };
import { type ContainerDeployment, TestCluster } from "./cluster.ts";
import { IMAGE, LABELS } from "./image.ts";
import { type ContainerEnded, Pod, securityFlags } from "./pod.ts";
import { Sidecar } from "./sidecar.ts";

const MOST_IMAGE_BYTES = 300_000_000;
/** What a stage needs to stop at the most, whatever longer time the manifest gives it. */
const MOST_STOP_MS = 5000;

let cluster: TestCluster;

Deno.test.beforeAll(async () => void (cluster = await TestCluster.start()));
Deno.test.afterAll(() => cluster?.[Symbol.asyncDispose]());

Deno.test("the image is small and labelled, when it is built from the repository", async () => {
  const { docker } = cluster;
  const [image] = JSON.parse(await docker.run("image", "inspect", IMAGE));
  assert.ok(image.Size <= MOST_IMAGE_BYTES, `${image.Size} bytes`);
  assert.equal(image.Config.User, "65532:65532");
  assert.equal(image.Config.Entrypoint[0], "/tini");
  const labels = image.Config.Labels;
  const label = (name: string) => labels[`org.opencontainers.image.${name}`];
  assert.deepEqual(
    ["version", "revision", "created", "source"].map(label),
    [LABELS.VERSION, LABELS.REVISION, LABELS.CREATED, LABELS.SOURCE],
  );
  assert.equal(label("title"), "nightly-marts");
});

Deno.test("the image holds the program and its packages and nothing else, all of it root's, when it is listed", async () => {
  const listing = await inImage("find", ["/app", "-printf", "%y %m %u:%g %P\\n"]);
  const found = listing.split("\n").map((line) => line.split(" "));
  const writable = found.filter(([type, mode, owner]) =>
    owner !== "root:root" || type !== "l" && (Number.parseInt(mode ?? "", 8) & 0o022) !== 0
  );
  // Where all of them are wrong, a difference of thousands of lines would take minutes.
  assert.deepEqual(writable.slice(0, 20), [], "files that are not root's, or that others may write");

  const paths = found.filter(([type]) => type === "f").map(([, , , path = ""]) => path);
  const program = [...await repositoryFiles("lib"), ...await repositoryFiles("tasks")]
    .filter((path) => !path.startsWith("tasks/demo"));
  const others = (path: string) => !/^(node_modules|deno-dir)\//.test(path);
  assert.deepEqual(
    paths.filter(others).sort(),
    ["config/model.jsonc", "deno.json", "deno.lock", ...program].sort(),
  );

  const sources = await Promise.all(program.map((path) => Deno.readTextFile(join(REPOSITORY, path))));
  const imported = Object.keys(project.imports)
    .filter((name) => sources.some((source) => new RegExp(`from "${name}["/]`).test(source)));
  const packages = paths.map((path) => /^node_modules\/\.deno\/([^/]+)@/.exec(path)?.[1]).filter(Boolean);
  const names = new Set(packages.map((name) => name?.replace("+", "/")));
  assert.deepEqual(imported.filter((name) => !names.has(name)), [], "packages that are missing");
  const superfluous = Object.keys(project.imports).filter((name) => !imported.includes(name));
  assert.deepEqual(superfluous.filter((name) => names.has(name)), [], "packages that only tests import");
  const engines = [...names].filter((name) => name?.startsWith("@duckdb/node-bindings-"));
  assert.equal(engines.length, 1, engines.join());
  assert.doesNotMatch(engines[0] ?? "", /musl/);
});

/** Tells what a container may do, and what becomes of a new file in each of the folders that are its arguments. */
const PROBE = `
  const status = Deno.readTextFileSync("/proc/self/status");
  const field = (name) => new RegExp("^" + name + ":\\\\s*(.*)$", "m").exec(status)[1];
  const write = (folder) => {
    try { Deno.writeTextFileSync(folder + "/probe", ""); return "written"; } catch ({ code }) { return code; }
  };
  console.log(JSON.stringify({
    uid: Deno.uid(), gid: Deno.gid(), noNewPrivileges: field("NoNewPrivs"), seccomp: field("Seccomp"),
    capabilities: ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].map(field),
    written: Deno.args.map(write),
  }));`;
const NONE = "0000000000000000";

Deno.test("every container is nobody in particular, without rights and on a read-only root, when it runs as its manifest says", async (test) => {
  await using deployment = await cluster.deploy();
  const { spec } = deployment.cluster;
  const folders = ["", "/app", "/app/tasks", "/app/deno-dir", "/tmp", "/work", "/etc/nightly-marts"];
  for (const container of [...spec.initContainers, ...spec.containers]) {
    await test.step(container.name, async () => {
      const flags = securityFlags(spec, container);
      const found = JSON.parse(await inImage("deno", ["eval", PROBE, ...folders], flags));
      assert.deepEqual(found, {
        ...{ uid: 65532, gid: 65532, noNewPrivileges: "1", seccomp: "2" },
        capabilities: [NONE, NONE, NONE, NONE, NONE],
        written: [...folders.slice(0, -1).map(() => "EROFS"), "ENOENT"],
      });
    });
  }
  await test.step("on a root that can be written", async () => {
    const { written } = JSON.parse(await inImage("deno", ["eval", PROBE, ...folders]));
    assert.deepEqual(written, [...["", "", "", ""].map(() => "EACCES"), "written", "written", "ENOENT"]);
  });
});

Deno.test("Pods make of the golden nights what they expect, when they run in order", async (test) => {
  await using deployment = await cluster.deploy();
  await deployment.loadDimensions(goldenPath("dimensions"));
  for (const number of [1, 2, 3, 4]) {
    await deliverNight(deployment, number);
    await deployment.refresh();
    const before = await readTree(deployment.store);
    const ended = await runPod(deployment);
    await deployment.refresh();
    const after = await readTree(deployment.store);
    const night = { number, workspace: deployment, summary: parseSummary(ended.at(-1)!), before, after };
    for (const [what, check] of CHECKS) await test.step(`night ${number}: ${what}`, () => check(night));
  }
});

Deno.test("a Pod makes of a night what it expects, when one before it was terminated and killed in a stage", async (test) => {
  await using deployment = await cluster.deploy();
  const { bucket, mariadb, cluster: { spec } } = deployment;
  await deployment.deliver(goldenPath("night-1/landing"));
  const putBack = await bucket.save("delivered");
  const begin = async () => {
    await putBack();
    await cluster.servers.mariadb.sql(`DROP DATABASE ${mariadb.name}`, `CREATE DATABASE ${mariadb.name}`);
    await deployment.loadDimensions(goldenPath("dimensions"));
  };
  await begin();
  const unharmed = await runPod(deployment);
  const expected = await readEnd(deployment);
  for (const { name: stage } of unharmed) {
    await test.step(stage, async () => {
      const interrupted = await untilHit(async (afterMs) => {
        await begin();
        await using pod = await Pod.create(deployment.cluster);
        assertDone(await pod.run({ before: stage }));
        await using sidecar = await Sidecar.start(cluster.docker, pod.volume, WATCH);
        const interrupt = (signal: string) => sendAtWork(signal, { pod, stage, sidecar, afterMs });
        const terminated = await interrupt("TERM");
        if (terminated.code === 0) return null;
        const killed = await interrupt("KILL");
        return killed.code === 0 ? null : { terminated, killed };
      });
      const { terminated, killed } = interrupted;
      assert.equal(terminated.code, 143, terminated.text);
      assert.equal(JSON.parse(terminated.terminationMessage).error.code, "interrupted", terminated.text);
      const graceMs = Math.min(MOST_STOP_MS, spec.terminationGracePeriodSeconds * 1000);
      assert.ok(terminated.stopMs < graceMs, `it took ${terminated.stopMs} ms`);
      assert.equal(killed.code, 137, killed.text);

      await runPod(deployment);
      const actual = await readEnd(deployment);
      assert.deepEqual(actual.left, []);
      assertSameOutcome(actual.outcome, expected.outcome);
    });
  }
});

/** Runs a whole Pod, every container of which must end well; its work dir is then where the deployment has it. */
async function runPod({ cluster, workDir }: ContainerDeployment): Promise<ContainerEnded[]> {
  await using pod = await Pod.create(cluster);
  const ended = await pod.run({ args: ["--json"] });
  assertDone(ended);
  await pod.copyWork(workDir);
  return ended;
}

function assertDone(ended: readonly ContainerEnded[]): void {
  for (const { code, outOfMemory, text } of ended) {
    assert.equal(code, 0, text);
    assert.equal(outOfMemory, false, text);
  }
}

/** Says when something below the work dir is changed, which every stage does as soon as it begins. */
const WATCH = `
  const watcher = Deno.watchFs("/work");
  console.log("watching");
  for await (const { paths } of watcher) if (paths.some((path) => path !== "/work")) console.log("changed");`;

/** Sends a signal to a stage so long after it has begun its work; `stopMs` is from there to the container's end. */
async function sendAtWork(
  signal: string,
  { pod, stage, sidecar, afterMs }: { pod: Pod; stage: string; sidecar: Sidecar; afterMs: number },
): Promise<ContainerEnded & { stopMs: number }> {
  let sentMs = 0;
  const ended = await pod.runContainer(stage, {
    meanwhile: async (id, ended) => {
      await sidecar.next(ended);
      await new Promise((done) => setTimeout(done, afterMs));
      sentMs = performance.now();
      await cluster.docker.attempt(["kill", `--signal=${signal}`, id]);
    },
  });
  return { ...ended, stopMs: performance.now() - sentMs };
}

/** Tries sooner each time that a stage was over when its signal came. */
async function untilHit<T>(attempt: (afterMs: number) => Promise<T | null>): Promise<T> {
  for (const afterMs of [100, 30, 0, 0, 0]) {
    const result = await attempt(afterMs);
    if (result !== null) return result;
  }
  throw new Error("the stage was always over when the signal came");
}

async function readEnd(deployment: ContainerDeployment): Promise<NightEnd> {
  await deployment.refresh();
  return await readNightEnd(deployment);
}

/** What a program of the image prints. */
async function inImage(
  program: string,
  args: readonly string[],
  flags: readonly string[] = [],
): Promise<string> {
  const entrypoint = [`--entrypoint=${program}`, "--network=none"];
  return await cluster.docker.run("run", "--rm", ...entrypoint, ...flags, IMAGE, ...args);
}

async function repositoryFiles(folder: string): Promise<string[]> {
  return (await listFiles(join(REPOSITORY, folder))).map((path) => `${folder}/${path}`);
}
