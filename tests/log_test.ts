import assert from "node:assert/strict";
import { type LogThreshold, openLog } from "../lib/log.ts";
import { Redactor } from "../lib/redactor.ts";
import type { Terminal } from "../lib/terminal.ts";

const CANARY = "5ecret-Canary";

/** The lines of a log. */
async function logged(
  write: (log: Awaited<ReturnType<typeof openLog>>) => void,
  threshold: LogThreshold = "debug",
) {
  const lines: string[] = [];
  const redactor = new Redactor();
  const terminal: Terminal = {
    columns: 0,
    writeLine: (text) => void lines.push(redactor.redact(text)),
    showBar: () => {},
    print: () => {},
    printJson: () => {},
  };
  write(await openLog(terminal, threshold));
  return lines.join("\n");
}

for (
  const name of [
    ..."password passwd PASSPHRASE secret clientSecret secretAccessKey accessKeyId apiKey api_key privateKey"
      .split(" "),
    ..."sessionToken access_token authorization Cookie credentials x-amz-signature ETL_CONFIG_KEY".split(" "),
    ..."first_name last_name full_name name address phone_number pincode store_manager_name".split(" "),
    ..."sales_person_first_name sales_person_address".split(" "),
  ]
) {
  Deno.test(`openLog() hides a field by its name, when it is called ${name}`, async () => {
    const shown = await logged((log) => {
      log.debug(`it is {${name}}`, { [name]: CANARY });
      log.debug("they are {parts}", { parts: { list: [{ [name]: CANARY }], [name]: { inner: CANARY } } });
    });
    assert.ok(!shown.includes(CANARY), shown);
    assert.match(shown, /it is \[redacted\]/);
  });
}

Deno.test("openLog() shows what the pipeline itself says", async () => {
  const fields = {
    runId: "20230401T020000Z-7f3a",
    key: "sales_data/a.csv",
    token: 7,
    stage: "move",
    problem: "changed",
  };
  const shown = await logged((log) => log.info("{runId} {key} {token} {stage} {problem}", fields));
  assert.match(shown, /INFO {4}20230401T020000Z-7f3a sales_data\/a\.csv 7 move changed$/);
});

Deno.test("openLog() shows an error with its causes on one line, and control characters as escapes", async () => {
  const error = new Error("first\nline", { cause: new Error("\x1b[2J") });
  assert.match(
    await logged((log) => log.warn("failed: {error}", { error })),
    /failed: first\\u000aline: \\u001b\[2J$/,
  );
});

Deno.test("openLog() leaves out what is below its threshold", async () => {
  assert.equal(await logged((log) => log.info("not shown"), "warning"), "");
});
