/**
 * Traces and metrics through Deno's own OpenTelemetry. Where `OTEL_DENO` has not turned that on nothing is loaded, and
 * work is done as it is.
 *
 * It is the runtime that sends them, past this process's permissions; a collector that is down makes nothing fail. The
 * stages of a run are processes that know nothing of each other: what holds them together is a trace whose id follows
 * from the run's.
 *
 * @module
 */
import type { Attributes, Context, Span } from "@opentelemetry/api";
import { createHash } from "node:crypto";
import { messageOf, PipelineError } from "../errors.ts";
import type { Manifest, StageName } from "../run/manifest.ts";
import { openMeasures, type Place } from "./measures.ts";
import type { Position } from "../output/position.ts";
import type { Redactor } from "../secrets/redactor.ts";
import type { FileTracer } from "../run/context.ts";

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

/** Spans of files in one stage. The runtime loses what is beyond 2,048 spans that it has not sent yet. */
export const MAX_FILE_SPANS = 1000;
/** Characters of an attribute. */
const MAX_TEXT = 256;

/** Traces and measures nothing. */
export const NO_TELEMETRY: Telemetry = {
  tracesRequests: false,
  stage: (_start, work) => work(),
  file: (_what, _key, work) => work(),
  measure: () => {},
  within: (work) => work(),
};

/** The telemetry of this process; {@linkcode NO_TELEMETRY} where it is not turned on. */
export async function openTelemetry(position: Position, redactor: Redactor): Promise<Telemetry> {
  // Where the API looks for its providers: the runtime puts them there.
  if (!(Symbol.for("opentelemetry.js.api.1") in globalThis)) return NO_TELEMETRY;
  const { context, metrics, ROOT_CONTEXT, SpanStatusCode, trace, TraceFlags } = await import(
    "@opentelemetry/api"
  );
  const tracer = trace.getTracer("nightly-marts");
  /** The stage's span, the newest one. */
  let newest: { span: Span; start: Date; fileSpans: number } | null = null;

  const textOf = (text: string) => redactor.redact(text).slice(0, MAX_TEXT).toWellFormed();
  const placeOf = ({ runId, stage, attempt }: Position): Place => ({
    ...(runId === null ? {} : { "nightly_marts.run_id": runId }),
    "nightly_marts.stage": stage,
    ...(attempt === null ? {} : { "nightly_marts.attempt": attempt }),
  });
  const contextOf = (runId: string, traceFlags: number): Context =>
    trace.setSpanContext(ROOT_CONTEXT, { ...traceOf(runId), traceFlags, isRemote: true });

  /** As the span's part, but unsampled: a sampler that asks for that leaves out the runtime's own spans. */
  const inSpan = <T>(span: Span, work: () => T): T =>
    context.with(
      trace.setSpanContext(ROOT_CONTEXT, { ...span.spanContext(), traceFlags: TraceFlags.NONE }),
      work,
    );

  const traced = async <T>(span: Span, work: () => Promise<T>, describe: (result: T) => Attributes) => {
    try {
      const result = await inSpan(span, work);
      span.setAttributes(describe(result));
      return result;
    } catch (error) {
      const name = error instanceof Error ? error.name : typeof error;
      span.setAttribute("error.type", error instanceof PipelineError ? error.code : name);
      span.setStatus({ code: SpanStatusCode.ERROR, message: textOf(messageOf(error)) });
      throw error;
    }
  };

  const startFileSpan = (what: string, key: string, startTime?: Date): Span | null => {
    if (newest === null || newest.fileSpans++ >= MAX_FILE_SPANS) return null;
    const attributes = { ...placeOf(position), "nightly_marts.file.key": textOf(key) };
    const options = startTime ? { attributes, startTime } : { attributes };
    return tracer.startSpan(what, options, trace.setSpan(ROOT_CONTEXT, newest.span));
  };

  /** Files are validated together: each has a span as long as the stage. Those that were not accepted come first. */
  const traceFiles = (files: Manifest["files"]) => {
    const isAccepted = (file: Manifest["files"][number]) => Number(file.status === "accepted");
    for (const file of files.toSorted((a, b) => isAccepted(a) - isAccepted(b))) {
      const span = startFileSpan("validate file", file.key, newest?.start);
      if (span === null) return;
      span.setAttributes({
        "nightly_marts.file.outcome": file.reason ?? file.status ?? "unknown",
        "nightly_marts.file.rows_accepted": file.rowsAccepted,
        "nightly_marts.file.rows_rejected": file.rowsRejected,
      });
      span.end();
    }
  };

  const record = openMeasures(metrics.getMeter("nightly-marts"));
  // One that does not end is never sent.
  const unsampled = tracer.startSpan("unsampled", {}, contextOf("", TraceFlags.NONE)).spanContext();
  return {
    tracesRequests: (unsampled.traceFlags & TraceFlags.SAMPLED) !== 0,
    async stage(start, work) {
      const parent = position.runId === null ? ROOT_CONTEXT : contextOf(position.runId, TraceFlags.SAMPLED);
      const span = tracer.startSpan(position.stage, { startTime: start }, parent);
      newest = { span, start, fileSpans: 0 };
      try {
        return await traced(span, work, () => ({}));
      } finally {
        // At the end: download learns its attempt while it is at work.
        span.setAttributes(placeOf(position));
        span.end();
      }
    },
    async file(what, key, work, outcomeOf) {
      const span = startFileSpan(what, key);
      if (span === null) return await work();
      try {
        return await traced(span, work, (result) => ({ "nightly_marts.file.outcome": outcomeOf(result) }));
      } finally {
        span.end();
      }
    },
    measure(stage, durationMs, manifest) {
      if (stage === "validate") traceFiles(manifest.files);
      record(stage, durationMs, manifest, placeOf(position));
    },
    within(work) {
      if (position.runId === null || trace.getSpanContext(context.active())) work();
      else context.with(contextOf(position.runId, TraceFlags.NONE), work);
    },
  };
}

/** The trace of a run, and the span that all of its stages are part of: the SHA-256 of the run's id. */
function traceOf(runId: string): { traceId: string; spanId: string } {
  const hash = createHash("sha256").update(runId).digest("hex");
  return { traceId: hash.slice(0, 32), spanId: hash.slice(32, 48) };
}
