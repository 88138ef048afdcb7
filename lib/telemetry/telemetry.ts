/**
 * Traces and metrics through Deno's own OpenTelemetry. If `OTEL_DENO` has not turned that on, nothing is loaded, and
 * work is done as it is.
 *
 * It is the runtime that sends them, past this process's permissions; a collector that is down makes nothing fail.
 *
 * @module
 */
import type { Position } from "../output/position.ts";
import type { FileTracer } from "../run/context.ts";
import type { Manifest, StageName } from "../run/manifest.ts";
import type { Redactor } from "../secrets/redactor.ts";
import { openMeasures, placeOf } from "./measures.ts";
import { Spans } from "./spans.ts";
import { RunTrace } from "./trace.ts";

/** How a process's work is traced and measured. */
export interface Telemetry extends FileTracer {
  /** The runtime traces every request to a store by itself, with its URL: the sampler does not ask for whom it is. */
  readonly tracesRequests: boolean;
  /** Does a stage's work within a span that began at `start`. */
  stage<T>(start: Date, work: () => Promise<T>): Promise<T>;
  /** Records what a stage has done, once it is over. */
  measure(stage: StageName, durationMs: number, manifest: Manifest): void;
  /** Does something as a part of the run's trace; within a stage it is part of the stage. */
  within(work: () => void): void;
}

/** Traces and measures nothing. */
export const NO_TELEMETRY: Telemetry = {
  tracesRequests: false,
  stage: (_start, work) => work(),
  file: (_what, _key, work) => work(),
  measure: () => {},
  within: (work) => work(),
};

/** The telemetry of this process; {@linkcode NO_TELEMETRY} if it is not turned on. */
export async function openTelemetry(position: Position, redactor: Redactor): Promise<Telemetry> {
  // The API looks there for its providers, which the runtime has put there.
  if (!(Symbol.for("opentelemetry.js.api.1") in globalThis)) return NO_TELEMETRY;
  const api = await import("@opentelemetry/api");
  const trace = new RunTrace(api, position);
  const spans = new Spans({ api, trace, position, redactor });
  const record = openMeasures(api.metrics.getMeter("nightly-marts"));
  return {
    tracesRequests: spans.areAlwaysSampled,
    stage: (start, work) => spans.stage(start, work),
    file: (what, key, work, outcomeOf) => spans.file(what, key, work, outcomeOf),
    measure(stage, durationMs, manifest) {
      if (stage === "validate") spans.addFiles("validate file", manifest.files);
      record(stage, durationMs, manifest, placeOf(position));
    },
    within: (work) => trace.within(work),
  };
}
