/**
 * A collector of OpenTelemetry: a process of its own, since tests have no network, that takes OTLP as JSON.
 *
 * @module
 */
import { signal } from "./ending.ts";
import { REPOSITORY } from "./task.ts";

/** Attributes by name. */
export type Attributes = Readonly<Record<string, string | number | boolean>>;

/** A span. */
export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  /** Who made it: the program or the runtime. */
  readonly scope: string;
  readonly attributes: Attributes;
  /** What failed; `null` where nothing did. */
  readonly error: string | null;
}

/** The last value of a metric with these attributes. */
export interface Point {
  readonly name: string;
  readonly unit: string;
  readonly value: number;
  readonly attributes: Attributes;
}

/** A record of a log. */
export interface LogRecord {
  readonly traceId: string;
  readonly spanId: string;
  readonly severity: string;
  readonly body: string;
}

/** All that a collector got. */
export interface Received {
  readonly spans: Span[];
  readonly points: Point[];
  readonly logs: LogRecord[];
  /** Every text in it, also within what is JSON itself: where to look for a secret. */
  readonly texts: Set<string>;
}

/** A collector that listens. */
export interface Collector extends AsyncDisposable {
  /** What tasks have to be given. */
  readonly env: Readonly<Record<string, string>>;
  /** Stops listening; gives what it got. */
  stop(): Promise<Received>;
}

/** Prints its port, and then each request as a line of JSON. */
const SERVER = `
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: ({ port }) => console.log(port) }, async (request) => {
    console.log(JSON.stringify({ path: new URL(request.url).pathname, body: await request.text() }));
    return Response.json({});
  });
  Deno.addSignalListener("SIGTERM", () => server.shutdown());
  await server.finished;
`;

/** Takes connections and never answers. */
const SILENT = `
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  console.log(listener.addr.port);
  const held = [];
  for await (const connection of listener) held.push(connection);
`;

/** Starts a collector; a silent one takes connections and never answers. */
export async function startCollector({ silent = false } = {}): Promise<Collector> {
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-config", "--allow-net=127.0.0.1", "-"],
    cwd: REPOSITORY,
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = process.stdin.getWriter();
  await writer.write(new TextEncoder().encode(silent ? SILENT : SERVER));
  await writer.close();
  let text = "";
  const first = Promise.withResolvers<string>();
  const read = async () => {
    for await (const part of process.stdout.pipeThrough(new TextDecoderStream())) {
      text += part;
      if (text.includes("\n")) first.resolve(text.slice(0, text.indexOf("\n")));
    }
    first.reject(new Error("the collector ended before it listened"));
  };
  const end = read();
  const stop = async () => {
    signal(process, silent ? "SIGKILL" : "SIGTERM");
    await end;
    await process.status;
  };
  const env = {
    OTEL_DENO: "true",
    OTEL_DENO_CONSOLE: "replace",
    OTEL_TRACES_SAMPLER: "parentbased_always_on",
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    // What a busy machine has not sent by then is lost.
    OTEL_EXPORTER_OTLP_TIMEOUT: "60000",
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await first.promise}`,
    OTEL_SERVICE_NAME: "nightly-marts",
  };
  return {
    env,
    async stop() {
      await stop();
      return receivedFrom(text);
    },
    [Symbol.asyncDispose]: stop,
  };
}

/** In OTLP. */
const STATUS_ERROR = 2;

// deno-lint-ignore no-explicit-any
type Json = any;

function receivedFrom(text: string): Received {
  const received: Received = { spans: [], points: [], logs: [], texts: new Set() };
  for (const line of text.trimEnd().split("\n").slice(1)) {
    const { path, body } = JSON.parse(line);
    const content: Json = JSON.parse(body);
    collectTexts(content, received.texts);
    if (path === "/v1/traces") readSpans(content, received.spans);
    if (path === "/v1/metrics") readPoints(content, received.points);
    if (path === "/v1/logs") readLogs(content, received.logs);
  }
  return received;
}

function collectTexts(value: Json, texts: Set<string>): void {
  if (typeof value === "string") {
    texts.add(value);
    if (value.startsWith('{"')) collectTexts(JSON.parse(value), texts);
  } else if (typeof value === "object" && value !== null) {
    for (const held of Object.values(value)) collectTexts(held, texts);
  }
}

function readSpans(content: Json, spans: Span[]): void {
  for (const { scope, spans: found } of content.resourceSpans.flatMap((each: Json) => each.scopeSpans)) {
    for (const { traceId, spanId, parentSpanId, name, attributes, status } of found) {
      const error = status?.code === STATUS_ERROR ? status.message : null;
      const context = { traceId, spanId, parentSpanId: parentSpanId ?? "" };
      spans.push({ ...context, name, scope: scope.name, attributes: attributesOf(attributes), error });
    }
  }
}

function readPoints(content: Json, points: Point[]): void {
  for (const { metrics } of content.resourceMetrics.flatMap((each: Json) => each.scopeMetrics)) {
    for (const { name, unit, sum, gauge } of metrics) {
      for (const point of (sum ?? gauge)?.dataPoints ?? []) {
        const value = Number(point.asDouble ?? point.asInt);
        points.push({ name, unit, value, attributes: attributesOf(point.attributes) });
      }
    }
  }
}

function readLogs(content: Json, logs: LogRecord[]): void {
  for (const { logRecords } of content.resourceLogs.flatMap((each: Json) => each.scopeLogs)) {
    for (const { traceId, spanId, severityText, body } of logRecords) {
      logs.push({ traceId, spanId, severity: severityText, body: body.stringValue });
    }
  }
}

function attributesOf(list: Json = []): Attributes {
  return Object.fromEntries(list.map(({ key, value }: Json) => {
    const [kind, held] = Object.entries(value)[0] ?? [];
    return [key, kind === "intValue" ? Number(held) : held];
  }));
}
