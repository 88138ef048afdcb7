/**
 * Standard error, shared by the log and the progress bar: a line that is written first clears the bar.
 *
 * @module
 */

/** Where lines for people go. */
export interface Terminal {
  /** Columns of the terminal; 0 where there is none. */
  readonly columns: number;
  /** Writes a line. */
  writeLine(text: string): void;
  /** Shows a text in place on the last line; an empty one takes it away. Nothing where there is no terminal. */
  showBar(text: string): void;
}

/** A bar needs at least this many columns; a Pod with `tty: true` has a terminal of 0. */
const LEAST_COLUMNS = 40;
const CLEAR_LINE = "\r\x1b[K";

/** Standard error of this process. */
export function openTerminal(): Terminal {
  const encoder = new TextEncoder();
  const columns = terminalColumns();
  let bar = "";
  const write = (text: string) => {
    const bytes = encoder.encode(text);
    try {
      for (let written = 0; written < bytes.length;) {
        written += Deno.stderr.writeSync(bytes.subarray(written));
      }
    } catch {
      // Nobody reads stderr any more (a closed pipe): the run itself must go on.
    }
  };
  return {
    columns,
    writeLine(text) {
      write(bar === "" ? `${text}\n` : `${CLEAR_LINE}${text}\n${bar}`);
    },
    showBar(text) {
      if (columns === 0 || text === bar) return;
      write(CLEAR_LINE + text);
      bar = text;
    },
  };
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
