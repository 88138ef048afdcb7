/**
 * When the server got each statement of a commit, from its own log: the product has no way to be asked, and looking at
 * the process list now and then would miss the short ones.
 *
 * @module
 */
import type { Row } from "../../support/rows.ts";

/** A statement of the commit's connection. */
export interface Statement {
  /** Its first word and the table that it is about. */
  readonly name: string;
  /** When the server got it, in Unix time. */
  readonly atMs: number;
  /** Until the connection's next message, with what the client did meanwhile. */
  readonly durationMs: number;
}

type Sql = (...statements: readonly string[]) => Promise<Row[]>;

/** Has the server note every statement from now on. */
export async function startLog(sql: Sql): Promise<void> {
  await sql("SET GLOBAL log_output = 'TABLE'", "TRUNCATE mysql.general_log", "SET GLOBAL general_log = ON");
}

/** Ends the log, and gives the statements of the last connection that loaded something. */
export async function endLog(sql: Sql): Promise<Statement[]> {
  const rows = await sql(
    "SET GLOBAL general_log = OFF",
    `SELECT UNIX_TIMESTAMP(event_time), command_type, LEFT(argument, 200) FROM mysql.general_log
     WHERE thread_id = (SELECT MAX(thread_id) FROM mysql.general_log WHERE argument LIKE 'LOAD DATA%')
     ORDER BY event_time`,
  );
  return statementsOf(rows);
}

/** The statements of one connection, in order, from the log's rows: Unix time, kind of message, text. */
export function statementsOf(rows: readonly Row[]): Statement[] {
  const messages = rows.map(([seconds, kind, text]) => ({ atMs: 1000 * Number(seconds), kind, text }));
  return messages.flatMap(({ atMs, kind, text }, i) => {
    const next = messages[i + 1];
    if (kind !== "Query" || !next) return [];
    return [{ name: nameOf(String(text)), atMs, durationMs: next.atMs - atMs }];
  });
}

function nameOf(text: string): string {
  const [verb = ""] = text.trim().split(/\s/);
  const [table = ""] = /\b\w+_data_mart\b|\bpipeline_\w+|\bsource_file\b|\bpending_move\b/.exec(text) ?? [];
  return `${verb} ${table}`.trim();
}

/** A part of the commit: what it keeps locked differs. */
export interface Window {
  readonly name: string;
  readonly fromMs: number;
  readonly untilMs: number;
}

/**
 * The parts of a commit, one after the other.
 *
 * @throws where its statements are not as expected, so that no wait is given to the wrong part.
 */
export function windowsOf(statements: readonly Statement[]): Window[] {
  const last = (name: string) => {
    const found = statements.findLast((statement) => statement.name === name);
    if (!found) {
      throw new Error(`The commit ran no ${name}: ${statements.map(({ name }) => name).join(", ")}`);
    }
    return found;
  };
  const [first] = statements;
  const start = last("START"), lease = last("SELECT pipeline_lease"), commit = last("COMMIT");
  const ends = [
    { name: "staging", untilMs: start.atMs },
    { name: "adding", untilMs: lease.atMs },
    { name: "lease locked", untilMs: commit.atMs },
    { name: "COMMIT", untilMs: commit.atMs + commit.durationMs },
  ];
  return ends.map((end, i) => ({ ...end, fromMs: ends[i - 1]?.untilMs ?? first?.atMs ?? start.atMs }));
}
