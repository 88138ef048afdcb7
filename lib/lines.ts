/**
 * The lines that a process writes on standard error: the log, what ended the process, and, as JSON, its summary.
 *
 * As JSON each of them is one object of the same form, so that whoever collects them meets nothing else. Secrets are
 * taken out by the terminal, before there is any syntax that this could break.
 *
 * @module
 */
import { messageOf } from "./errors.ts";
import type { Position } from "./position.ts";
import type { Terminal } from "./terminal.ts";

/** Formats that can be chosen with `--log-format`. */
export const LOG_FORMATS = ["text", "json"] as const;

/** One of {@linkcode LOG_FORMATS}. */
export type LogFormat = (typeof LOG_FORMATS)[number];

/** How bad something is, from the least to the most. */
export type LineLevel = "trace" | "debug" | "info" | "warning" | "error" | "fatal";

/** A record of the log. */
export interface LogLine {
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  /** How bad it is. */
  readonly level: LineLevel;
  /** With the values in their places. */
  readonly message: string;
  /** The values by name. */
  readonly properties: Readonly<Record<string, unknown>>;
}

/** Where lines go. */
export interface Lines {
  /** Writes a record of the log. */
  write(line: LogLine): void;
  /** Says why the process ends; as text without time and level, and on as many lines as it has. */
  writeFailure(message: string): void;
  /** Writes the summary, which people get on standard output: as JSON only. */
  writeSummary(summary: object): void;
}

/** Lines of one process. */
export function openLines(
  terminal: Terminal,
  { format, position, now }: { format: LogFormat; position: Position; now: () => Date },
): Lines {
  const writeRecord = (level: LineLevel, message: string, rest: object, timestamp = now().getTime()) =>
    terminal.writeRecord({
      time: new Date(timestamp).toISOString(),
      level,
      message,
      runId: position.runId,
      stage: position.stage,
      attempt: position.attempt,
      ...rest,
    });
  return {
    write({ timestamp, level, message, properties }) {
      if (format === "json") {
        writeRecord(level, message, { properties: plain(properties) }, timestamp);
      } else {
        const time = new Date(timestamp).toISOString();
        terminal.writeLine(`${time} ${level.toUpperCase().padEnd(7)} ${message}`);
      }
    },
    writeFailure(message) {
      if (format === "json") writeRecord("error", message, {});
      else terminal.writeLine(message);
    },
    writeSummary(summary) {
      if (format === "json") writeRecord("info", "Summary", { summary });
    },
  };
}

/** As JSON can hold it. */
function plain(value: unknown): unknown {
  const replace = (_: string, held: unknown) => {
    if (held instanceof Error) return messageOf(held);
    return typeof held === "bigint" ? String(held) : held;
  };
  return JSON.parse(JSON.stringify(value, replace));
}
