import assert from "node:assert/strict";
import { Redactor } from "../../lib/secrets/redactor.ts";
import { openTerminal } from "../../lib/output/terminal.ts";

/** What is written to standard error as if it were a terminal. */
function shownBy(work: () => void): string {
  const { isTerminal, writeSync } = Deno.stderr;
  const { consoleSize } = Deno;
  let shown = "";
  Object.assign(Deno.stderr, {
    isTerminal: () => true,
    writeSync(bytes: Uint8Array) {
      shown += new TextDecoder().decode(bytes);
      return bytes.length;
    },
  });
  Deno.consoleSize = () => ({ columns: 80, rows: 24 });
  try {
    work();
    return shown;
  } finally {
    Object.assign(Deno.stderr, { isTerminal, writeSync });
    Deno.consoleSize = consoleSize;
  }
}

Deno.test("openTerminal() takes secrets out of lines and of the bar, which a line leaves in place", () => {
  const redactor = new Redactor();
  redactor.add("5ecret-canary");
  const shown = shownBy(() => {
    const terminal = openTerminal(redactor);
    terminal.showBar("half of 5ecret-canary");
    terminal.writeLine("a line of 5ecret-canary");
    terminal.showBar("");
  });
  const clear = "\r\x1b[K";
  assert.equal(
    shown,
    `${clear}half of [redacted]${clear}a line of [redacted]\nhalf of [redacted]${clear}`,
  );
});
