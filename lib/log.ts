/**
 * The log: lines on stderr, built in one place.
 *
 * @module
 */
import { configure, getLogger, type Logger, type LogLevel, type LogRecord } from "@logtape/logtape";
import type { Terminal } from "./terminal.ts";
import { visible } from "./visible.ts";

/** Where stages and helpers write what happens. Messages have `{placeholders}` for their properties. */
export type Log = Logger;

/** Levels that can be chosen with `--log-level`, from the most to the least. */
export const LOG_LEVELS = ["debug", "info", "warning", "error"] as const satisfies readonly LogLevel[];

/** One of {@linkcode LOG_LEVELS}. */
export type LogThreshold = (typeof LOG_LEVELS)[number];

/** Opens the log of this process. */
export async function openLog(terminal: Terminal, threshold: LogThreshold): Promise<Log> {
  await configure({
    reset: true,
    sinks: { stderr: (record) => terminal.writeLine(formatRecord(record)) },
    loggers: [
      { category: ["nightly-marts"], sinks: ["stderr"], lowestLevel: threshold },
      { category: ["logtape", "meta"], sinks: [], lowestLevel: "fatal" },
    ],
  });
  return getLogger(["nightly-marts"]);
}

/** One line: time, level and message; line ends within values are shown as escapes, so that none can forge a line. */
function formatRecord(record: LogRecord): string {
  const time = new Date(record.timestamp).toISOString();
  const message = record.message.map((part) => typeof part === "string" ? part : formatValue(part)).join("");
  return `${time} ${record.level.toUpperCase().padEnd(7)} ${message}`;
}

function formatValue(value: unknown): string {
  return visible(typeof value === "string" ? value : JSON.stringify(value) ?? String(value));
}
