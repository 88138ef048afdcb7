/**
 * The log: lines on stderr, built in one place. How they look is `lines.ts`.
 *
 * Fields that are called like a secret or a personal detail are hidden here by their names. Known secrets, whatever they
 * are called, the terminal takes out of every line.
 *
 * @module
 */
import {
  configure,
  getLogger,
  type Logger,
  type LogLevel,
  type LogRecord,
  type Sink,
} from "@logtape/logtape";
import { redactByField } from "@logtape/redaction";
import { messageOf } from "../errors.ts";
import type { Lines } from "./lines.ts";
import type { PersonalFields } from "./personal.ts";
import { REDACTED } from "../secrets/secret.ts";
import { visible } from "../text.ts";

/** The log that stages and what they call write to. Messages have `{placeholders}` for their properties. */
export type Log = Logger;

/** Levels that can be chosen with `--log-level`, from the one that says most to the one that says least. */
export const LOG_LEVELS = ["debug", "info", "warning", "error"] as const satisfies readonly LogLevel[];

/** One of {@linkcode LOG_LEVELS}. */
export type LogThreshold = (typeof LOG_LEVELS)[number];

/** What fields of the configuration, of a driver or of a request are called that may hold a secret. */
const SECRET_NAMES =
  /pass(word|wd|phrase|code)|secret|credential|authorization|cookie|signature|(api|access|private|session|config)_?key|(access|session|security|auth)_?token/i;

/** What the log of a process is made with. */
export interface LogOptions {
  /** The least level that is written. */
  readonly threshold: LogThreshold;
  /** The fields that are hidden because they tell something about a person. */
  readonly personal: PersonalFields;
}

/** Opens the log of this process. */
export async function openLog(lines: Lines, { threshold, personal }: LogOptions): Promise<Log> {
  const write: Sink = (record) => lines.write({ ...record, message: messageIn(record) });
  await configure({
    reset: true,
    // Made anew for each record: the personal fields may have become more.
    sinks: { stderr: (record) => redactingSink(write, personal)(record) },
    loggers: [
      { category: ["nightly-marts"], sinks: ["stderr"], lowestLevel: threshold },
      { category: ["logtape", "meta"], sinks: [], lowestLevel: "fatal" },
    ],
  });
  return getLogger(["nightly-marts"]);
}

/** A sink that gets records without the values of fields that are called like secrets or personal details. */
function redactingSink(sink: Sink, { pattern }: PersonalFields): Sink {
  return redactByField(sink, { fieldPatterns: [SECRET_NAMES, pattern], action: () => REDACTED });
}

/** Line ends within values are shown as escapes, so that none can forge a line. Every second part is a value. */
function messageIn({ message }: LogRecord): string {
  return message.map((part, index) => index % 2 === 0 ? part : formatValue(part)).join("");
}

function formatValue(value: unknown): string {
  if (typeof value === "string") return visible(value);
  return visible(value instanceof Error ? messageOf(value) : JSON.stringify(value) ?? String(value));
}
