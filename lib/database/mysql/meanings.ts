/**
 * What a fault of MySQL or MariaDB means for the run: which error ends it, and what its user is told to do.
 *
 * By class: to be tried again (75), to be mended in the data (65), to be configured (78), denied (77). Any other number is
 * an answer to a statement that this program should not have sent.
 *
 * @module
 */
import {
  AccessError,
  ConfigError,
  DataError,
  type ErrorRule,
  UnavailableError,
  wrapByRule,
} from "../../errors.ts";
import {
  BROKEN_VIEW,
  DENIED,
  type FaultKind,
  type MysqlAddress,
  MysqlFault,
  PACKET_TOO_LARGE,
  UNKNOWN_PLUGIN,
} from "./errors.ts";

/** A fault, and the database that it is of. */
interface Case {
  readonly fault: MysqlFault;
  readonly address: MysqlAddress;
}

type Matches = ErrorRule<Case>["matches"];

/** Matches some of the server's numbers. */
const numbered = (...numbers: readonly number[]): Matches => ({ fault }) => numbers.includes(fault.number);
const ofKind = (wanted: FaultKind): Matches => ({ fault }) => fault.kind === wanted;
const called = (wanted: string): Matches => ({ fault }) => fault.symbol === wanted;

/** A file cannot be locked, opened or found, or has a wrong format; the engine's own error. */
const FAILED_FILES = [1015, 1016, 1017, 1030, 1033, 1034, 1035, 3000];
/** A table, an index or a tablespace is marked as crashed, corrupt, gone or discarded; its key is not to be had. */
const FAILED_TABLES = [1194, 1195, 1712, 1812, 1814, 1817, 1877, 3185, 3510];
/** Connections, of all or of this account; threads; a host name that is not resolved. */
const TOO_MANY = [1040, 1203, 1226, 4081, 4082, 1135, 1042];
/** A sort that was ended; memory, sort memory, other resources; locks, transactions, undo log, temporary tables. */
const NO_ROOM = [1028, 1037, 1038, 1041, 3015, 3950, 1206, 3985, 1637, 3019, 3884];
/** COMMIT failed, also by group replication; not available; a statement took too long, or was ended. */
const NOT_NOW = [1180, 3100, 3168, 3781, 3782, 1969, 3024, 1317];

/** What a fault means for the run. */
const MEANINGS: readonly ErrorRule<Case>[] = [
  {
    matches: called("NotCapable"),
    Class: AccessError,
    text: ({ address: { host, port } }) =>
      `the process may not use the network; run it with --allow-net=${host}:${port}`,
  },
  {
    matches: numbered(1820, 1862),
    Class: AccessError,
    text: ({ address: { user } }) =>
      `the password of the account ${user} has expired; give it a new one on the server and in database.password`,
  },
  {
    matches: numbered(3159),
    Class: ConfigError,
    code: "tls_required",
    text: 'the server demands TLS (require_secure_transport); set database.tls.mode to "required"',
  },
  {
    matches: (it) => called(UNKNOWN_PLUGIN)(it) || numbered(1251, 1275)(it),
    Class: ConfigError,
    code: "unknown_login",
    text: ({ address: { user }, fault: { subject } }) =>
      `the account ${user} logs in by ${
        subject ? `the plugin ${subject}` : "a plugin"
      }, which this program cannot; ` +
      "give it a password by caching_sha2_password or mysql_native_password",
  },
  {
    matches: numbered(1129),
    Class: UnavailableError,
    code: "host_blocked",
    text:
      "the server blocks this host after too many connections that failed; run FLUSH HOSTS there, and run again",
  },
  {
    // Wrong password, no such account, host not allowed, locked, locked after too many tries.
    matches: numbered(1045, 1698, 1130, 3118, 3879, 3955, 4150, 4151),
    Class: AccessError,
    text: ({ address: { user } }) =>
      `the server refused the account ${user}; check database.user and database.password, and database.tls if the ` +
      "server demands TLS",
  },
  {
    matches: numbered(1044),
    Class: AccessError,
    text: ({ address: { user, database } }) =>
      `the account ${user} lacks any privilege on ${database}, or there is no such database; see the grants in docs/security.md`,
  },
  {
    matches: numbered(...DENIED),
    Class: AccessError,
    text: ({ address: { user }, fault: { subject } }) =>
      `the account ${user} lacks the privilege ${subject ?? "for it"}; see the grants in docs/security.md`,
  },
  {
    matches: numbered(1049),
    Class: ConfigError,
    code: "database_missing",
    text: "the server has no such database; create it or correct database.database",
  },
  {
    matches: called("HANDSHAKE_NO_SSL_SUPPORT"),
    Class: ConfigError,
    code: "tls_refused",
    text: "the server offers no TLS; turn it on there, or set database.tls.mode",
  },
  {
    matches: called("bad certificate"),
    Class: ConfigError,
    code: "tls_refused",
    text: ({ address: { host } }) =>
      `the server's certificate is not from a known authority or not for ${host}; ` +
      "correct database.host or database.tls.caFile",
  },
  {
    matches: numbered(1598, 1665),
    Class: ConfigError,
    code: "binlog_format",
    text: "the server's binlog_format must be ROW or MIXED",
  },
  {
    // A key, a row or a column of an index has more bytes than a page of InnoDB takes.
    matches: numbered(1071, 1118, 1709),
    Class: ConfigError,
    code: "page_size",
    text: "the server's pages are too small for the tables: innodb_page_size must be 16k or more",
  },
  {
    // InnoDB is not there, or forbidden; utf8mb4 or its collation is not known.
    matches: numbered(1286, 3161, 1115, 1273),
    Class: ConfigError,
    code: "server_lacks",
    text: ({ fault: { symbol } }) => `the server lacks InnoDB or utf8mb4 (${symbol}), or does not allow it`,
  },
  {
    matches: numbered(1197, 1705, 3231),
    Class: ConfigError,
    code: "transaction_too_large",
    text: ({ fault: { symbol } }) =>
      `the night has more changes than the server takes in one transaction (${symbol}); set max_binlog_cache_size or ` +
      "group_replication_transaction_size_limit to more there",
  },
  {
    // Disk full, cannot write or create a file or a table, table full, temporary file not written.
    matches: numbered(1, 3, 20, 1004, 1005, 1021, 1026, 1114, 1878, 3675),
    Class: UnavailableError,
    code: "disk_full",
    text: "the server has no space left, or cannot write; see its log, free some there and run again",
  },
  {
    // An option, super_read_only, the transaction, a read lock, the table, InnoDB, forced recovery, the schema, offline.
    matches: numbered(1290, 1836, 1792, 1223, 1036, 1874, 1881, 3989, 3032),
    Class: UnavailableError,
    code: "read_only",
    text:
      "the server is read-only or offline, as a replica is, or while it is looked after; name the primary, or run " +
      "again when it is writable",
  },
  {
    matches: numbered(...BROKEN_VIEW),
    Class: DataError,
    code: "broken_view",
    text: ({ fault: { subject } }) =>
      `the view ${
        subject ?? "that is read"
      } cannot be used: what it reads, its rights or its definer are not there any ` +
      "more; make it anew",
  },
  {
    matches: numbered(...FAILED_FILES, ...FAILED_TABLES),
    Class: UnavailableError,
    code: "table_damaged",
    text: "a table is damaged, or its storage engine failed; see the server's log, repair it and run again",
  },
  {
    matches: numbered(PACKET_TOO_LARGE, 1301),
    Class: DataError,
    code: "row_too_large",
    text: ({ fault: { subject } }) =>
      `a row${
        subject ? ` of ${subject}` : ""
      } is larger than the server's max_allowed_packet; set that to more there`,
  },
  {
    matches: numbered(...TOO_MANY, ...NO_ROOM, ...NOT_NOW),
    Class: UnavailableError,
    code: "database_busy",
    text: "the server is out of connections, memory or time; run again later",
  },
  {
    matches: ofKind("contended"),
    Class: UnavailableError,
    code: "database_busy",
    text: "other programs kept rows or tables locked for too long; run again",
  },
  {
    matches: ofKind("timeout"),
    Class: UnavailableError,
    code: "database_unavailable",
    text: "the server did not answer in time; run again later",
  },
  {
    matches: ({ fault: { kind, symbol } }) => kind === "lost" || /^E[A-Z]+$/.test(symbol),
    Class: UnavailableError,
    code: "database_unavailable",
    text: ({ fault: { symbol } }) => `the server cannot be reached or went away (${symbol}); run again later`,
  },
  {
    matches: ofKind("missing_table"),
    Class: DataError,
    code: "missing_table",
    text: 'a table of the pipeline is missing; run "deno task download", which creates it',
  },
  {
    // Out of range, cut, not of the type or the character set, too long, out of range in an expression.
    matches: numbered(1264, 1265, 1292, 1366, 1406, 1690),
    Class: DataError,
    code: "value_too_large",
    text: "a value does not fit into its column",
  },
  {
    matches: numbered(1062),
    Class: DataError,
    code: "duplicate_key",
    text: "a key occurs twice in what is to be added",
  },
];

/** The error that ends the run for what was thrown while `action` was done; anything but a fault stays what it is. */
export function describeFault(thrown: unknown, action: string, address: MysqlAddress): unknown {
  if (!(thrown instanceof MysqlFault)) return thrown;
  const cannot = `Cannot ${action} in the database ${address.database} on ${address.host}:${address.port}`;
  return wrapByRule(MEANINGS, { fault: thrown, address }, cannot, thrown) ??
    new Error(`${cannot}: the server answered ${thrown.message}`, { cause: thrown });
}
