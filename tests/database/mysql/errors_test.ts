import assert from "node:assert/strict";
import { describeFault, faultOf, MysqlFault } from "../../../lib/database/mysql/errors.ts";
import { exitCodeOf, messageOf } from "../../../lib/errors.ts";

/** What the driver throws, with something in its message that nobody may see. */
function thrown(fields: Record<string, unknown>, message = "Duplicate entry 'canary' for key"): Error {
  return Object.assign(new Error(message), fields);
}

function server(errno: number, message?: string, code?: string): Error {
  return thrown({ errno, code, sqlState: "HY000", sqlMessage: message }, message);
}

const DENIED = "INSERT command denied to user 'ann'@'10.0.0.1' for table `sales`.`pipeline_run`";

/** What was thrown, what it is, the exit code that it leads to, and what the message says of it. */
const FAULTS: readonly [what: string, thrown: Error, kind: string, exitCode: number, says: RegExp][] = [
  ["wrong password", server(1045), "other", 77, /account ann/],
  [
    "host not allowed, before the log-in",
    thrown({ errno: 1130, code: "ER_HOST_NOT_PRIVILEGED", sqlState: "" }),
    "other",
    77,
    /account ann/,
  ],
  ["no grant on the schema", server(1044), "other", 77, /lacks any privilege on sales/],
  ["no grant on a table", server(1142, DENIED), "other", 77, /lacks the privilege INSERT on pipeline_run;/],
  [
    "no grant, as MySQL says it",
    server(1142, DENIED.replaceAll("`", "'")),
    "other",
    77,
    /lacks the privilege INSERT on pipeline_run;/,
  ],
  ["no grant, in words not known", server(1142, "canary"), "other", 77, /lacks the privilege for it/],
  ["unknown database", server(1049), "other", 78, /no such database/],
  [
    "too many connections, before the log-in",
    thrown({ errno: 1040, code: "ER_CON_COUNT_ERROR", sqlState: "" }),
    "other",
    75,
    /connections/,
  ],
  ["disk full", server(1021), "other", 75, /no space/],
  ["table full", server(1114), "other", 75, /no space/],
  ["read-only", server(1290), "other", 75, /read-only/],
  ["read-only, as MySQL says it", server(1836), "other", 75, /read-only/],
  ["deadlock", server(1213), "contended", 75, /locked/],
  ["lock wait timeout", server(1205), "contended", 75, /locked/],
  ["killed", server(1927), "lost", 75, /went away/],
  ["shutting down", server(1053), "lost", 75, /went away/],
  ["connection closed", thrown({ code: "PROTOCOL_CONNECTION_LOST", fatal: true }), "lost", 75, /went away/],
  ["connection reset", thrown({ errno: -104, code: "ECONNRESET", syscall: "read" }), "lost", 75, /went away/],
  [
    "connection refused",
    thrown({ errno: -111, code: "ECONNREFUSED", syscall: "connect" }),
    "other",
    75,
    /ECONNREFUSED/,
  ],
  [
    "unknown host",
    thrown({ errno: -3008, code: "ENOTFOUND", syscall: "getaddrinfo" }),
    "other",
    75,
    /ENOTFOUND/,
  ],
  [
    "cut in the TLS handshake",
    thrown({ code: "HANDSHAKE_SSL_ERROR" }, "socket hang up"),
    "lost",
    75,
    /went away/,
  ],
  [
    "unknown authority",
    thrown({ code: "HANDSHAKE_SSL_ERROR" }, "invalid peer certificate: UnknownIssuer"),
    "other",
    78,
    /certificate.*db\.example/,
  ],
  ["no TLS", thrown({ code: "HANDSHAKE_NO_SSL_SUPPORT" }), "other", 78, /no TLS/],
  ["LOAD DATA LOCAL forbidden by MySQL", server(3948), "local_infile", 70, /3948/],
  ["LOAD DATA LOCAL forbidden by MariaDB", server(4166), "local_infile", 70, /4166/],
  ["a value too long", server(1406), "other", 65, /does not fit/],
  ["a duplicate key", server(1062), "duplicate_key", 65, /twice/],
  ["wrong SQL", server(1064, "near 'canary'", "ER_PARSE_ERROR"), "other", 70, /ER_PARSE_ERROR, error 1064/],
];

for (const [what, error, kind, exitCode, says] of FAULTS) {
  Deno.test(`faultOf() and describeFault() tell what to do and no value: ${what}`, () => {
    const fault = faultOf(error);
    assert.equal(fault.kind, kind);
    const address = { host: "db.example", port: 3306, database: "sales", user: "ann" };
    const described = describeFault(fault, "commit the run", address);
    assert.equal(exitCodeOf(described), exitCode);
    assert.match(messageOf(described), says);
    assert.match(messageOf(described), /^Cannot commit the run in the database sales on db\.example:3306: /);
    assert.doesNotMatch(messageOf(described) + Deno.inspect(described), /canary|10\.0\.0\.1/);
  });
}

Deno.test("describeFault() leaves alone what is no fault of the server", () => {
  const error = new TypeError("a bug");
  const address = { host: "db.example", port: 3306, database: "sales", user: "ann" };
  assert.equal(describeFault(error, "commit the run", address), error);
  const fault = new MysqlFault("other", 1045, "ER_ACCESS_DENIED_ERROR");
  assert.equal(faultOf(fault), fault);
});
