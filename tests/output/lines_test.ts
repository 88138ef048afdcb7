import assert from "node:assert/strict";
import { type LogFormat, openLines } from "../../lib/output/lines.ts";
import { openLog } from "../../lib/output/log.ts";
import { PersonalFields } from "../../lib/output/personal.ts";
import type { Position } from "../../lib/output/position.ts";
import { Redactor } from "../../lib/secrets/redactor.ts";
import { NO_TELEMETRY } from "../../lib/telemetry/telemetry.ts";
import { openTerminal } from "../../lib/output/terminal.ts";

const RUN = "20230401T020000Z-7f3a";
const TIME = "2023-04-01T02:00:00.000Z";
/** As JSON it has another spelling, and part of it is what JSON itself is made of. */
const CANARY = '","level":"5ecret\n';

/** What is written to standard error, in this format. */
async function written(format: LogFormat, work: (lines: ReturnType<typeof openLines>) => unknown) {
  const { writeSync } = Deno.stderr;
  let text = "";
  Deno.stderr.writeSync = (bytes) => {
    text += new TextDecoder().decode(bytes);
    return bytes.length;
  };
  try {
    const redactor = new Redactor();
    redactor.add(CANARY);
    const position: Position = { runId: RUN, stage: "move", attempt: 2 };
    const terminal = openTerminal(redactor, { bar: false });
    await work(
      openLines(terminal, { format, position, within: NO_TELEMETRY.within, now: () => new Date(TIME) }),
    );
    return text;
  } finally {
    Deno.stderr.writeSync = writeSync;
  }
}

/** The objects that JSON lines hold. */
async function records(work: (lines: ReturnType<typeof openLines>) => unknown): Promise<object[]> {
  const text = await written("json", work);
  assert.ok(text.endsWith("\n"), text);
  return text.slice(0, -1).split("\n").map((line) => JSON.parse(line));
}

const PLACE = { runId: RUN, stage: "move", attempt: 2 };

Deno.test("openLines() writes a record with its properties, when the format is json", async () => {
  const [record] = await records(async (lines) => {
    const log = await openLog(lines, { threshold: "info", personal: new PersonalFields() });
    log.warn("Cannot move {key} yet: {error}, {parts}", {
      key: "a\nb.csv",
      error: new Error("no", { cause: new Error("way") }),
      parts: [1, { deep: true }],
      big: 12n,
      password: "never",
    });
  });
  const { time, ...rest } = record as { time: string };
  assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.deepEqual(rest, {
    level: "warning",
    message: 'Cannot move a\\u000ab.csv yet: no: way, [1,{"deep":true}]',
    ...PLACE,
    properties: {
      key: "a\nb.csv",
      error: "no: way",
      parts: [1, { deep: true }],
      big: "12",
      password: "[redacted]",
    },
  });
});

Deno.test("openLines() writes failures and summaries as records of the same form, when the format is json", async () => {
  const found = await records((lines) => {
    lines.writeError("one line\nand another");
    lines.writeSummary({ state: "failed" });
  });
  assert.deepEqual(found, [
    { time: TIME, level: "error", message: "one line\nand another", ...PLACE },
    { time: TIME, level: "info", message: "Summary", ...PLACE, summary: { state: "failed" } },
  ]);
});

Deno.test("openLines() takes a secret out and keeps the syntax, when the secret looks like JSON", async () => {
  const [first, second] = await records(async (lines) => {
    const log = await openLog(lines, { threshold: "info", personal: new PersonalFields() });
    log.error("told by {error}", { error: new Error(`x${CANARY}y`) });
    lines.writeError(`x${CANARY}y`);
  });
  assert.match(JSON.stringify(first), /x\[redacted\]y/);
  assert.match(JSON.stringify(second), /x\[redacted\]y/);
});

Deno.test("openLines() writes what people read, and no summary, when the format is text", async () => {
  const text = await written("text", async (lines) => {
    const log = await openLog(lines, { threshold: "info", personal: new PersonalFields() });
    log.info("Run {runId} is over", { runId: RUN });
    lines.writeError("one line\nand another");
    lines.writeSummary({ state: "failed" });
  });
  assert.match(text, /^\S+Z INFO {4}Run 20230401T020000Z-7f3a is over\none line\nand another\n$/);
});
