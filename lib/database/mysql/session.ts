/**
 * What every connection to MySQL or MariaDB pins, so that no setting of the server, of an account or of a proxy in
 * between changes a result.
 *
 * A server gives each session the variables of its configuration, and `init_connect` may run any statement in it first.
 * So each connection sets what can change a value, a count or what a statement does, and reads it back. Sources: "Server
 * System Variables" (dev.mysql.com, mariadb.com).
 *
 * @module
 */
import { ConfigError } from "../../errors.ts";

/** Seconds after which the server gives up waiting for a lock; well below the time that a statement gets. */
const LOCK_WAIT_SECONDS = 15;
/**
 * Seconds after which the server ends a connection that it hears nothing from: the transaction of a machine that lost its
 * power would keep the lease locked for the server's default of 8 hours. DuckDB's part of a commit takes less.
 */
const SILENCE_SECONDS = 600;
/** The largest number of rows that a limit can have. */
const NO_LIMIT = 18_446_744_073_709_551_615n;

/** What a variable has that nobody has set; a keyword, which is read back as a word. */
const DEFAULT = "DEFAULT";

/** Values by the names of variables. */
export type Pins = Readonly<Record<string, string | number | bigint>>;

/** Variables of both servers, in the order in which they are set. */
export const BOTH: Pins = {
  // Texts are what they are: no other character set on the way to the server, in it, or back.
  character_set_client: "utf8mb4",
  character_set_results: "utf8mb4",
  collation_connection: "utf8mb4_bin",
  // Nothing is cut to size, rounded or zeroed in silence; backslashes, quotes and || mean what statements here mean.
  sql_mode: "STRICT_ALL_TABLES,STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ZERO_DATE,NO_ZERO_IN_DATE," +
    "NO_ENGINE_SUBSTITUTION,ONLY_FULL_GROUP_BY",
  time_zone: "+00:00",
  // A transaction is what lies between START TRANSACTION and COMMIT; COMMIT begins no other and ends no connection.
  autocommit: 1,
  completion_type: "NO_CHAIN",
  // All rows, or an error. The second sets the third.
  sql_select_limit: NO_LIMIT,
  max_join_size: NO_LIMIT,
  sql_big_selects: 1,
  sql_safe_updates: 0,
  group_concat_max_len: 1_048_576,
  // "WHERE id IS NULL" finds no row that was just inserted.
  sql_auto_is_null: 0,
  foreign_key_checks: 1,
  unique_checks: 1,
  // Warnings are counted: after LOAD DATA LOCAL nothing else tells that a value was cut.
  sql_notes: 1,
  // The missing privilege is read from an error's text.
  lc_messages: "en_US",
  // Waits that end.
  innodb_lock_wait_timeout: LOCK_WAIT_SECONDS,
  lock_wait_timeout: LOCK_WAIT_SECONDS,
  wait_timeout: SILENCE_SECONDS,
};

/** Variables of MariaDB alone. */
export const MARIADB: Pins = {
  // The rows of now, also of a table with system versioning.
  system_versioning_asof: DEFAULT,
  max_error_count: 64,
  check_constraint_checks: 1,
  // A DROP or ALTER that finds nothing says so.
  sql_if_exists: 0,
  // Deadlines are this program's own.
  max_statement_time: 0,
  idle_transaction_timeout: 0,
  idle_readonly_transaction_timeout: 0,
  idle_write_transaction_timeout: 0,
};

/** Variables of MySQL alone. */
export const MYSQL: Pins = {
  // A copy of the tables in another engine may lag behind them.
  use_secondary_engine: "OFF",
  max_execution_time: 0,
};

/** What a transaction may read: without gap locks two runs do not wait for rows that neither has. */
const ISOLATION = "READ-COMMITTED";

/** Text that one of the two servers takes for a comment ("Comment Syntax" in both manuals). */
const forMariadb = (sql: string) => `/*M! ${sql} */`;
const forMysql = (sql: string) => `/*!80000 ${sql} */`;

const SET = [
  `SET SESSION timestamp = DEFAULT, ${assignments(BOTH)}`,
  forMariadb(`, ${assignments(MARIADB)}`),
  forMysql(`, ${assignments(MYSQL)}`),
].join(" ");

const READ_BACK = [
  `SELECT @@version, @@max_allowed_packet, ${readings(BOTH)}`,
  forMariadb(`, @@SESSION.tx_isolation, @@SESSION.tx_read_only, ${readings(MARIADB)}`),
  forMysql(`, @@SESSION.transaction_isolation, @@SESSION.transaction_read_only, ${readings(MYSQL)}`),
].join(" ");

function assignments(pins: Pins): string {
  const written = (value: Pins[string]) =>
    typeof value === "string" && value !== DEFAULT ? `'${value}'` : value;
  return Object.entries(pins).map(([name, value]) => `${name} = ${written(value)}`).join(", ");
}

function readings(pins: Pins): string {
  return Object.keys(pins).map((name) => `@@SESSION.${name}`).join(", ");
}

/** A connection whose session is pinned. */
export interface Session {
  /** Runs a statement that returns no rows. */
  run(sql: string): Promise<unknown>;
  /** Reads the rows of a query. */
  query(sql: string): Promise<readonly (readonly (string | null)[])[]>;
}

/**
 * Pins a new connection's session.
 *
 * @param isReadOnly Whether the server is to refuse changes.
 * @returns The bytes of a statement at the most.
 * @throws {ConfigError} `session_not_pinned` if a variable has another value than it was given.
 */
export async function pinSession(session: Session, isReadOnly: boolean): Promise<number> {
  await session.run(SET);
  await session.run(
    `SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ${isReadOnly ? "ONLY" : "WRITE"}`,
  );
  const [[version, maxPacketBytes, ...found] = []] = await session.query(READ_BACK);
  const expected: Pins = {
    ...BOTH,
    "transaction isolation": ISOLATION,
    "transaction read only": isReadOnly ? 1 : 0,
    ...(/mariadb/i.test(String(version)) ? MARIADB : MYSQL),
  };
  for (const [i, [name, value]] of Object.entries(expected).entries()) {
    if (comparable(String(found[i])) === comparable(String(value))) continue;
    throw new ConfigError(
      "session_not_pinned",
      `Cannot use the database: it was told that ${name} is ${value} for this session, and it is ${
        found[i]
      }; ` +
        "something between here and the server changes statements: connect to the server itself",
    );
  }
  return Number(maxPacketBytes);
}

/** A set of words in one order. Numbers of seconds may have decimals. */
function comparable(value: string): string {
  return value.split(",").sort().join().replace(/\.0+$/, "");
}
