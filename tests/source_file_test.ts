/**
 * Source files and what becomes of them: each step leaves nothing of an earlier outcome behind.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  accept,
  duplicateOf,
  duplicateOfEarlierRun,
  newSourceFile,
  reject,
  reset,
  skip,
  type SourceFile,
  sourceFileSchema,
  withCopies,
  withLineage,
  withRejectsFile,
} from "../lib/source_file.ts";

const FOUND = newSourceFile(3, {
  key: "sales_data/a.csv",
  dataset: "sales",
  etag: "etag",
  sizeBytes: 7,
  lastModified: "2023-04-01T00:00:00Z",
});
const DOWNLOADED = withCopies(FOUND, { content: "files/3.csv", original: "files/3.gz", sha256: "sha" });
const COUNTS = {
  ...{ rowsRead: 5, rowsAccepted: 3, rowsRejected: 2 },
  ...{ warnings: { total_matches: 1 }, rejects: { rule: 2 } },
};

/** Every outcome that a file can have, by what it is called here. */
const OUTCOMES: Readonly<Record<string, SourceFile>> = {
  found: FOUND,
  downloaded: DOWNLOADED,
  "put back by a replay": withLineage(DOWNLOADED),
  skipped: skip(DOWNLOADED, "vanished", "it was deleted"),
  "skipped unread": skip(FOUND, "access_denied", null),
  "a duplicate": duplicateOf(DOWNLOADED, FOUND),
  "a duplicate of an earlier run": duplicateOfEarlierRun(DOWNLOADED),
  "rejected for columns": reject(DOWNLOADED, { reason: "missing_columns", detail: "d", columns: ["price"] }),
  "rejected for a line": reject(DOWNLOADED, { reason: "malformed_csv", detail: "d", line: 3 }),
  "rejected with rows": withRejectsFile(
    reject(DOWNLOADED, { reason: "too_many_rejects", detail: "d" }, COUNTS),
    "rejects/3.csv",
  ),
  accepted: withRejectsFile(accept(DOWNLOADED, COUNTS), "rejects/3.csv"),
};

for (const [what, file] of Object.entries(OUTCOMES)) {
  Deno.test(`a source file is the same in the manifest, when it is ${what}`, () => {
    assert.deepEqual(sourceFileSchema.parse(JSON.parse(JSON.stringify(file))), file);
  });

  Deno.test(`a source file keeps nothing of what it was, when it was ${what} and another outcome follows`, () => {
    const base = reset(file);
    const unread = { status: null, reason: null, detail: null, rowsRead: 0, rejects: {}, rejectsFile: null };
    for (const name of Object.keys(unread) as (keyof typeof unread)[]) {
      assert.deepEqual(base[name], unread[name]);
    }
    assert.deepEqual([base.content, base.original, base.sha256], [file.content, file.original, file.sha256]);
    const fault = { reason: "empty_file", detail: "d" } as const;
    for (
      const become of [
        (file: SourceFile) => skip(file, "changed", "d"),
        (file: SourceFile) => duplicateOf(file, FOUND),
        (file: SourceFile) => reject(file, fault),
        (file: SourceFile) => accept(file, COUNTS),
      ]
    ) {
      assert.deepEqual(become(file), become(base));
    }
  });
}

Deno.test("sourceFileSchema refuses a file, when its outcome and its reason do not fit together", () => {
  for (
    const impossible of [
      { status: "accepted", reason: "empty_file" },
      { status: "accepted", detail: "d" },
      { status: "rejected", reason: "same_content", detail: "d" },
      { status: "rejected", reason: "changed", detail: "d" },
      { status: "rejected", reason: "empty_file" },
      { status: "rejected", reason: "empty_file", detail: "d", line: 3 },
      { status: "rejected", reason: "missing_columns", detail: "d" },
      { status: "rejected", reason: "malformed_csv", detail: "d", columns: ["price"] },
      { status: "duplicate", detail: "d" },
      { status: "skipped", reason: "too_large", detail: "d" },
      { reason: "changed" },
    ]
  ) {
    const { success } = sourceFileSchema.safeParse({ ...DOWNLOADED, ...impossible });
    assert.ok(!success, JSON.stringify(impossible));
  }
});
