import assert from "node:assert/strict";
import { type LogFormat, openLines } from "../../lib/output/lines.ts";
import { type LogThreshold, openLog } from "../../lib/output/log.ts";
import { PersonalFields } from "../../lib/output/personal.ts";
import { Redactor } from "../../lib/secrets/redactor.ts";
import { NO_TELEMETRY } from "../../lib/telemetry/telemetry.ts";
import type { Terminal } from "../../lib/output/terminal.ts";

const CANARY = "5ecret-Canary";

/** The lines of a log. */
async function logged(
  write: (log: Awaited<ReturnType<typeof openLog>>) => void,
  threshold: LogThreshold = "debug",
  { format = "text", personal = new PersonalFields() }: { format?: LogFormat; personal?: PersonalFields } =
    {},
) {
  const lines: string[] = [];
  const redactor = new Redactor();
  const terminal: Terminal = {
    columns: 0,
    writeLine: (text) => void lines.push(redactor.redact(text)),
    writeRecord: (record) => void lines.push(JSON.stringify(redactor.redactValue(record))),
    exportRecord: () => {},
    showBar: () => {},
    print: () => {},
    printJson: () => {},
  };
  const position = { runId: "20230401T020000Z-7f3a", stage: "move", attempt: 2 };
  const options = { format, position, within: NO_TELEMETRY.within, now: () => new Date() };
  write(await openLog(openLines(terminal, options), { threshold, personal }));
  return lines.join("\n");
}

for (
  const name of [
    ..."password passwd PASSPHRASE secret clientSecret secretAccessKey accessKeyId apiKey api_key privateKey"
      .split(" "),
    ..."sessionToken access_token authorization Cookie credentials x-amz-signature ETL_CONFIG_KEY".split(" "),
    ..."first_name last_name full_name name address phone_number pincode store_manager_name".split(" "),
    ..."sales_person_first_name sales_person_address sales_person_name manager_full_name phone".split(" "),
    ..."Address billing_address".split(" "),
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

Deno.test("openLog() hides a column of the configuration's own dimensions, when it has been told, and a former one still", async () => {
  const personal = new PersonalFields();
  const shown = await logged(
    (log) => {
      log.info("{loyalty_card}", { loyalty_card: "before" });
      personal.add(["loyalty_card"]);
      log.info("{loyalty_card}", { loyalty_card: CANARY });
      log.info("{owner_loyalty_card} {address}", { owner_loyalty_card: CANARY, address: CANARY });
    },
    "debug",
    { personal },
  );
  assert.match(shown, /before\n.*\[redacted\]\n.*\[redacted\] \[redacted\]$/);
  assert.ok(!shown.includes(CANARY), shown);
});

/** The pattern of the names that were hidden before they came from the dimensions. */
const ONCE_HIDDEN =
  /^((sales_person_|store_manager_|manager_)?(first_|last_|full_)?name|(sales_person_)?(address|pincode)|phone(_number)?)$/i;

Deno.test("PersonalFields hides every name that was hidden before the names came from the dimensions", () => {
  const parts = ["", "sales_person_", "store_manager_", "manager_", "first_", "last_", "full_"];
  const ends = ["name", "address", "pincode", "phone", "phone_number", "NAME"];
  const names = parts.flatMap((a) => parts.flatMap((b) => ends.map((end) => a + b + end)));
  const once = names.filter((name) => ONCE_HIDDEN.test(name));
  assert.ok(once.length > 20);
  assert.deepEqual(once.filter((name) => !new PersonalFields().pattern.test(name)), []);
});

Deno.test("PersonalFields leaves a field alone, when it only sounds like a person's", () => {
  const { pattern } = new PersonalFields();
  for (const name of ["product_name", "fileName", "addresses", "readdress", "key", "telephone", ""]) {
    assert.ok(!pattern.test(name), name);
  }
});

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

Deno.test("openLog() shows control characters of a text as escapes, which would forge a line", async () => {
  const forged = "a.csv\n2023-04-01T02:00:00.000Z INFO    Run is committed";
  assert.match(
    await logged((log) => log.warn("Skipping {key}", { key: forged })),
    /Skipping a\.csv\\u000a2023-04-01T02:00:00\.000Z INFO {4}Run is committed$/,
  );
});

Deno.test("openLog() leaves out what is below its threshold", async () => {
  assert.equal(await logged((log) => log.info("not shown"), "warning"), "");
});
