/**
 * The trace of a run. The stages of a run are processes that know nothing of each other: what holds them together is a
 * trace whose id follows from the run's.
 *
 * @module
 */
import type { Context, Span } from "@opentelemetry/api";
import { createHash } from "node:crypto";
import type { Position } from "../output/position.ts";

/** OpenTelemetry's API, which is loaded only if it is turned on. */
export type Api = typeof import("@opentelemetry/api");

/**
 * The trace of the run that a process is a part of, as soon as the run is known.
 *
 * @internal
 */
export class RunTrace {
  readonly #api: Api;
  readonly #position: Position;

  /** `position` is read each time: the run's id comes into it later. */
  constructor(api: Api, position: Position) {
    this.#api = api;
    this.#position = position;
  }

  /** What the span of a stage is a part of: the run, or nothing if there is none yet. */
  get parent(): Context {
    const { ROOT_CONTEXT, TraceFlags } = this.#api;
    const { runId } = this.#position;
    return runId === null ? ROOT_CONTEXT : this.#contextOf(runId, TraceFlags.SAMPLED);
  }

  /** Does something as a part of the run; within a span it is part of that. */
  within(work: () => void): void {
    const { context, trace, TraceFlags } = this.#api;
    const { runId } = this.#position;
    if (runId === null || trace.getSpanContext(context.active())) work();
    else context.with(this.#contextOf(runId, TraceFlags.NONE), work);
  }

  /** Does work as a span's part, but unsampled: a sampler that asks for that leaves out the runtime's own spans. */
  inSpan<T>(span: Span, work: () => T): T {
    const { context, trace, ROOT_CONTEXT, TraceFlags } = this.#api;
    const unsampled = { ...span.spanContext(), traceFlags: TraceFlags.NONE };
    return context.with(trace.setSpanContext(ROOT_CONTEXT, unsampled), work);
  }

  /** A context in which no span is wanted; a span there shows what the sampler does with that. */
  get unsampled(): Context {
    return this.#contextOf("", this.#api.TraceFlags.NONE);
  }

  #contextOf(runId: string, traceFlags: number): Context {
    const { trace, ROOT_CONTEXT } = this.#api;
    return trace.setSpanContext(ROOT_CONTEXT, { ...idsOf(runId), traceFlags, isRemote: true });
  }
}

/** The trace of a run, and the span that all of its stages are part of: the SHA-256 of the run's id. */
function idsOf(runId: string): { traceId: string; spanId: string } {
  const hash = createHash("sha256").update(runId).digest("hex");
  return { traceId: hash.slice(0, 32), spanId: hash.slice(32, 48) };
}
