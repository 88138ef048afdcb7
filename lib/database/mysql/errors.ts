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
  /** A table has no column of that name. */
  | "unknown_column"
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
  // Deadlock, lock wait timeout, row changed since it was read (innodb_snapshot_isolation), table altered meanwhile,
  // waiting for a lock that was ended, rolled back by group replication.
  ["contended", [1213, 1205, 1020, 1412, 1689, 3101]],
  // Shutdown, network packets cut or out of order, killed, killed by the administrator, idle for too long, Galera node
  // not ready, sent away because the server goes offline.
  ["lost", [1053, 1152, 1154, 1155, 1156, 1157, 1158, 1159, 1160, 1161, 1184, 1927, 3169, 4031, 1047]],
  ["missing_table", [1146]],
  ["unknown_column", [1054]],
  ["column_exists", [1060]],
  ["duplicate_key", [1062]],
  // Not allowed by the server's local_infile.
  ["local_infile", [1148, 3948, 4166]],
];

/** A row or a statement has more bytes than the server's max_allowed_packet. */
export const PACKET_TOO_LARGE = 1153;

/** The numbers of statements that the account may not make. */
export const DENIED = [1044, 1142, 1143, 1227, 1370, 1410];

/** A view whose tables or columns are gone or denied; one whose definer is gone. */
export const BROKEN_VIEW = [1356, 1449];
/** The driver's word for a way to log in that it does not know. */
export const UNKNOWN_PLUGIN = "AUTH_SWITCH_PLUGIN_ERROR";

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
  /**
   * The name that the server's message has: a missing grant, as in `INSERT on pipeline_run`, a broken view, a plugin;
   * `null` if there is none.
   */
  readonly subject: string | null;

  /** See {@linkcode faultOf}. */
  constructor(kind: FaultKind, number: number, symbol: string, subject: string | null = null) {
    super(number > 0 ? `${symbol}, error ${number}` : symbol);
    this.name = "MysqlFault";
    this.kind = kind;
    this.number = number;
    this.symbol = symbol;
    this.subject = subject;
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
  return new MysqlFault(kind, number, symbol, subjectIn(message, number, symbol));
}

/** What a message names, of those whose words are names and never values. */
function subjectIn(message: string, number: number, symbol: string): string | null {
  if (DENIED.includes(number)) return grantIn(message);
  if (BROKEN_VIEW.includes(number)) return /^View '(?:[^'.]+\.)?([^'.]+)'/.exec(message)?.[1] ?? null;
  if (symbol === UNKNOWN_PLUGIN) return /unknown plugin '?(\w+)/.exec(message)?.[1] ?? null;
  return null;
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
