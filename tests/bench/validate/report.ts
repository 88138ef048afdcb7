/**
 * What `deno task bench --validate` prints: a table for each scenario, and whether the aims are met.
 *
 * @module
 */
import type { Usage } from "../measure.ts";
import { compare, count, type MemoryLimit, MIB, mib, quotient, row, seconds, verdict } from "../report.ts";

/** At most so many times the plain script, or so much time. */
export type Aim =
  | { readonly kind: "ratio"; readonly most: number }
  | { readonly kind: "time"; readonly mostMs: number };

/** What was measured of a scenario. */
export interface Measured {
  readonly name: string;
  readonly title: string;
  /** As delivered. */
  readonly rowCount: number;
  readonly fileCount: number;
  readonly sizeBytes: number;
  /** Whether the aim is about this size. */
  readonly isFullSize: boolean;
  /** Besides the one for memory. */
  readonly aim: Aim | null;
  /** The processes whose time counts, one after the other. */
  readonly steps: readonly (Usage & { readonly name: string })[];
  /** `null` where there is no plain script beside it. */
  readonly plain: Usage | null;
  /** As validate counted them. */
  readonly rows: { readonly read: number; readonly accepted: number; readonly rejected: number };
  /** What is not as it has to be, in words. */
  readonly differences: readonly string[];
}

/** What the runtime may take beside DuckDB, in MiB: what `auto` leaves it of a container's memory. */
const RUNTIME_MIB = 320;

/** The table of one scenario. */
export function renderMeasured(measured: Measured, limit: MemoryLimit): string {
  const { name, title, rowCount, fileCount, sizeBytes, steps, plain, rows } = measured;
  const total = totalOf(steps);
  const columns = [...steps, ...(steps.length > 1 ? [{ name: "together", ...total }] : [])];
  const line = (label: string, pick: (usage: Usage) => number | null, show: (value: number) => string) =>
    row(
      label,
      ...(plain ? compare(pick(total), pick(plain), show) : columns.map((usage) => shown(pick(usage), show))),
    );
  const lines = [
    `${name}: ${title}; ${count(rowCount)} rows, ${count(fileCount)} ${
      fileCount === 1 ? "file" : "files"
    }, ` +
    mib(sizeBytes),
    "",
    row("", ...(plain ? ["validate", "plain", "ratio"] : columns.map((step) => step.name))),
    line("time", (usage) => usage.durationMs, seconds),
    line("processor time", (usage) => usage.cpuMs, seconds),
    line("peak memory, process tree", (usage) => usage.peakBytes, mib),
    row(`limit (${limit.configured} + ${RUNTIME_MIB} MiB)`, mib(memoryAim(limit))),
    "",
    `${count(rows.read)} rows read = ${count(rows.accepted)} accepted + ${count(rows.rejected)} rejected: ` +
    (measured.differences.join("; ") || "as delivered"),
  ];
  return lines.join("\n") + "\n\n";
}

/** One line that says of each aim whether it is met. */
export function renderAims(all: readonly Measured[], limit: MemoryLimit): string {
  const said = all.flatMap((measured) => measured.aim === null ? [] : [sayAim(measured, measured.aim)]);
  const memory = all.map(({ name, steps }) =>
    `${name} within ${mib(memoryAim(limit))}: ${verdict(totalOf(steps).peakBytes, memoryAim(limit), mib)}`
  );
  return `Aims: ${[...said, ...memory].join("; ")}\n`;
}

function sayAim({ name, isFullSize, steps, plain }: Measured, aim: Aim): string {
  const { durationMs } = totalOf(steps);
  if (aim.kind === "time") {
    const value = isFullSize ? durationMs : null;
    return `${name} at full size in ${seconds(aim.mostMs)}: ${verdict(value, aim.mostMs, seconds)}`;
  }
  const ratio = isFullSize ? quotient(durationMs, plain?.durationMs ?? null) : null;
  const what = `${name} at full size at most ${aim.most} times the plain script`;
  return `${what}: ${verdict(ratio, aim.most, (value) => value.toFixed(2))}`;
}

/** One after the other: times add up, of the memory it is the most. */
function totalOf(steps: readonly Usage[]): Usage {
  return {
    durationMs: steps.reduce((sum, { durationMs }) => sum + durationMs, 0),
    cpuMs: fold(steps.map(({ cpuMs }) => cpuMs), (a, b) => a + b),
    peakBytes: fold(steps.map(({ peakBytes }) => peakBytes), Math.max),
  };
}

function fold(values: readonly (number | null)[], join: (a: number, b: number) => number): number | null {
  return values.reduce((a, b) => a === null || b === null ? null : join(a, b));
}

function memoryAim({ mib: limitMib }: MemoryLimit): number {
  return (limitMib + RUNTIME_MIB) * MIB;
}

function shown(value: number | null, show: (value: number) => string): string {
  return value === null ? "not measured" : show(value);
}
