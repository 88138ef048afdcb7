/**
 * Standard output and error. Everything that the process says passes here, and loses its secrets here; the prompts of
 * `secrets/prompt.ts` alone go past it, which name the field that is asked for and nothing else.
 *
 * The log and the progress bar share standard error: a line that is written first clears the bar.
 *
 * @module
 */
import { format } from "node:util";
import { writeAllSync } from "../bytes.ts";
import type { Redactor } from "../secrets/redactor.ts";

/** Standard output and error, for people and for programs. */
export interface Terminal {
  /** Columns of the terminal that standard error is; 0 if it is none. */
  readonly columns: number;
  /** Writes a line to standard error. */
  writeLine(text: string): void;
  /** Writes a JSON object to standard error, on one line. Its strings lose their secrets; its keys and syntax stay. */
  writeRecord(record: object): void;
  /** Hands a JSON object without its secrets to Deno's exporter of logs, if that has taken the console's place. */
  exportRecord(level: ConsoleLevel, record: object): void;
  /** Shows a text in place on the last line, if there is a terminal; an empty one takes it away. */
  showBar(text: string): void;
  /** Writes a result for people to standard output. */
  print(text: string): void;
  /** Writes a result for programs to standard output. Its strings lose their secrets; its keys and syntax stay. */
  printJson(value: unknown): void;
}

/** Levels that the console has. */
export type ConsoleLevel = "debug" | "info" | "warn" | "error";

/** A bar needs at least this many columns; a Pod with `tty: true` has a terminal of 0. */
const LEAST_COLUMNS = 40;
const CLEAR_LINE = "\r\x1b[K";

/**
 * Opens standard output and error of this process.
 *
 * @param options.bar `false`: no bar, even if there is a terminal.
 */
export function openTerminal(redactor: Redactor, { bar: hasBar = true } = {}): Terminal {
  const columns = hasBar ? terminalColumns() : 0;
  // With OTEL_DENO_CONSOLE=replace the console prints nothing: the runtime has put an exporter in the place of V8's.
  const exporter = "createTask" in console ? null : { ...console };
  let bar = "";
  const write = (text: string) => {
    try {
      writeText(Deno.stderr, text);
    } catch {
      // Nobody reads standard error any more (a closed pipe): the run itself must go on.
    }
  };
  const writeLine = (line: string) => write(bar === "" ? `${line}\n` : `${CLEAR_LINE}${line}\n${bar}`);
  return {
    columns,
    writeLine: (text) => writeLine(redactor.redact(text)),
    writeRecord: (record) => writeLine(JSON.stringify(redactor.redactValue(record))),
    exportRecord(level, record) {
      exporter?.[level](JSON.stringify(redactor.redactValue(record)));
    },
    showBar(text) {
      const shown = redactor.redact(text);
      if (columns === 0 || shown === bar) return;
      write(CLEAR_LINE + shown);
      bar = shown;
    },
    print(text) {
      writeText(Deno.stdout, redactor.redact(text));
    },
    printJson(value) {
      writeText(Deno.stdout, JSON.stringify(redactor.redactValue(value), null, 1) + "\n");
    },
  };
}

/** From now on whatever a library writes to the console goes to `say`, since no secret is taken out of it there. */
export function redirectConsole(say: (level: ConsoleLevel, message: string) => void): void {
  const levels = {
    trace: "debug",
    debug: "debug",
    log: "info",
    info: "info",
    warn: "warn",
    error: "error",
  } as const;
  for (const [method, level] of Object.entries(levels)) {
    Object.assign(console, { [method]: (...args: unknown[]) => say(level, format(...args)) });
  }
}

function writeText(output: { writeSync(bytes: Uint8Array): number }, text: string): void {
  writeAllSync(output, new TextEncoder().encode(text));
}

function terminalColumns(): number {
  if (!Deno.stderr.isTerminal()) return 0;
  try {
    const { columns } = Deno.consoleSize();
    return columns >= LEAST_COLUMNS ? columns : 0;
  } catch {
    return 0;
  }
}
