/**
 * The spans of a run: one for each stage, and below it one for each file.
 *
 * What a span says comes from outside too (keys, errors): it loses its secrets and is cut before it is set.
 *
 * @module
 */
import type { Attributes, Span, Tracer } from "@opentelemetry/api";
import { messageOf, PipelineError } from "../errors.ts";
import type { Position } from "../output/position.ts";
import type { Redactor } from "../secrets/redactor.ts";
import type { SourceFile } from "../source_file.ts";
import { placeOf } from "./measures.ts";
import type { Api, RunTrace } from "./trace.ts";

/** A stage has so many spans of files at most. The runtime loses what is beyond 2,048 spans that it has not sent yet. */
export const MAX_FILE_SPANS = 1000;
/** An attribute has so many characters at most. */
const MAX_TEXT = 256;

/**
 * What spans are made with.
 *
 * @internal
 */
export interface SpanContext {
  /** OpenTelemetry's API. */
  readonly api: Api;
  /** The run's trace, which stages are a part of. */
  readonly trace: RunTrace;
  /** The run and the stage that this process works on; each span names them. */
  readonly position: Position;
  /** Takes the secrets out of keys and errors. */
  readonly redactor: Redactor;
}

/**
 * Makes the spans of one process.
 *
 * @internal
 */
export class Spans {
  readonly #context: SpanContext;
  readonly #tracer: Tracer;
  /** The newest stage: its span, and how many of its files have one. */
  #stage: { span: Span; start: Date; fileSpans: number } | null = null;

  /** Makes none yet. */
  constructor(context: SpanContext) {
    this.#context = context;
    this.#tracer = context.api.trace.getTracer("nightly-marts");
  }

  /** Whether the sampler takes spans that nobody wants, as the runtime's own of requests. */
  get areAlwaysSampled(): boolean {
    const { api: { TraceFlags }, trace } = this.#context;
    // A span that does not end is never sent.
    const { traceFlags } = this.#tracer.startSpan("unsampled", {}, trace.unsampled).spanContext();
    return (traceFlags & TraceFlags.SAMPLED) !== 0;
  }

  /** Does a stage's work within a span that began at `start`. */
  async stage<T>(start: Date, work: () => Promise<T>): Promise<T> {
    const { position, trace } = this.#context;
    const span = this.#tracer.startSpan(position.stage, { startTime: start }, trace.parent);
    this.#stage = { span, start, fileSpans: 0 };
    try {
      return await this.#traced(span, work, () => ({}));
    } finally {
      // At the end: download learns its attempt while it is at work.
      span.setAttributes(placeOf(position));
      span.end();
    }
  }

  /** Does the work on one file within a span; without one beyond {@linkcode MAX_FILE_SPANS} of a stage. */
  async file<T>(
    what: string,
    key: string,
    work: () => Promise<T>,
    outcomeOf: (result: T) => string,
  ): Promise<T> {
    const span = this.#startFile(what, key);
    if (span === null) return await work();
    try {
      return await this.#traced(
        span,
        work,
        (result) => ({ "nightly_marts.file.outcome": outcomeOf(result) }),
      );
    } finally {
      span.end();
    }
  }

  /**
   * Adds a span for each file of a stage that has worked on all of them together: as long as the stage. Those that were
   * not accepted come first, so that they are not among those beyond {@linkcode MAX_FILE_SPANS}.
   */
  addFiles(what: string, files: readonly SourceFile[]): void {
    const isAccepted = (file: SourceFile) => Number(file.status === "accepted");
    for (const file of files.toSorted((a, b) => isAccepted(a) - isAccepted(b))) {
      const span = this.#startFile(what, file.key, this.#stage?.start);
      if (span === null) return;
      span.setAttributes({
        "nightly_marts.file.outcome": file.reason ?? file.status ?? "unknown",
        "nightly_marts.file.rows_accepted": file.rowsAccepted,
        "nightly_marts.file.rows_rejected": file.rowsRejected,
      });
      span.end();
    }
  }

  #startFile(what: string, key: string, startTime?: Date): Span | null {
    const stage = this.#stage;
    if (stage === null || stage.fileSpans++ >= MAX_FILE_SPANS) return null;
    const { api: { trace, ROOT_CONTEXT }, position } = this.#context;
    const attributes = { ...placeOf(position), "nightly_marts.file.key": this.#textOf(key) };
    const options = startTime ? { attributes, startTime } : { attributes };
    return this.#tracer.startSpan(what, options, trace.setSpan(ROOT_CONTEXT, stage.span));
  }

  async #traced<T>(span: Span, work: () => Promise<T>, describe: (result: T) => Attributes): Promise<T> {
    const { api: { SpanStatusCode }, trace } = this.#context;
    try {
      const result = await trace.inSpan(span, work);
      span.setAttributes(describe(result));
      return result;
    } catch (error) {
      const name = error instanceof Error ? error.name : typeof error;
      span.setAttribute("error.type", error instanceof PipelineError ? error.code : name);
      span.setStatus({ code: SpanStatusCode.ERROR, message: this.#textOf(messageOf(error)) });
      throw error;
    }
  }

  /** The secrets go first, since half a secret is not recognised. */
  #textOf(text: string): string {
    return this.#context.redactor.redact(text).slice(0, MAX_TEXT).toWellFormed();
  }
}
