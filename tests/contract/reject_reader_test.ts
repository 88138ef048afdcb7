/**
 * Rejects as validate has written them come back as they were.
 *
 * @module
 */
import fc from "fast-check";
import assert from "node:assert/strict";
import { join } from "node:path";
import { openDuckdbEngine } from "../../lib/engine/duckdb.ts";
import { readRejects, type Reject, RejectFileError } from "../../lib/contract/reject_reader.ts";
import { removeAtEnd } from "../support/ending.ts";
import { until } from "../support/waiting.ts";
import rejectsCsv from "../../tasks/sql/rejects.sql" with { type: "text" };

async function* piecesOf(bytes: Uint8Array, sizeBytes: number): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += sizeBytes) {
    yield await Promise.resolve(bytes.subarray(start, start + sizeBytes));
  }
}

async function readAll(bytes: Uint8Array, sizeBytes = 7): Promise<Reject[]> {
  return await Array.fromAsync(readRejects(piecesOf(bytes, sizeBytes)));
}

/** Texts that begin with what is protected, and hold what a CSV file must quote. */
const raw = fc.array(
  fc.constantFrom(
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "'",
    "''",
    '"',
    ",",
    "\n",
    "\r\n",
    "a",
    "\u00e9",
    "\u{1f600}",
    "\ufeff",
    "\0",
    " ",
  ),
  { minLength: 1, maxLength: 6 },
).map((parts) => parts.join(""));

Deno.test("readRejects() gives back every raw text that validate has written", async () => {
  const folder = await Deno.realPath(await Deno.makeTempDir());
  try {
    const resources = { memoryLimit: "256MiB", threads: 1 };
    await using engine = await openDuckdbEngine({ folder, resources });
    let tries = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(raw, { minLength: 1, maxLength: 20 }), async (texts) => {
        const columns = {
          file_id: "BIGINT",
          line: "BIGINT",
          reason: "VARCHAR",
          column: "VARCHAR",
          detail: "VARCHAR",
          raw: "VARCHAR",
        };
        const rows = texts.map((raw, i) => ({
          file_id: 1,
          line: 2 * i + 2,
          reason: "rule",
          column: null,
          detail: `it's "${raw}", not`,
          raw,
        }));
        await engine.nameValues("rejects", columns, rows);
        const target = join(folder, `${tries++}`);
        const { files: [file = ""] } = await engine.write(`SELECT * EXCLUDE file_id FROM (${rejectsCsv})`, {
          folder: target,
          format: "csv",
          fileName: "rejects",
        });
        const found = await readAll(await Deno.readFile(file));
        assert.deepEqual(found, rows.map(({ line, reason, raw }) => ({ line, reason, raw })));
      }),
      { numRuns: 150 },
    );
  } finally {
    await removeAtEnd(folder);
  }
});

const HEADER = "line,reason,column,detail,raw\n";

for (
  const [what, text, rows] of [
    ["it has no rejects", HEADER, []],
    ["its last line has no end", `${HEADER}2,rule,,d,a`, [{ line: 2, reason: "rule", raw: "a" }]],
    ["rows are not in order", `${HEADER}9,rule,,d,a\n2,rule,,d,'+b\n`, [
      { line: 9, reason: "rule", raw: "a" },
      { line: 2, reason: "rule", raw: "+b" },
    ]],
  ] as const
) {
  Deno.test(`readRejects() reads the file, when ${what}`, async () => {
    assert.deepEqual(await readAll(new TextEncoder().encode(text)), rows);
  });
}

for (
  const [what, text] of [
    ["has another header", "line,reason,detail,raw\n"],
    ["has other separators", "line;reason;column;detail;raw\n2;rule;;d;a\n"],
    ["lacks a field", `${HEADER}2,rule,d,a\n`],
    ["has a quote that stays open", `${HEADER}2,rule,,d,"a\n`],
    ["has a line that is no number", `${HEADER}2e3,rule,,d,a\n`],
    ["has the line 0", `${HEADER}0,rule,,d,a\n`],
  ] as const
) {
  Deno.test(`readRejects() refuses the file, when it ${what}`, async () => {
    await assert.rejects(readAll(new TextEncoder().encode(text)), RejectFileError);
  });
}

Deno.test("readRejects() passes on what reading fails with, and stops reading when nobody asks further", async () => {
  const failure = new Error("cut");
  const failing = async function* () {
    yield await Promise.resolve(new TextEncoder().encode(`${HEADER}2,rule,,d,a\n`));
    throw failure;
  };
  await assert.rejects(Array.fromAsync(readRejects(failing())), failure);

  let isClosed = false;
  const endless = async function* () {
    try {
      yield new TextEncoder().encode(HEADER);
      while (true) yield await Promise.resolve(new TextEncoder().encode("2,rule,,d,a\n"));
    } finally {
      isClosed = true;
    }
  };
  for await (const { raw } of readRejects(endless())) {
    assert.equal(raw, "a");
    break;
  }
  await until("the file is closed", () => isClosed);
});
