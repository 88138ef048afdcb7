/**
 * What a run says it did, for machines and for people.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Config, configSchema } from "../../lib/config/schema.ts";
import {
  AccessError,
  ConfigError,
  DataError,
  InterruptedError,
  UnavailableError,
  UsageError,
} from "../../lib/errors.ts";
import { type Manifest, newManifest } from "../../lib/run/manifest.ts";
import { NO_RUN, renderSummary, summarise, summariseFailure } from "../../lib/report/summary.ts";
import { shipped } from "../support/model.ts";
import { type SourceFile, sourceFileSchema } from "../../lib/source_file.ts";

const RUN = "20230401T020000Z-7f3a";
const EARLIER = "20230331T020000Z-0001";

const { model } = await shipped();
const CONFIG: Config = configSchema.parse({
  store: { kind: "folder", path: "/data/store" },
  database: { kind: "duckdb", path: "/data/warehouse.duckdb" },
});

/** A manifest of a run with files, changed as given. */
function manifestOf(changes: Partial<Manifest> = {}): Manifest {
  const start = { runId: RUN, dryRun: false, config: CONFIG, model, token: 1, attempt: 1, leftovers: [] };
  return { ...newManifest(start), work: "files", ...changes };
}

let nextId = 1;

/** A file below the source prefix, changed as given. */
function fileOf(name: string, changes: Partial<SourceFile> = {}): SourceFile {
  return sourceFileSchema.parse({
    id: nextId++,
    key: `sales_data/${name}`,
    dataset: "sales",
    etag: "etag",
    sizeBytes: 10,
    lastModified: "2023-04-01T00:00:00Z",
    sha256: "sha",
    content: null,
    original: null,
    knownContent: false,
    status: "accepted",
    reason: null,
    detail: null,
    rowsRead: 0,
    rowsAccepted: 0,
    rowsRejected: 0,
    warnings: {},
    rejects: {},
    rejectsFile: null,
    ...changes,
  });
}

/** One file of each status. */
function oneOfEach(): SourceFile[] {
  return [
    fileOf("a.csv", {
      ...{ rowsRead: 1500, rowsAccepted: 1498, rowsRejected: 2 },
      warnings: { total_matches: 3 },
      rejects: { invalid_value: 1, rule: 1 },
    }),
    fileOf("b.csv", {
      status: "duplicate",
      reason: "same_content",
      detail: "the same content as sales_data/a.csv",
    }),
    fileOf("c/d.csv", {
      ...{ status: "rejected", reason: "too_many_rejects", detail: "1 of 1 rows" } as const,
      ...{ rowsRead: 1, rowsRejected: 1, rejects: { field_count: 1 } },
    }),
    fileOf("e.txt", { status: "rejected", reason: "unsupported_type", detail: "the name ends in .txt" }),
    fileOf("f.csv", { status: "skipped", reason: "changed", detail: "it was changed" }),
    fileOf("g.csv", { status: null }),
  ];
}

Deno.test("summarise() says how the run ended, when there were files or leftovers or nothing", async (test) => {
  const cases: readonly (readonly [string, Partial<Manifest>, unknown])[] = [
    ["files, before the commit", {}, { state: "open" }],
    ["files, committed", { committed: true }, { state: "committed" }],
    ["files, in a dry run", { dryRun: true }, { state: "committed", dryRun: true }],
    ["files, and an earlier run was finished", { committed: true, recovered: [EARLIER] }, {
      state: "committed",
      recovered: [EARLIER],
    }],
    ["leftovers that were finished", { work: "leftovers", leftovers: [EARLIER], recovered: [EARLIER] }, {
      state: "recovered",
      recovered: [EARLIER],
    }],
    ["leftovers that could not be finished", { work: "leftovers", leftovers: [EARLIER] }, {
      state: "nothing-to-do",
    }],
    ["leftovers, in a dry run", { work: "leftovers", leftovers: [EARLIER], dryRun: true }, {
      state: "recovered",
      dryRun: true,
    }],
    ["nothing", { work: "nothing" }, { state: "nothing-to-do" }],
    ["nothing, in a dry run", { work: "nothing", dryRun: true }, { state: "nothing-to-do", dryRun: true }],
    ["nothing but skipped files", {
      work: "nothing",
      files: [fileOf("a.csv", { status: "skipped", reason: "changed" })],
    }, {
      state: "nothing-to-do",
    }],
  ];
  for (const [what, changes, expected] of cases) {
    await test.step(what, () => {
      const { state, dryRun, recovered, runId } = summarise(manifestOf(changes));
      const found = { state, ...(dryRun ? { dryRun } : {}), ...(recovered.length > 0 ? { recovered } : {}) };
      assert.deepEqual(found, expected);
      assert.equal(runId, RUN);
    });
  }
});

Deno.test("summarise() has every promised field of files, rows, marts and stages", () => {
  const stages: Manifest["stages"] = [{ name: "download", durationMs: 12 }, {
    name: "validate",
    durationMs: 3,
  }];
  const summary = summarise(manifestOf({ files: oneOfEach(), committed: true, stages, pendingMoves: 4 }));
  assert.deepEqual(JSON.parse(JSON.stringify(summary.files[0])), {
    key: "sales_data/a.csv",
    dataset: "sales",
    status: "accepted",
    reason: null,
    detail: null,
    rowsRead: 1500,
    rowsAccepted: 1498,
    rowsRejected: 2,
    warnings: { total_matches: 3 },
    rejects: { invalid_value: 1, rule: 1 },
    destination: `sales_data_processed/${RUN}/a.csv`,
  });
  assert.deepEqual(summary.files.map(({ status, reason, destination }) => [status, reason, destination]), [
    ["accepted", null, `sales_data_processed/${RUN}/a.csv`],
    ["duplicate", "same_content", `sales_data_processed/${RUN}/b.csv`],
    ["rejected", "too_many_rejects", `sales_data_error/${RUN}/files/c/d.csv`],
    ["rejected", "unsupported_type", `sales_data_error/${RUN}/files/e.txt`],
    ["skipped", "changed", null],
    [null, null, null],
  ]);
  const { files: _, ...others } = summary;
  assert.deepEqual(others, {
    runId: RUN,
    state: "committed",
    recovered: [],
    rows: { read: 1501, accepted: 1498, rejected: 3 },
    marts: { customer_data_mart: 1498, sales_data_mart: 1498 },
    stages,
    pendingMoves: 4,
  });
});

Deno.test("summariseFailure() says exit code, code and message, when anything was thrown", async (test) => {
  const cases: readonly (readonly [unknown, number, string, string])[] = [
    [new UsageError("no such flag"), 64, "usage", "no such flag"],
    [new DataError("unknown_key", "m"), 65, "unknown_key", "m"],
    [new UnavailableError("lease_held", "m"), 75, "lease_held", "m"],
    [new AccessError("m"), 77, "access_denied", "m"],
    [new ConfigError("store_missing", "m"), 78, "store_missing", "m"],
    [new InterruptedError("SIGINT"), 130, "interrupted", "Interrupted by SIGINT"],
    [new InterruptedError("SIGTERM"), 143, "interrupted", "Interrupted by SIGTERM"],
    [new TypeError("m"), 70, "bug", "m"],
    ["a string", 70, "bug", "a string"],
    [new DataError("d", "outer", { cause: new Error("inner") }), 65, "d", "outer: inner"],
  ];
  for (const [thrown, exitCode, code, message] of cases) {
    await test.step(`${thrown}`, () => {
      assert.deepEqual(summariseFailure(null, thrown), {
        ...NO_RUN,
        runId: null,
        state: "failed",
        committed: false,
        error: { exitCode, code, message },
      });
    });
  }
});

Deno.test("summariseFailure() keeps what is known of the run, when it failed before or after the commit", () => {
  const error = new UnavailableError("store_unreachable", "m");
  for (const committed of [false, true]) {
    const manifest = manifestOf({ files: oneOfEach(), committed, recovered: [EARLIER] });
    const { state, committed: said, error: _, ...others } = summariseFailure(manifest, error);
    assert.deepEqual([state, said], ["failed", committed]);
    const { state: __, ...known } = summarise(manifest);
    assert.deepEqual(others, known);
  }
});

/** The text for people as lines without their indentation. */
function render(manifest: Manifest, config: Config | null = CONFIG): string[] {
  return renderSummary(summarise(manifest), config && { config, model }).split("\n").map((line) =>
    line.trim()
  );
}

Deno.test("renderSummary() says in its first line how the run ended", () => {
  const cases: readonly (readonly [Partial<Manifest>, RegExp])[] = [
    [{ committed: true }, /committed$/],
    [{}, /not committed/],
    [{ dryRun: true }, /dry run, nothing was changed/],
    [{ work: "leftovers", recovered: [EARLIER] }, /earlier runs were finished/],
    [{ work: "nothing" }, /nothing to do/],
  ];
  for (const [changes, expected] of cases) {
    const [first = ""] = render(manifestOf(changes));
    assert.match(first, expected);
    assert.ok(first.includes(RUN), first);
  }
  assert.match(
    renderSummary(summariseFailure(null, new TypeError("m")), null),
    /^Run: failed \(exit 70, bug\)\n/,
  );
});

Deno.test("renderSummary() lists files with reasons, counts and destinations, and the sums", () => {
  const lines = render(
    manifestOf({ files: oneOfEach(), committed: true, pendingMoves: 2, recovered: [EARLIER] }),
  );
  for (
    const line of [
      "accepted   sales_data/a.csv, 1,500 rows, 2 rejected",
      "invalid_value: 1 row",
      "rule: 1 row",
      "warning total_matches: 3 rows",
      "duplicate  sales_data/b.csv, same_content (the same content as sales_data/a.csv)",
      `→ sales_data_processed/${RUN}/b.csv`,
      "rejected   sales_data/c/d.csv, 1 row, 1 rejected, too_many_rejects (1 of 1 rows)",
      `→ sales_data_error/${RUN}/files/c/d.csv`,
      "skipped    sales_data/f.csv, changed (it was changed)",
      "Rows     1,501 read = 1,498 accepted + 3 rejected",
      "Marts    customer_data_mart 1,498 rows, sales_data_mart 1,498 rows",
      `Finished earlier runs: ${EARLIER}`,
      "2 objects could not be moved yet; the next run tries again",
    ]
  ) {
    assert.ok(lines.includes(line), `${line}\n\nis not in\n\n${lines.join("\n")}`);
  }
});

Deno.test("renderSummary() cuts the list of a status, when it is long, and no other", () => {
  const many = Array.from({ length: 1045 }, (_, i) => fileOf(`${i}.csv`));
  const lines = render(
    manifestOf({
      files: [...many, fileOf("z.csv", { status: "rejected", reason: "bad_gzip", detail: "cut off" })],
    }),
  );
  const listed = lines.filter((line) => line.startsWith("accepted "));
  assert.ok(listed.length < 60, `${listed.length} lines`);
  assert.match(
    listed.at(-1) ?? "",
    new RegExp(`and ${(1045 - listed.length + 1).toLocaleString("en")} more`),
  );
  assert.ok(lines.some((line) => line.includes("sales_data/z.csv")));
});

Deno.test("renderSummary() says where things are, and no secret, when the night was committed", () => {
  const secret = "canary-7f3a";
  const remote = configSchema.parse({
    store: {
      kind: "s3",
      bucket: "sales",
      credentials: { accessKeyId: `id-${secret}`, secretAccessKey: secret },
    },
    database: { kind: "mysql", host: "db.example", database: "marts", user: "etl", password: secret },
  });
  const manifest = manifestOf({ files: oneOfEach(), committed: true });
  for (
    const [config, places] of [
      [CONFIG, ["/data/store", "/data/warehouse.duckdb"]],
      [remote, ["s3://sales", "db.example/marts"]],
    ] as const
  ) {
    const text = render(manifest, config).join("\n");
    for (const place of [...places, `customer_data_mart/run_id=${RUN}/`, `sales_data_error/${RUN}/`]) {
      assert.ok(text.includes(place), `${place}\n\nis not in\n\n${text}`);
    }
    assert.ok(!text.includes(secret), "a secret is printed");
    for (const other of [manifestOf({ files: oneOfEach() }), manifestOf({ work: "nothing" })]) {
      assert.ok(!render(other, config).join("\n").includes(places[0]), "places of what was not done");
    }
  }
});

Deno.test("renderSummary() says what to do, when a run failed", () => {
  const error = new UnavailableError("disk_full", "the disk is full; free some space");
  const before = renderSummary(summariseFailure(manifestOf({ files: oneOfEach() }), error), {
    config: CONFIG,
    model,
  });
  assert.match(
    before,
    /failed \(exit 75, disk_full\)[^]*the disk is full[^]*Nothing was published[^]*Run again/,
  );
  const after = renderSummary(summariseFailure(manifestOf({ committed: true }), error), {
    config: CONFIG,
    model,
  });
  assert.match(after, /The night was committed[^]*Run again/);
  assert.doesNotMatch(after, /Nothing was published/);
});

Deno.test("renderSummary() escapes control characters, when a key or a detail has some", () => {
  const nasty = "a\n  accepted   sales_data/forged.csv\r\x1b[2J\x07\x7f\u0085\0.csv";
  const files = [
    fileOf(nasty, {
      status: "rejected",
      reason: "missing_columns",
      detail: "the header lacks \x1b[31mprice\n",
      columns: ["\x1b[31mprice\n"],
    }),
    fileOf(nasty.slice(1), { status: "duplicate", reason: "same_content", detail: `the same as ${nasty}` }),
    fileOf("\x1b.csv", { rowsRead: 1, rowsAccepted: 1 }),
    fileOf("\x9b.csv", { status: "skipped", reason: "changed" }),
    fileOf("\x1f.csv", { status: null }),
  ];
  const text = renderSummary(summarise(manifestOf({ files, committed: true })), { config: CONFIG, model });
  assert.doesNotMatch(text.replaceAll("\n", ""), /\p{Cc}/u);
  assert.ok(
    !text.split("\n").some((line) => line.trim().startsWith("accepted   sales_data/forged.csv")),
    text,
  );
  assert.match(text, /a\\u000a.*\\u001b\[2J\\u0007\\u007f\\u0085\\u0000\.csv/);
});
