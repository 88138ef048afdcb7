/**
 * Progress of long steps: a bar on a terminal, or a log line now and then if there is no terminal.
 *
 * @module
 */
import type { Log } from "./log.ts";
import type { Terminal } from "./terminal.ts";

/** A step that is under way; disposing of it ends it. */
export interface ProgressStep extends Disposable {
  /** Notes that one more of the step's items is done. */
  advance(): void;
  /** Notes which share of a step without items is done, from 0 to 1. */
  update(share: number): void;
}

/** What starts steps. */
export interface Progress {
  /** Starts a step. `label` says what is done, as in `downloading files`; `itemCount` how many items there are. */
  step(label: string, itemCount?: number): ProgressStep;
}

const LOG_INTERVAL_MS = 10_000;
const BAR_INTERVAL_MS = 100;
const BAR_WIDTH = 24;

/** Shows progress on the terminal or in the log. */
export function openProgress(terminal: Terminal, log: Log, monotonic: () => number): Progress {
  return {
    step(label, itemCount = 0) {
      let done = 0;
      let share = 0;
      let shownMs = monotonic();
      const show = () => {
        const now = monotonic();
        if (now - shownMs < (terminal.columns > 0 ? BAR_INTERVAL_MS : LOG_INTERVAL_MS)) return;
        shownMs = now;
        const percent = Math.floor(Math.min(1, share) * 100);
        const items = itemCount > 0 ? `, ${done} of ${itemCount}` : "";
        if (terminal.columns > 0) {
          const filled = Math.round(Math.min(1, share) * BAR_WIDTH);
          const bar = "█".repeat(filled) + "░".repeat(BAR_WIDTH - filled);
          terminal.showBar(
            `${bar} ${String(percent).padStart(3)} % ${label}${items}`.slice(0, terminal.columns - 1),
          );
        } else {
          log.info("{label}: {percent} %{items}", { label, percent, items });
        }
      };
      return {
        advance() {
          done++;
          share = itemCount > 0 ? done / itemCount : 0;
          show();
        },
        update(value) {
          share = value;
          show();
        },
        [Symbol.dispose]() {
          terminal.showBar("");
        },
      };
    },
  };
}
