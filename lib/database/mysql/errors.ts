/**
 * What went wrong in MySQL or MariaDB, told without a word of the server's own message.
 *
 * Those messages quote values and statements ("Duplicate entry '…'"), and causes are printed too: only numbers, names of
 * tables and privileges, and the driver's own words are let through.
 *
 * Numbers and symbols: "MySQL Server Error Message Reference" (dev.mysql.com) and "MariaDB Error Code Reference".
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

/** What can be done about a fault. */
export type FaultKind =
  /** The connection is of no use any more; what it did last may have happened or not. */
  | "lost"
  /** No answer came in time; the connection was cut. */
  | "timeout"
  /** Another transaction was in the way: this one has to be rolled back, and may be tried again. */
  | "contended"
  /** A table does not exist. */
  | "missing_table"
  /** A column that is to be added exists already. */
  | "column_exists"
  /** A row has a key that another row has. */
  | "duplicate_key"
  /** The server, or the driver, does not take part in LOAD DATA LOCAL. */
  | "local_infile"
  /** Everything else. */
  | "other";

/** The numbers of those kinds that the server has numbers for. */
const KINDS: readonly (readonly [kind: FaultKind, numbers: readonly number[]])[] = [
  // Deadlock, lock wait timeout, row changed since it was read (innodb_snapshot_isolation), table altered meanwhile.
  ["contended", [1213, 1205, 1020, 1412]],
  // Shutdown, network packets cut, killed, killed by the administrator, idle for too long, Galera node not ready.
  ["lost", [1053, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 3169, 4031, 1047]],
  ["missing_table", [1146]],
  ["column_exists", [1060]],
  ["duplicate_key", [1062]],
  // Not allowed by the server's local_infile.
  ["local_infile", [1148, 3948, 4166]],
];

/** The numbers of statements that the account may not make. */
const DENIED = [1044, 1142, 1143, 1227, 1370, 1410];

/** The driver's and the operating system's words for a connection that is gone. */
const LOST = /^(PROTOCOL_|ECONNRESET|EPIPE|ECONNABORTED|ERR_STREAM|ERR_SOCKET)|closed state/;
/** What Node and OpenSSL say of a certificate. */
const CERTIFICATE = /certificate|altnames|issuer|self.signed|UnknownIssuer|NotValidForName/i;

/** An error of a statement or a connection, as code may look at it; never shown as it is. */
export class MysqlFault extends Error {
  /** What can be done about it. */
  readonly kind: FaultKind;
  /** The server's number; 0 if the server did not say anything. */
  readonly number: number;
  /** The server's or the system's symbol, such as `ER_DUP_ENTRY`. */
  readonly symbol: string;
  /** The grant that is missing, as in `INSERT on pipeline_run`; `null` if that is not known. */
  readonly grant: string | null;

  /** See {@linkcode faultOf}. */
  constructor(kind: FaultKind, number: number, symbol: string, grant: string | null = null) {
    super(number > 0 ? `${symbol}, error ${number}` : symbol);
    this.name = "MysqlFault";
    this.kind = kind;
    this.number = number;
    this.symbol = symbol;
    this.grant = grant;
  }
}

interface DriverError extends NodeJS.ErrnoException {
  /** Only errors that the server sent have it; it is empty before the log-in. */
  readonly sqlState: string;
}

/** Reads what the driver threw, and leaves its text behind. */
export function faultOf(error: unknown): MysqlFault {
  if (error instanceof MysqlFault) return error;
  const { errno = 0, sqlState, message = "" } = error as Partial<DriverError>;
  // The driver has no symbol for many of MariaDB's numbers, and the system's numbers mean something else.
  const number = sqlState === undefined ? 0 : errno;
  const symbol = symbolOf(error as Partial<DriverError>);
  const [known] = KINDS.find(([, numbers]) => numbers.includes(number)) ?? [];
  const kind = known ?? (number === 0 && LOST.test(symbol) ? "lost" : "other");
  return new MysqlFault(kind, number, symbol, DENIED.includes(number) ? grantIn(message) : null);
}

function symbolOf({ name, code, message = "" }: Partial<DriverError>): string {
  if (name === "NotCapable") return name;
  // Node has one code for every error in the TLS handshake, also for a connection that is cut in it.
  if (code === "HANDSHAKE_SSL_ERROR") return CERTIFICATE.test(message) ? "bad certificate" : "ECONNRESET";
  return code ?? (LOST.test(message) ? "PROTOCOL_CONNECTION_LOST" : "no symbol");
}

/** The privilege and the table that an access error names; both are names, never values. */
function grantIn(message: string): string | null {
  const [, privilege, table] =
    /^([A-Z ,]+?) command denied .* for (?:table|column .* in table) (\S+)$/.exec(message) ??
      [];
  if (privilege !== undefined) return `${privilege} on ${table?.replace(/[`']/g, "").replace(/^.*\./, "")}`;
  return /need \(at least one of\) the ([A-Z_, ]+) privilege/.exec(message)?.[1] ?? null;
}

/** The server that a connection leads to, as messages name it. */
export interface MysqlAddress {
  /** The server's name or address. */
  readonly host: string;
  /** The server's TCP port. */
  readonly port: number;
  /** The schema's name. */
  readonly database: string;
  /** The account's name. */
  readonly user: string;
}

/** Whether a number did not fit into its column or type. */
export function isTooLarge(error: unknown): boolean {
  return error instanceof MysqlFault && [1264, 1690].includes(error.number);
}

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

/** What a fault means for the run. */
const MEANINGS: readonly ErrorRule<Case>[] = [
  {
    matches: called("NotCapable"),
    Class: AccessError,
    text: ({ address: { host, port } }) =>
      `the process may not use the network; run it with --allow-net=${host}:${port}`,
  },
  {
    matches: numbered(1045, 1698, 1130, 1820, 1862, 3118, 3159, 3879, 4150, 4151),
    Class: AccessError,
    text: ({ address: { user } }) =>
      `the server refused the account ${user}; check database.user and database.password`,
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
    text: ({ address: { user }, fault: { grant } }) =>
      `the account ${user} lacks the privilege ${grant ?? "for it"}; see the grants in docs/security.md`,
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
    matches: numbered(1665),
    Class: ConfigError,
    code: "binlog_format",
    text: "the server's binlog_format must be ROW or MIXED",
  },
  {
    matches: numbered(3, 1021, 1026, 1114, 1878),
    Class: UnavailableError,
    code: "disk_full",
    text: "the server has no space left; free some there and run again",
  },
  {
    matches: numbered(1290, 1836),
    Class: UnavailableError,
    code: "read_only",
    text: "the server is read-only, as a replica is; name the primary, or run again when it is writable",
  },
  {
    matches: numbered(1040, 1203, 1226, 1129, 1135, 1037, 1038, 1041, 1969, 3024, 1317),
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
