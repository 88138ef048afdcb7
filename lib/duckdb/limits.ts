/**
 * How much memory DuckDB gets. Its own default knows nothing of the runtime beside it, which a container's limit counts
 * too: that container would be killed.
 *
 * @example
 * ```ts
 * console.assert(memoryLimitMib("2GiB", "1.6 GiB") === 2048);
 * console.assert(memoryLimitMib("auto", "1.6 GiB") === 1126);
 * ```
 * @module
 */

/** Share of the detected memory that DuckDB's own default takes (DuckDB, configuration reference: memory_limit). */
const DEFAULT_MEMORY_SHARE = 0.8;
/** Share of the memory for DuckDB; above it the container was killed at 10 M rows. */
const MEMORY_SHARE = 0.55;
/** Deno with its heap and the driver's library, in MiB. */
const RUNTIME_MIB = 320;
/** DuckDB cannot work with less, in MiB. */
const LEAST_MIB = 64;

/**
 * DuckDB's memory limit in MiB.
 *
 * @param configured `auto`, which leaves room for the runtime, or a size such as `2GiB`.
 * @param duckdbDefault The limit that DuckDB has set itself, as it writes it: `1.6 GiB`.
 * @throws {RangeError} if one of the two is no size.
 */
export function memoryLimitMib(configured: string, duckdbDefault: string): number {
  if (configured !== "auto") return Math.max(LEAST_MIB, Math.floor(parseSizeMib(configured)));
  const available = parseSizeMib(duckdbDefault) / DEFAULT_MEMORY_SHARE;
  // A share alone would leave too little beside a small DuckDB, a fixed rest too little beside a large one.
  return Math.max(LEAST_MIB, Math.floor(Math.min(MEMORY_SHARE * available, available - RUNTIME_MIB)));
}

function parseSizeMib(text: string): number {
  const [, count, unit = "", binary] = /^([\d.]+) ?([KMGT]?)(i?)B/i.exec(text) ?? [];
  if (count === undefined) throw new RangeError(`Cannot read the size ${text}`);
  const bytes = Number(count) * (binary ? 1024 : 1000) ** " KMGT".indexOf(unit.toUpperCase() || " ");
  return bytes / (1024 * 1024);
}
