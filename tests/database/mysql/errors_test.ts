import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { faultOf, MysqlFault } from "../../../lib/database/mysql/errors.ts";
import { describeFault } from "../../../lib/database/mysql/meanings.ts";
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
  ["a password that has expired", server(1862), "other", 77, /password of the account ann has expired/],
  ["TLS demanded", server(3159), "other", 78, /set database\.tls\.mode to "required"/],
  [
    "a plugin that the driver does not know",
    thrown(
      { code: "AUTH_SWITCH_PLUGIN_ERROR" },
      "Server requests authentication using unknown plugin client_ed25519. See http://canary for more",
    ),
    "other",
    78,
    /logs in by the plugin client_ed25519,/,
  ],
  ["the transaction is read-only", server(1792), "other", 75, /read-only/],
  ["offline mode", server(3032), "other", 75, /offline/],
  ["rolled back by the group", server(3101), "contended", 75, /locked/],
  ["COMMIT failed", server(1180), "other", 75, /run again later/],
  [
    "a broken view",
    server(1356, "View 'sales.customer' references invalid table(s) or column(s) or canary"),
    "other",
    65,
    /the view customer cannot be used/,
  ],
  [
    "a view without its definer",
    server(1449, "The user canary does not exist"),
    "other",
    65,
    /view that is read/,
  ],
  ["small pages", server(1071), "other", 78, /innodb_page_size/],
  ["a row too large", server(1153), "other", 65, /a row is larger than the server's max_allowed_packet/],
  ["a transaction too large", server(1197), "other", 78, /max_binlog_cache_size/],
  ["a crashed table", server(1194), "other", 75, /damaged/],
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

/** Words in the symbols of errors that tell of a state of the server, an account or a limit. */
const OF_A_STATE =
  /DISK|_FULL|READ_?ONLY|OFFLINE|OUT_?OF_?(MEM|RES|SORT)|DENIED|EXPIRE|SECURE_T|TIMEOUT|SHUTDOWN|KILLED|NET_|CORRUPT|CRASH|OOM|TOO_MANY_(CON|USER)|BLOCKED|ISNT_AVAIL|ABORT|LOCK(ED|_|$)|_LIMIT|TABLESPACE_(MISSING|DISC)|AUTH_MODE|PACKET/;
/** Symbols of what this program never does, whose words only sound so. */
const OF_OTHERS =
  /^WARN|WARN_|REPLICA|SLAVE|SOURCE_|RELAY|GTID|CLONE|GRP_|GROUP_REP|ROLE|^ER_EVENT|^ER_SP_|^ER_XA|REDO_|BULK|GIS|FULLTEXT|FT_|UDF|FUNCTIONAL|JSON|PARTITION|KEYRING|ENCRYPT|_PASSWORD|PASSWORD_|USER_LOCK|LOCKING_SERVICE|DEBUG_|LOG_TABLE|PERSIST|REGEXP|WINDOWS|PURGE|DELIMITER|TABLE_LOCK|TRG_|HELP_DB|BINLOG_(UNSAFE|LOGICAL)|DBLWR|SYS_VAR|SPVAR|SECURELY|RPL_|AUDIT_/;
/** The others, and why none of them has to be told from a fault of this program. */
const NEVER_HERE: Readonly<Record<string, string>> = {
  ER_NORMAL_SHUTDOWN: "is for the server's log",
  ER_SHUTDOWN_COMPLETE: "is for the server's log",
  ER_TABLE_NOT_LOCKED: "no table is locked by name",
  ER_TABLE_NOT_LOCKED_FOR_WRITE: "no table is locked by name",
  ER_LOCK_OR_ACTIVE_TRANSACTION: "no table is locked by name",
  ER_WRONG_LOCK_OF_SYSTEM_TABLE: "no table is locked by name",
  ER_DROP_DB_WITH_READ_LOCK: "no database is dropped",
  ER_CREATE_DB_WITH_READ_LOCK: "no database is created",
  ER_READ_ONLY_TRANSACTION: "is no longer sent",
  ER_KILL_DENIED_ERROR: "an account may end its own connections",
  ER_VARIABLE_IS_READONLY: "what is pinned is not",
  ER_COL_COUNT_DOESNT_MATCH_CORRUPTED: "is about the server's own tables",
  ER_COL_COUNT_DOESNT_MATCH_CORRUPTED_V2: "is about the server's own tables",
  ER_UNKNOWN_ALTER_LOCK: "no statement names a lock",
  ER_ACCESS_DENIED_CHANGE_USER_ERROR: "no connection changes its user",
  ER_NET_OK_PACKET_TOO_LARGE: "no session is tracked",
  ER_NO_SECURE_TRANSPORTS_CONFIGURED: "answers a SET GLOBAL",
  ER_LOCK_REFUSED_BY_ENGINE: "NDB alone sends it",
  ER_BINLOG_EXPIRE_LOG_DAYS_AND_SECS_USED_TOGETHER: "answers a SET GLOBAL",
  ER_CLIENT_PRIVILEGE_CHECKS_USER_CORRUPT: "is of replication",
  ER_DA_EXPIRE_LOGS_DAYS_IGNORED: "is for the server's log",
  ER_LIMITED_PART_RANGE: "is of replication",
  ER_MALFORMED_PACKET: "the driver's packets are well-formed",
  ER_UKNOWN_AUTH_ID_OR_ACCESS_DENIED_FOR_GRANT_AS: "no right is granted",
  ER_LOCK_NOWAIT: "no statement says NOWAIT",
  ER_CANNOT_LOCK_USER_MANAGEMENT_CACHES: "no account is changed",
  ER_TP_QUERY_THRS_PER_GRP_EXCEEDS_TXN_THR_LIMIT: "answers a SET GLOBAL",
};

Deno.test("describeFault() knows every error of the server that tells of a state, by the driver's list", () => {
  const address = { host: "db.example", port: 3306, database: "sales", user: "ann" };
  const numbers = createRequire(import.meta.resolve("mysql2"))("./lib/constants/errors.js");
  const unknown: string[] = [];
  for (const [symbol, number] of Object.entries(numbers)) {
    if (typeof number !== "number" || number < 1000 || !OF_A_STATE.test(symbol) || OF_OTHERS.test(symbol)) {
      continue;
    }
    const fault = faultOf(server(number));
    const code = exitCodeOf(describeFault(fault, "commit the run", address));
    const isExpected = fault.kind === "local_infile" || code !== 70;
    if (isExpected === symbol in NEVER_HERE) unknown.push(`${symbol} (${number}): ${code}`);
  }
  assert.deepEqual(unknown, []);
});
