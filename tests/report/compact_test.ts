import assert from "node:assert/strict";
import { compactSummary, fitSummary } from "../../lib/report/compact.ts";
import { UnavailableError } from "../../lib/errors.ts";
import { STAGES } from "../../lib/run/manifest.ts";
import { Redactor } from "../../lib/secrets/redactor.ts";
import { type FileSummary, NO_RUN, summariseFailure, type Summary } from "../../lib/report/summary.ts";
import { compactReplay, newReplayReport, summariseReplay } from "../../lib/replay/report.ts";

const POSITION = { runId: "20230401T020000Z-7f3a", stage: "transform-customer", attempt: 1234 };

const REASONS = ["field_count", "missing_value", "invalid_value", "rule", "unknown_customer_id"]
  .concat("unknown_store_id", "unknown_sales_person_id", "unsupported_type", "empty_file", "bad_gzip")
  .concat("too_large", "not_utf8", "bad_encoding", "too_many_columns", "duplicate_column", "missing_columns")
  .concat("malformed_csv", "too_many_rejects", "same_content", "changed", "vanished", "access_denied")
  .concat("unhandled_key");

/** Ten thousand files with every reason there is, and counts as large as they can be. */
function largest(): Summary {
  const files = Array.from({ length: 10_000 }, (_, i): FileSummary => ({
    key: `sales_data/${"x".repeat(500)}${i}.csv`,
    dataset: "sales",
    status: (["accepted", "rejected", "duplicate", "skipped", null] as const)[i % 5]!,
    reason: REASONS[i % REASONS.length]!,
    detail: "y".repeat(500),
    rowsRead: 1e11,
    rowsAccepted: 5e10,
    rowsRejected: 5e10,
    warnings: {},
    rejects: Object.fromEntries(REASONS.slice(0, 7).map((reason) => [reason, 1e10])),
    destination: "z".repeat(500),
  }));
  return {
    ...NO_RUN,
    runId: POSITION.runId,
    state: "committed",
    recovered: Array.from({ length: 1000 }, () => POSITION.runId),
    files,
    rows: { read: 1e15, accepted: 5e14, rejected: 5e14 },
    stages: STAGES.map((name) => ({ name, durationMs: 86_400_000 })),
    pendingMoves: 10_000,
  };
}

function sizeOf(value: object): number {
  return new TextEncoder().encode(JSON.stringify(value)).length;
}

Deno.test("fitSummary() needs no cut, when there is no error", () => {
  const compact = compactSummary(largest());
  const fitted = fitSummary(compact, POSITION, new Redactor());
  assert.deepEqual(fitted, { ...POSITION, ...compact });
  assert.ok(sizeOf(fitted) <= 1700, `${sizeOf(fitted)} bytes`);
});

for (const [what, text] of Object.entries({ ascii: "abc ", wide: "é", pairs: "🦕", escapes: "\u0001" })) {
  Deno.test(`fitSummary() fits in what the kubelet keeps, when the error's message is long: ${what}`, () => {
    const error = new UnavailableError("store_unreachable", text.repeat(5000));
    const { error: told, committed } = summariseFailure(null, error);
    const fitted = fitSummary(
      compactSummary({ ...largest(), error: told!, committed: committed! }),
      POSITION,
      new Redactor(),
    );
    assert.ok(sizeOf(fitted) <= 1700, `${sizeOf(fitted)} bytes`);
    assert.ok(sizeOf(fitted) > 1600, `${sizeOf(fitted)} bytes: more of it fits`);
    assert.match(JSON.stringify(fitted), /…"/);
    assert.ok(JSON.stringify(fitted).isWellFormed());
  });
}

Deno.test("fitSummary() takes a secret out before it cuts", () => {
  const redactor = new Redactor();
  const secret = "5ecret-canary-".repeat(20);
  redactor.add(secret);
  for (let before = 1000; before < 1600; before += 7) {
    const error = new UnavailableError("x", "a".repeat(before) + secret.repeat(10));
    const text = JSON.stringify(
      fitSummary(compactSummary(summariseFailure(null, error)), POSITION, redactor),
    );
    assert.ok(!text.includes("5ecret"), text);
  }
});

Deno.test("compactSummary() counts, in place of lists", () => {
  const [first, second] = largest().files;
  const files = [{ ...first!, status: "accepted" as const, reason: null, rejects: { rule: 2 } }, {
    ...second!,
    status: "rejected" as const,
    reason: "bad_gzip",
    rejects: {},
  }];
  const rows = { read: 5, accepted: 3, rejected: 2 };
  const stages = [{ name: "download" as const, durationMs: 12 }];
  assert.deepEqual(compactSummary({ ...NO_RUN, state: "open", files, rows, stages }), {
    state: "open",
    recovered: 0,
    files: { accepted: 1, rejected: 1 },
    reasons: { bad_gzip: 1 },
    rows,
    rejects: { rule: 2 },
    pendingMoves: 0,
    durationsMs: { download: 12 },
  });
});

Deno.test("compactReplay() counts, in place of lists", () => {
  const part = { runId: POSITION.runId, key: "sales_data/a.csv", kind: "rows", rowCount: 3 } as const;
  const report = newReplayReport();
  Object.assign(report, {
    runId: POSITION.runId,
    replayed: [{ ...part, destination: "sales_data/replay/a.csv" }],
    leftOut: [{ ...part, reason: "duplicate", detail: "d" }],
  });
  assert.deepEqual(compactReplay(summariseReplay(report, null)), {
    state: "replayed",
    recovered: 0,
    replayed: { rows: 3, files: 0 },
    leftOut: { duplicate: 1 },
    pendingMoves: 0,
  });
});
