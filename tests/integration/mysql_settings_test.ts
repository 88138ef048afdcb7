/**
 * Nights on database servers that are set up in other ways than a test's: what may differ, differs, and no value does.
 *
 * @module
 */
import assert from "node:assert/strict";
import { assertSameOutcome, type Outcome, readNightEnd } from "../support/outcome.ts";
import { parseSummary, runPipeline, runTask } from "../support/task.ts";
import { goldenPath } from "../support/workspace.ts";
import { createRemote, type RemoteDeployment, Servers } from "./remote_deployment.ts";
import { isPinned, UNPINNED } from "./session_variables.ts";

let servers: Servers;
Deno.test.beforeAll(async () => void (servers = await Servers.start()));
Deno.test.afterAll(() => servers?.[Symbol.asyncDispose]());

/** Characters beyond the three bytes of utf8mb3, and beyond latin1. */
const NAME = "Zo\u00eb \u{1f963} \u674e";

async function prepare(config: Readonly<Record<string, unknown>> = {}): Promise<RemoteDeployment> {
  const deployment = await createRemote(servers, { config });
  await deployment.loadDimensions(goldenPath("dimensions"));
  await deployment.mariadb.sql(`UPDATE customer SET first_name = '${NAME}' WHERE customer_id = 1`);
  await deployment.deliver(goldenPath("night-1/landing"));
  return deployment;
}

/** Less the ledger, which has the time at which each file was delivered. */
function withoutTimes(outcome: Outcome): Outcome {
  return new Map([...outcome].filter(([name]) => name !== "table source_file"));
}

/** Sets global variables for the time of some work. */
async function withGlobals(
  variables: Readonly<Record<string, string>>,
  work: () => Promise<void>,
): Promise<void> {
  const { mariadb } = servers;
  const names = Object.keys(variables);
  const [before = []] = await mariadb.sql(`SELECT ${names.map((name) => `@@GLOBAL.${name}`).join(", ")}`);
  try {
    for (const [name, value] of Object.entries(variables)) await mariadb.sql(`SET GLOBAL ${name} = ${value}`);
    await work();
  } finally {
    for (const [i, name] of names.entries()) {
      const value = before[i] ?? "";
      const written = /^\d+$/.test(value) ? value : `'${value.replaceAll("'", "''")}'`;
      await mariadb.sql(`SET GLOBAL ${name} = ${written}`);
    }
  }
}

/** Statements that a server may run first in each session of an account without rights of an administrator. */
const INITS: Readonly<Record<string, string>> = {
  "utf8mb3": "SET NAMES utf8mb3",
  "latin1 results": "SET character_set_results = latin1",
  "no character set": "SET character_set_results = NULL",
  "safe updates": "SET sql_safe_updates = 1",
  "limits": "SET sql_select_limit = 1, max_join_size = 1, sql_big_selects = 0",
  "no autocommit": "SET autocommit = 0",
  "chained commits": "SET completion_type = 'CHAIN'",
  "released commits": "SET completion_type = 'RELEASE'",
  "no strictness": "SET sql_mode = '', sql_notes = 0",
  "other words": "SET sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES,HIGH_NOT_PRECEDENCE'",
  "another time": "SET time_zone = '+05:30', timestamp = 86400",
  "read-only": "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY",
  "last ids": "SET sql_auto_is_null = 1",
  "another language": "SET lc_messages = 'de_DE', lc_time_names = 'de_DE'",
  "no checks": "SET foreign_key_checks = 0, unique_checks = 0, group_concat_max_len = 4",
};

Deno.test("a night gives the same, whatever a server makes of each session", async (test) => {
  await using plain = await prepare();
  await runPipeline(plain.config);
  await plain.refresh();
  const { outcome: expected } = await readNightEnd(plain);
  const [customers] = await plain.mariadb.sql(
    `SELECT COUNT(*) FROM customers_data_mart WHERE full_name LIKE '${NAME} %'`,
  );
  assert.notDeepEqual(customers, ["0"]);
  for (const [what, statement] of Object.entries(INITS)) {
    await test.step(what, () =>
      withGlobals({ init_connect: `"${statement}"` }, async () => {
        await using deployment = await prepare();
        await runPipeline(deployment.config);
        await deployment.refresh();
        const { outcome, left } = await readNightEnd(deployment);
        assertSameOutcome(withoutTimes(outcome), withoutTimes(expected));
        assert.deepEqual(left, []);
      }));
  }
});

Deno.test("every variable of a session is pinned, or it is said why it cannot matter", async () => {
  // For an administrator too: then what nobody else may set is listed as well.
  const names = (await servers.mariadb.sql("SHOW SESSION VARIABLES")).map(([name]) => String(name));
  const unknown: string[] = [];
  for (const name of names) {
    const reasons = UNPINNED.filter(([pattern]) => pattern.test(name));
    if (isPinned(name) ? reasons.length === 0 : reasons.length === 1) continue;
    // One of the server alone cannot be given to a session.
    const isOfSession = await servers.mariadb.sql(`SET SESSION ${name} = DEFAULT`).then(
      () => true,
      ({ errno }) => ![1229, 1238].includes(errno),
    );
    if (isOfSession || isPinned(name)) unknown.push(name);
  }
  assert.deepEqual(unknown, []);
});

/** A server's state, and what a night comes to in it. */
const STATES: readonly {
  readonly what: string;
  readonly globals: Readonly<Record<string, string>>;
  /** The beginning of the server's name; for all if there is none. */
  readonly on?: "mysql" | "mariadb";
  readonly code: number;
  readonly error: string;
  readonly says: RegExp;
}[] = [
  {
    what: "TLS is demanded",
    globals: { require_secure_transport: "ON" },
    on: "mariadb",
    // It does not say why.
    code: 77,
    error: "access_denied",
    says: /and database\.tls if the server demands TLS/,
  },
  {
    what: "TLS is demanded",
    globals: { require_secure_transport: "ON" },
    on: "mysql",
    code: 78,
    error: "tls_required",
    says: /set database\.tls\.mode to "required"/,
  },
  {
    what: "it is read-only",
    globals: { read_only: "ON" },
    code: 75,
    error: "read_only",
    says: /read-only or offline/,
  },
  {
    what: "it is offline",
    globals: { offline_mode: "ON" },
    on: "mysql",
    code: 75,
    error: "read_only",
    says: /read-only or offline/,
  },
];

Deno.test("pipeline says what to do, and the night after gives all, when the server is not ready", async (test) => {
  for (const { what, globals, on, code, error, says } of STATES) {
    if (!servers.mariadb.kind.name.startsWith(on ?? "")) continue;
    await test.step(what, async () => {
      await using deployment = await prepare();
      await withGlobals(globals, async () => {
        const result = await runTask("pipeline", ["--config", deployment.config, "--json"]);
        assert.equal(result.code, code, result.text);
        const { error: said } = parseSummary(result);
        assert.equal(said?.code, error, result.text);
        assert.match(said?.message ?? "", says);
      });
      assert.equal((await runPipeline(deployment.config)).state, "committed");
    });
  }
});

Deno.test("pipeline names the view, when it cannot be used any more", async () => {
  await using deployment = await prepare();
  await deployment.mariadb.sql(
    "RENAME TABLE customer TO people",
    "CREATE VIEW customer AS SELECT * FROM people",
    "RENAME TABLE people TO persons",
  );
  const result = await runTask("pipeline", ["--config", deployment.config, "--json"]);
  assert.equal(result.code, 65, result.text);
  const { error } = parseSummary(result);
  assert.equal(error?.code, "broken_view", result.text);
  assert.match(error?.message ?? "", /the view customer cannot be used/);
});

Deno.test("a night of long texts is committed, when packets are small and LOAD DATA LOCAL is forbidden", async () => {
  await withGlobals({ local_infile: "OFF", max_allowed_packet: String(2 ** 20) }, async () => {
    await using deployment = await createRemote(servers);
    await deployment.loadDimensions(goldenPath("dimensions"));
    const { sql } = deployment.mariadb;
    await sql(
      "ALTER TABLE customer MODIFY address VARCHAR(9000)",
      `INSERT INTO customer (customer_id, first_name, address)
       WITH RECURSIVE n (i) AS (SELECT 100001 UNION ALL SELECT i + 1 FROM n WHERE i < 105000)
       SELECT i, 'Ann', REPEAT('Elm St 1, ', 10 + i % 2 * 200) FROM n`,
    );
    await deployment.bucket.put("sales_data/long.csv", encode(salesOf(100_001, 5_000)));
    const { rows } = await runPipeline(deployment.config);
    assert.deepEqual(rows, { read: 5000, accepted: 5000, rejected: 0 });
    assert.deepEqual(
      await sql("SELECT COUNT(*), SUM(total_sales), SUM(LENGTH(address)) FROM customers_data_mart"),
      [["5000", "12500.00", String(2500 * 100 + 2500 * 2100)]],
    );

    // A row that is larger than a packet alone.
    await sql(
      "ALTER TABLE customer MODIFY address MEDIUMTEXT",
      "UPDATE customer SET address = REPEAT('Elm St 1, ', 60000) WHERE customer_id = 100001",
    );
    await deployment.bucket.put("sales_data/longer.csv", encode(salesOf(100_001, 1)));
    const result = await runTask("pipeline", ["--config", deployment.config, "--json"]);
    assert.equal(result.code, 65, result.text);
    const { error } = parseSummary(result);
    assert.equal(error?.code, "row_too_large", result.text);
    assert.match(error?.message ?? "", /customers_data_mart.*max_allowed_packet/);
  });
});

/** A file with a sale of each of so many customers. */
function salesOf(first: number, count: number): string {
  const header = "customer_id,store_id,product_name,sales_date,sales_person_id,price,quantity,total_cost";
  const rows = Array.from({ length: count }, (_, i) => `${first + i},121,oats,2023-03-05,1,2.50,1,2.50`);
  return [header, ...rows, ""].join("\n");
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
