/**
 * The log: lines on stderr, built in one place. How they look is `lines.ts`.
 *
 * Every sink is made by {@linkcode redactingSink}: fields that are called like a secret or a personal detail are hidden
 * there by their names. Known secrets, whatever they are called, the terminal takes out of every line.
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
import { REDACTED } from "../secrets/secret.ts";
import { visible } from "../text.ts";

/** Where stages and helpers write what happens. Messages have `{placeholders}` for their properties. */
export type Log = Logger;

/** Levels that can be chosen with `--log-level`, from the most to the least. */
export const LOG_LEVELS = ["debug", "info", "warning", "error"] as const satisfies readonly LogLevel[];

/** One of {@linkcode LOG_LEVELS}. */
export type LogThreshold = (typeof LOG_LEVELS)[number];

/** What a field is called that may hold a secret: of the configuration, of a driver, of a request. */
const SECRET_NAMES =
  /pass(word|wd|phrase|code)|secret|credential|authorization|cookie|signature|(api|access|private|session|config)_?key|(access|session|security|auth)_?token/i;
/** Columns of the dimensions that tell something about a person. */
const PERSONAL_NAMES =
  /^((sales_person_|store_manager_|manager_)?(first_|last_|full_)?name|(sales_person_)?(address|pincode)|phone(_number)?)$/i;

/** A sink that gets records without the values of fields that are called like secrets or personal details. */
function redactingSink(sink: Sink): Sink {
  return redactByField(sink, { fieldPatterns: [SECRET_NAMES, PERSONAL_NAMES], action: () => REDACTED });
}

/** Opens the log of this process. */
export async function openLog(lines: Lines, threshold: LogThreshold): Promise<Log> {
  await configure({
    reset: true,
    sinks: { stderr: redactingSink((record) => lines.write({ ...record, message: messageIn(record) })) },
    loggers: [
      { category: ["nightly-marts"], sinks: ["stderr"], lowestLevel: threshold },
      { category: ["logtape", "meta"], sinks: [], lowestLevel: "fatal" },
    ],
  });
  return getLogger(["nightly-marts"]);
}

/** Line ends within values are shown as escapes, so that none can forge a line. Every second part is a value. */
function messageIn({ message }: LogRecord): string {
  return message.map((part, index) => index % 2 === 0 ? part : formatValue(part)).join("");
}

function formatValue(value: unknown): string {
  if (typeof value === "string") return visible(value);
  return visible(value instanceof Error ? messageOf(value) : JSON.stringify(value) ?? String(value));
}
