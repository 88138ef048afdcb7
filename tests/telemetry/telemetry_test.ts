/**
 * Spans, metrics and logs of a night reach a collector and hang together by the run's id, although each stage is a
 * process of its own with no permission but its own; no secret is in them; and a collector that is not there is no harm.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { MAX_FILE_SPANS } from "../../lib/telemetry/spans.ts";
import { assertNoCanary, CANARIES, plant } from "../support/canary.ts";
import { type Received, startCollector } from "../support/collector.ts";
import { embeddedPermissions, flagsOf, type Stage, STAGE_NAMES, STAGES } from "../support/permissions.ts";
import { parseSummary, REPOSITORY, runTask, type Summary, type TaskOptions } from "../support/task.ts";
import {
  createWorkspace,
  deliver,
  goldenPath,
  loadDimensions,
  type Workspace,
} from "../support/workspace.ts";

/** A workspace in which a night of the golden data waits. */
async function createNight(options?: Parameters<typeof createWorkspace>[0]): Promise<Workspace> {
  const workspace = await createWorkspace(options);
  await loadDimensions(workspace, goldenPath("dimensions"));
  await deliver(workspace, goldenPath("night-2/landing"));
  return workspace;
}

function runStage(workspace: Workspace, stage: Stage, options: TaskOptions, flags: readonly string[] = []) {
  const where = STAGES[stage] ? ["--work-dir", workspace.workDir] : ["--config", workspace.config];
  return runTask(stage, [...where, "--json", ...flags], options);
}

/** The trace of a run, worked out anew. */
function traceIdOf(runId: string): string {
  return createHash("sha256").update(runId).digest("hex").slice(0, 32);
}

function pointsOf({ points }: Received, name: string, by: string): Record<string, number> {
  const found = points.filter((point) => point.name === `nightly_marts.${name}`);
  const values = Object.fromEntries(found.map(({ attributes, value }) => [attributes[by] ?? "", value]));
  assert.equal(Object.keys(values).length, found.length, `${name} is counted twice`);
  return values;
}

Deno.test("a night of seven processes is one trace with its metrics and logs, with the stages' own permissions", async (test) => {
  await using workspace = await createNight();
  const collector = await startCollector();
  const permissions = embeddedPermissions(workspace);
  const lines: string[] = [];
  let summary: Summary | undefined;
  for (const stage of STAGE_NAMES) {
    const options = { permissions: flagsOf(permissions[stage]), env: collector.env };
    const result = await runStage(workspace, stage, options, ["--log-format=json", "--log-level=debug"]);
    assert.equal(result.code, 0, result.text);
    lines.push(...result.stderr.trimEnd().split("\n"));
    summary = parseSummary(result);
  }
  const received = await collector.stop();
  assert.ok(summary);
  const { runId, files, rows } = summary;
  const traceId = traceIdOf(runId);
  const stages = received.spans.filter(({ name }) => STAGE_NAMES.includes(name as Stage));

  await test.step("spans: one of each stage, all under one parent, and those of files under their stage's", () => {
    assert.deepEqual(stages.map(({ name }) => name), STAGE_NAMES);
    assert.equal(new Set(stages.map(({ parentSpanId }) => parentSpanId)).size, 1);
    for (const span of received.spans) {
      assert.equal(span.traceId, traceId, span.name);
      assert.equal(span.scope, "nightly-marts", span.name);
      assert.equal(span.error, null, span.name);
      assert.equal(span.attributes["nightly_marts.run_id"], runId, span.name);
      assert.equal(span.attributes["nightly_marts.attempt"], 1, span.name);
      if (stages.includes(span)) continue;
      const stage = stages.find(({ spanId }) => spanId === span.parentSpanId);
      assert.equal(span.attributes["nightly_marts.stage"], stage?.name, span.name);
    }
    const keysOf = (name: string) =>
      received.spans.filter((span) => span.name === name).map((span) =>
        span.attributes["nightly_marts.file.key"]
      ).sort();
    const keys = files.map(({ key }) => key).sort();
    for (const name of ["download file", "validate file", "archive file"]) {
      assert.deepEqual(keysOf(name), keys, name);
    }
    assert.ok(keysOf("publish file").length > 0);
    const outcomes = received.spans.filter(({ name }) => name === "validate file").map((span) => [
      span.attributes["nightly_marts.file.key"],
      span.attributes["nightly_marts.file.outcome"],
      span.attributes["nightly_marts.file.rows_rejected"],
    ]);
    assert.deepEqual(
      new Set(outcomes.map(String)),
      new Set(files.map((file) => String([file.key, file.reason ?? file.status, file.rowsRejected]))),
    );
  });

  await test.step("metrics: what the summary says", () => {
    assert.deepEqual(pointsOf(received, "rows", "outcome"), { ...rows });
    const withStatus = (status: string) => files.filter((file) => file.status === status).length;
    assert.deepEqual(pointsOf(received, "files", "status"), {
      accepted: withStatus("accepted"),
      rejected: withStatus("rejected"),
      duplicate: withStatus("duplicate"),
      skipped: withStatus("skipped"),
    });
    const rejects: Record<string, number> = {};
    for (const [reason, count] of files.flatMap((file) => Object.entries(file.rejects))) {
      rejects[reason] = (rejects[reason] ?? 0) + count;
    }
    assert.ok(Object.keys(rejects).length > 1, JSON.stringify(rejects));
    assert.deepEqual(pointsOf(received, "rejects", "reason"), rejects);
    assert.ok((pointsOf(received, "bytes", "nightly_marts.stage").upload ?? 0) > 1000);
    assert.deepEqual(pointsOf(received, "pending_moves", "nightly_marts.stage"), { move: 0 });
    const durations = pointsOf(received, "stage.duration", "nightly_marts.stage");
    assert.deepEqual(Object.keys(durations), [...STAGE_NAMES]);
    for (const { name, durationMs } of summary.stages) assert.equal(durations[name], durationMs / 1000);
    for (const { name, attributes } of received.points) {
      if (name.startsWith("nightly_marts.")) assert.equal(attributes["nightly_marts.run_id"], runId, name);
    }
  });

  await test.step("logs: every line of standard error, in the same trace from when the run is known", () => {
    assert.deepEqual(received.logs.map(({ body }) => body.trimEnd()), lines);
    const spans = new Set([...stages.map(({ spanId }) => spanId), stages[0]?.parentSpanId]);
    for (const { body, traceId: found, spanId } of received.logs) {
      if (JSON.parse(body).runId === null) continue;
      assert.equal(found, traceId, body);
      assert.ok(spans.has(spanId), body);
    }
  });
});

Deno.test("pipeline in one process is one trace too", async () => {
  await using workspace = await createNight();
  const collector = await startCollector();
  const result = await runTask("pipeline", ["--config", workspace.config, "--json"], { env: collector.env });
  const received = await collector.stop();
  assert.equal(result.code, 0, result.text);
  const { runId, rows } = parseSummary(result);
  assert.deepEqual(new Set(received.spans.map((span) => span.traceId)), new Set([traceIdOf(runId)]));
  const names = new Set(received.spans.map(({ name }) => name));
  for (const stage of STAGE_NAMES) assert.ok(names.has(stage), stage);
  assert.deepEqual(pointsOf(received, "rows", "outcome"), { ...rows });
});

Deno.test("a stage that fails has a span that says why", async () => {
  await using workspace = await createWorkspace();
  await deliver(workspace, goldenPath("night-2/landing"));
  const collector = await startCollector();
  const result = await runStage(workspace, "download", { env: collector.env });
  const received = await collector.stop();
  assert.equal(result.code, 65, result.text);
  // Files may have been downloaded while the snapshot failed.
  const [span, ...others] = received.spans.filter(({ name }) => name !== "download file");
  assert.deepEqual(others, []);
  assert.equal(span?.attributes["error.type"], "missing_dimension_table");
  assert.match(span?.error ?? "", /customer/);
  assert.deepEqual(received.points.filter(({ name }) => name.startsWith("nightly_marts")), []);
});

Deno.test("no place of S3 that is encrypted is in a span, and no request is one, when S3 cannot be reached", async () => {
  await using workspace = await createWorkspace();
  const store = {
    kind: "s3",
    bucket: "canary-bucket",
    endpoint: "http://127.0.0.9:1",
    credentials: CANARIES.credentials,
  };
  const env = await plant(workspace, "configuration file, encrypted", {
    store,
    database: { kind: "duckdb", path: workspace.database },
  }, ["bucket", "endpoint", "accessKeyId", "secretAccessKey"]);
  const collector = await startCollector();
  const result = await runStage(workspace, "download", { env: { ...env, ...collector.env } });
  const received = await collector.stop();
  assert.equal(result.code, 75, result.text);
  assert.doesNotMatch(result.stderr, /OTEL_TRACES_SAMPLER/);
  assert.deepEqual(received.spans.map(({ name }) => name), ["download"]);
  assert.match(received.spans[0]?.error ?? "", /\[redacted\]/);
  const secrets = ["canary-bucket", "127.0.0.9", CANARIES.credentials.secretAccessKey];
  assertNoCanary([...received.texts].join("\n"), { secrets });

  const careless = await startCollector();
  const { OTEL_TRACES_SAMPLER: _left, ...others } = careless.env;
  const warned = await runStage(workspace, "download", { env: { ...env, ...others } });
  await careless.stop();
  assert.match(warned.stderr, /WARNING Requests to S3 are traced with their URLs: set OTEL_TRACES_SAMPLER/);
});

/** Uses the module in a process that has telemetry turned on. */
const SCRIPT = `
  import { openTelemetry } from ${
  JSON.stringify(new URL("../../lib/telemetry/telemetry.ts", import.meta.url).href)
};
  import { Redactor } from ${JSON.stringify(new URL("../../lib/secrets/redactor.ts", import.meta.url).href)};
  const redactor = new Redactor();
  redactor.add(Deno.env.get("CANARY"));
  const position = { runId: "20230401T020000Z-7f3a", stage: "move", attempt: 1 };
  const telemetry = await openTelemetry(position, redactor);
  const fail = () => Promise.reject(new Error("refused " + Deno.env.get("CANARY") + "x".repeat(1000)));
  await telemetry.stage(new Date(), async () => {
    await telemetry.file("archive file", Deno.env.get("CANARY") + "/" + "k".repeat(1000), fail, String).catch(() => {});
    for (let i = 0; i < 1200; i++) await telemetry.file("archive file", "a" + i, async () => "done", String);
    throw new Error("refused " + Deno.env.get("CANARY"));
  }).catch(() => {});
  Deno.exit(0);
`;

Deno.test("openTelemetry() takes secrets out of keys and errors, cuts them, and has a bounded number of spans", async () => {
  await using workspace = await createWorkspace();
  const script = `${workspace.folder}/script.ts`;
  await Deno.writeTextFile(script, SCRIPT);
  const collector = await startCollector();
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--allow-env=CANARY", "--config", `${REPOSITORY}deno.json`, script],
    env: { ...collector.env, CANARY: CANARIES.password },
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  const received = await collector.stop();
  assertNoCanary([...received.texts].join("\n"));
  const files = received.spans.filter(({ name }) => name === "archive file");
  assert.equal(files.length, MAX_FILE_SPANS);
  const key = String(files[0]?.attributes["nightly_marts.file.key"]);
  assert.ok(key.startsWith("[redacted]/kkk") && key.length === 256, key);
  assert.match(files[0]?.error ?? "", /^refused \[redacted\]x{200,}$/);
  assert.equal(received.spans.find(({ name }) => name === "move")?.error, "refused [redacted]");
});

for (const [what, silent] of [["refuses connections", false], ["never answers", true]] as const) {
  Deno.test(`a stage works as without telemetry and ends soon after, when the collector ${what}`, async () => {
    await using workspace = await createNight();
    await using collector = await startCollector({ silent });
    const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint } = collector.env;
    const env = {
      ...collector.env,
      OTEL_EXPORTER_OTLP_ENDPOINT: silent ? endpoint! : "http://127.0.0.1:1",
      OTEL_EXPORTER_OTLP_TIMEOUT: "500",
    };
    for (const stage of STAGE_NAMES.slice(0, 2)) {
      const started = performance.now();
      const result = await runStage(workspace, stage, { env });
      const tookMs = performance.now() - started;
      assert.equal(result.code, 0, result.text);
      assert.doesNotMatch(result.stderr, /otel|telemetry|export/i);
      const { durationMs = 0 } = parseSummary(result).stages.at(-1) ?? {};
      // Three kinds of telemetry, half a second each, and the start of a process; were the limit not kept to, 30 s.
      assert.ok(tookMs - durationMs < 20_000, `${tookMs} ms, of which ${durationMs} at work`);
    }
  });
}

Deno.test("pipeline prints its summary and nothing else, when Deno captures the console", async () => {
  await using workspace = await createNight();
  const collector = await startCollector();
  const env = { ...collector.env, OTEL_DENO_CONSOLE: "capture" };
  const result = await runTask("pipeline", ["--config", workspace.config, "--json"], { env });
  const received = await collector.stop();
  assert.equal(result.code, 0, result.text);
  assert.equal(parseSummary(result).state, "committed");
  assert.deepEqual(received.logs, []);
  assert.ok(received.spans.length > 7);
});
