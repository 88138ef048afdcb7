/**
 * The lines that a process writes on standard error: the log, what ended the process, and, as JSON, its summary.
 *
 * As JSON each of them is one object of the same form, so that whoever collects them meets nothing else. Secrets are
 * taken out by the terminal, before there is any syntax that this could break.
 *
 * @module
 */
import { messageOf } from "../errors.ts";
import type { Position } from "./position.ts";
import type { ConsoleLevel, Terminal } from "./terminal.ts";

/** Formats that can be chosen with `--log-format`. */
export const LOG_FORMATS = ["text", "json"] as const;

/** One of {@linkcode LOG_FORMATS}. */
export type LogFormat = (typeof LOG_FORMATS)[number];

/** How bad something is, from the least to the most. */
export type LineLevel = "trace" | "debug" | "info" | "warning" | "error" | "fatal";

/** The console's level for each level of a line. */
const LEVELS: Readonly<Record<LineLevel, ConsoleLevel>> = {
  trace: "debug",
  debug: "debug",
  info: "info",
  warning: "warn",
  error: "error",
  fatal: "error",
};

/** A record of the log. */
export interface LogLine {
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  /** How bad what it says is. */
  readonly level: LineLevel;
  /** The text, with the values in their places. */
  readonly message: string;
  /** The values by name. */
  readonly properties: Readonly<Record<string, unknown>>;
}

/** The lines of one process, on their way to the terminal and to the exporter of logs. */
export interface Lines {
  /** Writes a record of the log. */
  write(line: LogLine): void;
  /** Says why the process ends; as text without time and level, and on as many lines as it has. */
  writeError(message: string): void;
  /** Writes the summary, which people get on standard output: as JSON only. */
  writeSummary(summary: object): void;
}

/** How the lines of a process are written. */
export interface LineOptions {
  /** The format on standard error; the exporter of logs always gets JSON. */
  readonly format: LogFormat;
  /** The run and the stage that this process works on; each line names them. */
  readonly position: Position;
  /** Exports a line as a part of the run's trace. */
  readonly within: (work: () => void) => void;
  /** The wall clock, for lines that are no record of the log. */
  readonly now: () => Date;
}

/** Opens the lines of one process. */
export function openLines(terminal: Terminal, { format, position, within, now }: LineOptions): Lines {
  const say = (level: LineLevel, message: string, { text, timestamp = now().getTime(), rest = {} }: {
    /** The text for people, by its time; left out: nothing is written for them. */
    text?: (time: string) => string;
    timestamp?: number;
    rest?: object;
  }) => {
    const time = new Date(timestamp).toISOString();
    const { runId, stage, attempt } = position;
    const record = { time, level, message, runId, stage, attempt, ...rest };
    if (format === "json") terminal.writeRecord(record);
    else if (text) terminal.writeLine(text(time));
    within(() => terminal.exportRecord(LEVELS[level], record));
  };
  return {
    write({ timestamp, level, message, properties }) {
      const text = (time: string) => `${time} ${level.toUpperCase().padEnd(7)} ${message}`;
      say(level, message, { text, timestamp, rest: { properties: plain(properties) } });
    },
    writeError(message) {
      say("error", message, { text: () => message });
    },
    writeSummary(summary) {
      say("info", "Summary", { rest: { summary } });
    },
  };
}

/** The value as JSON can hold it. */
function plain(value: unknown): unknown {
  const replace = (_: string, held: unknown) => {
    if (held instanceof Error) return messageOf(held);
    return typeof held === "bigint" ? String(held) : held;
  };
  return JSON.parse(JSON.stringify(value, replace));
}
