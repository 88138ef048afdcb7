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
import { AccessError, ConfigError, DataError, UnavailableError } from "../../errors.ts";

/** What can be done about a fault. */
export type FaultKind =
  /** The connection is of no use any more; what it did last may have happened or not. */
  | "lost"
  /** No answer in time; the connection was cut. */
  | "timeout"
  /** Another transaction was in the way: this one has to be rolled back, and may be tried again. */
  | "contended"
  /** A table that does not exist. */
  | "missing_table"
  /** The server, or the driver, does not take part in LOAD DATA LOCAL. */
  | "local_infile"
  /** Everything else. */
  | "other";

/** Error numbers by what they mean here. */
const NUMBERS = {
  // Deadlock, lock wait timeout, row changed since it was read (innodb_snapshot_isolation), table altered meanwhile.
  contended: [1213, 1205, 1020, 1412],
  // Shutdown, network packets cut, killed, killed by the administrator, idle for too long, Galera node not ready.
  lost: [1053, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 3169, 4031, 1047],
  missing_table: [1146],
  // Not allowed by the server's local_infile.
  local_infile: [1148, 3948, 4166],
  account: [1045, 1698, 1130, 1820, 1862, 3118, 3159, 3879, 4150, 4151],
  grant: [1044, 1142, 1143, 1227, 1370, 1410],
  disk: [3, 1021, 1026, 1114, 1878],
  readOnly: [1290, 1836],
  // Out of range, cut, not of the type or the character set, too long, out of range in an expression.
  value: [1264, 1265, 1292, 1366, 1406, 1690],
  busy: [1040, 1203, 1226, 1129, 1135, 1037, 1038, 1041, 1969, 3024, 1317],
} as const;

/** The driver's and the operating system's words for a connection that is gone. */
const LOST = /^(PROTOCOL_|ECONNRESET|EPIPE|ECONNABORTED|ERR_STREAM|ERR_SOCKET)|closed state/;

/** A failure of a statement or a connection, as code may look at it; never shown as it is. */
export class MysqlFault extends Error {
  /** What can be done about it. */
  readonly kind: FaultKind;
  /** The server's number; 0 where the server did not say anything. */
  readonly number: number;
  /** The server's or the system's symbol, such as `ER_DUP_ENTRY`. */
  readonly symbol: string;
  /** The grant that is missing, as in `INSERT on pipeline_run`; `null` where that is not known. */
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
  /** Of errors that the server sent; empty before the log-in. */
  readonly sqlState: string;
}

/** Reads what the driver threw, and leaves its text behind. */
export function faultOf(error: unknown): MysqlFault {
  if (error instanceof MysqlFault) return error;
  const { errno = 0, code, sqlState, message = "", name = "" } = error as Partial<DriverError>;
  // The driver has no symbol for many of MariaDB's numbers, and the system's numbers mean something else.
  const number = sqlState === undefined ? 0 : errno;
  // Node has one code for every failure of the TLS handshake, also for a connection that is cut in it.
  const isCertificate = /certificate|altnames|issuer|self.signed|UnknownIssuer|NotValidForName/i.test(
    message,
  );
  const symbol = name === "NotCapable"
    ? name
    : code === "HANDSHAKE_SSL_ERROR"
    ? (isCertificate ? "bad certificate" : "ECONNRESET")
    : code ?? (LOST.test(message) ? "PROTOCOL_CONNECTION_LOST" : "no symbol");
  const has = (numbers: readonly number[]) => numbers.includes(number);
  const kind = has(NUMBERS.contended)
    ? "contended"
    : has(NUMBERS.lost) || (number === 0 && LOST.test(symbol))
    ? "lost"
    : has(NUMBERS.missing_table)
    ? "missing_table"
    : has(NUMBERS.local_infile)
    ? "local_infile"
    : "other";
  return new MysqlFault(kind, number, symbol, has(NUMBERS.grant) ? grantIn(message) : null);
}

/** The privilege and the table that an access error names; both are names, never values. */
function grantIn(message: string): string | null {
  const [, privilege, table] =
    /^([A-Z ,]+?) command denied .* for (?:table|column .* in table) (\S+)$/.exec(message) ??
      [];
  if (privilege !== undefined) return `${privilege} on ${table?.replace(/[`']/g, "").replace(/^.*\./, "")}`;
  return /need \(at least one of\) the ([A-Z_, ]+) privilege/.exec(message)?.[1] ?? null;
}

/** Where a connection leads, for messages. */
export interface MysqlAddress {
  /** Name or address. */
  readonly host: string;
  /** TCP port. */
  readonly port: number;
  /** Schema name. */
  readonly database: string;
  /** Account name. */
  readonly user: string;
}

/** The error that ends the run for what was thrown while `action` was done; anything but a fault stays what it is. */
export function describeFault(thrown: unknown, action: string, address: MysqlAddress): unknown {
  if (!(thrown instanceof MysqlFault)) return thrown;
  const { host, port, database, user } = address;
  const { kind, number, symbol, grant } = thrown;
  const has = (numbers: readonly number[]) => numbers.includes(number);
  const where = `the database ${database} on ${host}:${port}`;
  const cannot = `Cannot ${action} in ${where}`;
  const options = { cause: thrown };
  if (symbol === "NotCapable") {
    return new AccessError(
      `${cannot}: the process may not use the network; run it with --allow-net=${host}:${port}`,
      options,
    );
  }
  if (has(NUMBERS.account)) {
    return new AccessError(
      `${cannot}: the server refused the account ${user}; check database.user and database.password`,
      options,
    );
  }
  if (has(NUMBERS.grant)) {
    const missing = number === 1044
      ? `any privilege on ${database}, or there is no such database`
      : `the privilege ${grant ?? "for it"}`;
    return new AccessError(
      `${cannot}: the account ${user} lacks ${missing}; see the grants in docs/security.md`,
      options,
    );
  }
  if (number === 1049) {
    return new ConfigError(
      "database_missing",
      `${cannot}: the server has no such database; create it or correct database.database`,
      options,
    );
  }
  if (symbol === "HANDSHAKE_NO_SSL_SUPPORT") {
    return new ConfigError(
      "tls_refused",
      `${cannot}: the server offers no TLS; turn it on there, or set database.tls.mode`,
      options,
    );
  }
  if (symbol === "bad certificate") {
    return new ConfigError(
      "tls_refused",
      `${cannot}: the server's certificate is not from a known authority or not for ${host}; correct database.host or database.tls.caFile`,
      options,
    );
  }
  if (number === 1665) {
    return new ConfigError(
      "binlog_format",
      `${cannot}: the server's binlog_format must be ROW or MIXED`,
      options,
    );
  }
  if (has(NUMBERS.disk)) {
    return new UnavailableError(
      "disk_full",
      `${cannot}: the server has no space left; free some there and run again`,
      options,
    );
  }
  if (has(NUMBERS.readOnly)) {
    return new UnavailableError(
      "read_only",
      `${cannot}: the server is read-only, as a replica is; name the primary, or run again when it is writable`,
      options,
    );
  }
  if (has(NUMBERS.busy)) {
    return new UnavailableError(
      "database_busy",
      `${cannot}: the server is out of connections, memory or time; run again later`,
      options,
    );
  }
  if (kind === "contended") {
    return new UnavailableError(
      "database_busy",
      `${cannot}: other programs kept rows or tables locked for too long; run again`,
      options,
    );
  }
  if (kind === "timeout") {
    return new UnavailableError(
      "database_unavailable",
      `${cannot}: the server did not answer in time; run again later`,
      options,
    );
  }
  if (kind === "lost" || /^(E[A-Z]+|ETIMEDOUT)$/.test(symbol)) {
    return new UnavailableError(
      "database_unavailable",
      `${cannot}: the server cannot be reached or went away (${symbol}); run again later`,
      options,
    );
  }
  if (kind === "missing_table") {
    return new DataError(
      "missing_table",
      `${cannot}: a table of the pipeline is missing; run "deno task download", which creates it`,
      options,
    );
  }
  if (has(NUMBERS.value)) {
    return new DataError("value_too_large", `${cannot}: a value does not fit into its column`, options);
  }
  if (number === 1062) {
    return new DataError("duplicate_key", `${cannot}: a key occurs twice in what is to be added`, options);
  }
  return new Error(`${cannot}: the server answered ${thrown.message}`, options);
}
