import { CreateMultipartUploadCommand, HeadObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createServer as createHttpServer } from "node:http";
import { connect, createServer, type Server, type Socket } from "node:net";
import pMap from "p-map";
import { AccessError, ConfigError, InterruptedError, UnavailableError } from "../../lib/errors.ts";
import { openS3Store, type S3Options } from "../../lib/store/s3/store.ts";
import { isVersion, type ObjectStore, type ObjectVersion } from "../../lib/store/store.ts";
import { removeAtEnd } from "../support/ending.ts";
import { listAll, put, read, readBytes, rejects, testObjectStore, text } from "../store/conformance.ts";
import { REPOSITORY } from "../support/task.ts";
import { finished, until } from "../support/waiting.ts";
import { FaultProxy } from "./fault_proxy.ts";
import { freePort } from "./free_port.ts";
import { type BucketConfig, type FreshBucket, s3ConfigOf, S3Server } from "./s3_server.ts";

let server: S3Server;
Deno.test.beforeAll(async () => {
  server = await S3Server.start();
});
Deno.test.afterAll(() => server?.[Symbol.asyncDispose]());

testObjectStore("s3", () => openFresh());

/** A store on a bucket of its own. */
async function openFresh(options: S3Options = {}, bucket?: FreshBucket) {
  const fresh = bucket ?? await server.freshBucket();
  const store = await openS3Store(s3ConfigOf(fresh.config), options);
  return {
    fresh,
    store,
    writeBehind: fresh.put,
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

/** A server between client and S3 server, which does something where a text comes by, before it goes on. */
async function between(direction: "up" | "down", text: string, act: (packet: Buffer, at: number) => unknown) {
  const listener = createServer((client) => {
    const upstream = connect(server.port, server.host);
    const [from, to] = direction === "up" ? [client, upstream] : [upstream, client];
    from.on("data", async (packet: Buffer) => {
      from.pause();
      const at = packet.indexOf(text);
      if (at >= 0) await act(packet, at);
      to.write(packet);
      from.resume();
    });
    to.pipe(from);
    for (const [one, other] of [[client, upstream], [upstream, client]] as const) {
      one.on("error", () => {}).on("close", () => other.destroy());
    }
  });
  return await listen(listener);
}

/** Changes a text on its way, as a device in bad repair does. */
async function garble(direction: "up" | "down", text: string, times = Infinity) {
  let happened = 0;
  const proxy = await between(direction, text, (packet, at) => {
    if (happened++ < times) packet[at]! ^= 1;
  });
  return { ...proxy, happened: () => Math.min(happened, times) };
}

/** Status and body of an answer. */
type Answer = readonly [status: number, body: string];

/** A server that gives the answers which a real one does not give on demand; they may depend on `METHOD URL`. */
async function answering(answer: (request: string) => Answer) {
  const requests: string[] = [];
  const http = createHttpServer((request, response) => {
    const line = `${request.method} ${request.url}`;
    requests.push(line);
    const [status, body] = answer(line);
    request.resume().on(
      "end",
      () => response.writeHead(status, { "content-type": "application/xml" }).end(body),
    );
  });
  return { ...await listen(http), requests };
}

/** A store on such a server, whose first request is answered by an empty listing. */
async function openAnswering(answer: (request: string) => Answer) {
  const other = await answering((request) =>
    /max-keys=1(&|$)/.test(request) ? [200, EMPTY_LISTING] : answer(request)
  );
  const { config } = via(await server.freshBucket(), other.endpoint);
  const store = await openS3Store(s3ConfigOf(config), { limits: FEW });
  other.requests.length = 0;
  return {
    store,
    requests: other.requests,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await other[Symbol.asyncDispose]();
    },
  };
}

const EMPTY_LISTING = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";

async function listen(listener: Server) {
  const sockets = new Set<Socket>();
  listener.on("connection", (socket: Socket) => void sockets.add(socket));
  await new Promise<void>((listening) => listener.listen(0, "127.0.0.1", listening));
  const address = listener.address();
  return {
    endpoint: `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((closed) => listener.close(closed));
    },
  };
}

/** A bucket that is reached by way of another address. */
function via(fresh: FreshBucket, endpoint: string): FreshBucket {
  return { ...fresh, config: { ...fresh.config, endpoint } };
}

/** A proxy that fails on command, and a bucket that is reached through it. */
async function behindFaults() {
  const fresh = await server.freshBucket();
  const proxy = await FaultProxy.start(server);
  return { fresh, proxy, remote: via(fresh, `http://${proxy.host}:${proxy.port}`) };
}

/** Few attempts, one soon after the other. */
const FEW = { resumeDelayMs: 1, maxAttempts: 2 };
/** Where the server falls silent: a busy one that is silent for so long by itself is only asked once more. */
const IMPATIENT = { ...FEW, silenceTimeoutMs: 2_000, answerTimeoutMs: 6_000 };
/** Where nothing but a signal may end the silence. */
const PATIENT = { silenceTimeoutMs: 2 ** 30, answerTimeoutMs: 2 ** 30 };
/** The least that S3 takes for a part that is not the last (Amazon S3 user guide). */
const SMALL_PARTS = { partBytes: 5 * 1024 ** 2, copyPartBytes: 5 * 1024 ** 2 };
const LARGE = 11 * 1024 ** 2 + 17;

function pattern(length: number): Buffer {
  // Not a power of two: no part looks like another.
  return Buffer.from(Uint8Array.from({ length }, (_, i) => i % 251));
}

async function temporaryFile(bytes: Uint8Array) {
  const path = await Deno.makeTempFile();
  await Deno.writeFile(path, bytes);
  return { path, [Symbol.asyncDispose]: () => removeAtEnd(path) };
}

/** Puts a large object in parts. */
async function putParts(store: ObjectStore, key: string, bytes: Uint8Array): Promise<ObjectVersion> {
  await using file = await temporaryFile(bytes);
  const written = await store.put(key, { file: file.path });
  assert.match(written!.etag, /-3$/);
  return written!;
}

/** Runs `act`, which must fail with an expected error of this code that gives no secret away. */
async function fails(
  kind: typeof AccessError | typeof ConfigError | typeof UnavailableError,
  code: string,
  act: () => Promise<unknown>,
) {
  const error = await act().then(() => assert.fail(`did not fail with ${code}`), (error) => error);
  assert.ok(error instanceof kind, Deno.inspect(error));
  assert.equal(error.code, code, error.message);
  assert.doesNotMatch(Deno.inspect(error, { depth: 10 }), /canary/);
  return error;
}

Deno.test("list() gives the mark of a folder as an object, and a key that has no spelling as a fault", async () => {
  await using under = await openFresh();
  await under.writeBehind("sales_data/", text(""));
  await under.writeBehind("sales_data/a.csv", text("x"));
  // versitygw lists it with a replacement character.
  await under.writeBehind("sales_data/\u0001.csv", text("x"));
  const entries = await listAll(under.store, "sales_data/");
  assert.deepEqual(entries.map((entry) => [entry.key, isVersion(entry) || entry.reason]), [
    ["sales_data/", true],
    ["sales_data/\ufffd.csv", "unhandled_key"],
    ["sales_data/a.csv", true],
  ]);
});

Deno.test("every operation refuses the key, when no server keeps it apart from others, or this one cannot", async () => {
  await using under = await openFresh();
  const { store } = under;
  const { etag } = await put(store, "a/b", "x");
  for (
    const key of [
      "",
      "/a/b",
      "a//b",
      "a/./b",
      "a/b/",
      "c/../a/b",
      "nul\0",
      "lone \ud800",
      "x".repeat(1025),
      "y".repeat(256),
    ]
  ) {
    const label = JSON.stringify(key.slice(0, 20));
    const error = await rejects("unhandled_key", () => put(store, key, "x"), label);
    assert.equal(error.key, key);
    await rejects("unhandled_key", () => store.head(key), label);
    await rejects("unhandled_key", () => store.get(key, { ifMatch: etag }), label);
    await rejects("unhandled_key", () => store.copy("a/b", key, { ifMatch: etag }), label);
    await rejects("unhandled_key", () => store.copy(key, "copy", { ifMatch: etag }), label);
    await rejects("unhandled_key", () => store.delete(key, { ifMatch: etag }), label);
  }
  // A file is in the way of a folder.
  await rejects("unhandled_key", () => put(store, "a/b/c", "x"));
  assert.deepEqual((await listAll(store, "")).map(({ key }) => key), ["a/b"]);
});

Deno.test("put() makes one object of the parts of a file, and leaves no upload open", async () => {
  await using under = await openFresh({ limits: SMALL_PARTS });
  const { store, fresh } = under;
  const bytes = pattern(LARGE);
  const written = await putParts(store, "large", bytes);
  assert.equal(written.sizeBytes, LARGE);
  assert.deepEqual(await listAll(store, ""), [written]);
  assert.ok(bytes.equals(await readBytes(store, written)));
  await using file = await temporaryFile(bytes);
  assert.equal(await store.put("large", { file: file.path }, { ifAbsent: true }), null);
  const other = await store.put("other", { file: file.path }, { ifAbsent: true });
  assert.deepEqual(await store.head("other"), other);
  assert.deepEqual(await fresh.openUploads(), []);
});

Deno.test("put() leaves no object and no upload, when it fails between the parts", async () => {
  const { fresh, proxy, remote } = await behindFaults();
  await using _ = proxy;
  await using under = await openFresh({ limits: { ...SMALL_PARTS, ...FEW } }, remote);
  await using file = await temporaryFile(pattern(LARGE));
  proxy.fault = { direction: "up", at: "partNumber=2", then: "cut" };
  await fails(UnavailableError, "store_unavailable", () => under.store.put("large", { file: file.path }));
  assert.ok(proxy.happened > 0);
  proxy.fault = null;
  assert.equal(await under.store.head("large"), null);
  assert.deepEqual(await fresh.openUploads(), []);
  // The file becomes shorter.
  const { promise, resolve } = Promise.withResolvers<void>();
  proxy.answersHeld = promise;
  const uploading = under.store.put("large", { file: file.path });
  await until("the upload is begun", async () => (await fresh.openUploads()).length > 0, uploading);
  await Deno.truncate(file.path, 100);
  resolve();
  await assert.rejects(uploading, /has become shorter/);
  assert.deepEqual(await fresh.openUploads(), []);
  assert.deepEqual(await listAll(under.store, ""), []);
});

Deno.test("put() says so, when the file is missing or may not be read", async () => {
  await using under = await openFresh();
  await assert.rejects(under.store.put("k", { file: "/missing/file" }), Deno.errors.NotFound);
  await assert.rejects(under.store.put("k", { file: "/" }));
  assert.equal(await under.store.head("k"), null);
});

Deno.test("put() sends the bytes again, when they were changed on the way", async () => {
  const fresh = await server.freshBucket();
  for (const times of [1, Infinity]) {
    await using garbler = await garble("up", "the content", times);
    await using under = await openFresh(
      { limits: { ...FEW, maxAttempts: 3 } },
      via(fresh, garbler.endpoint),
    );
    const written = put(under.store, "k", "the content");
    if (times === 1) assert.equal(await read(under.store, await written), "the content");
    else await fails(UnavailableError, "transfer_failed", () => written);
    assert.equal(garbler.happened(), times === 1 ? 1 : 3);
  }
});

Deno.test("put() fails rather than to give another's version, when the object is replaced or deleted at once", async () => {
  const { fresh, proxy, remote } = await behindFaults();
  await using _ = proxy;
  await using under = await openFresh({}, remote);
  const { promise, resolve } = Promise.withResolvers<void>();
  proxy.answersHeld = promise;
  const writing = put(under.store, "k", "mine");
  await until("the object is written", async () => (await fresh.versions()).length > 0, writing);
  await fresh.put("k", text("theirs"));
  resolve();
  await fails(UnavailableError, "taken_over", () => writing);
});

Deno.test("copy() makes one object of parts, with its description, when the object is large", async () => {
  await using under = await openFresh({ limits: SMALL_PARTS });
  const { store, fresh } = under;
  const Metadata = { origin: "store 121" };
  const bytes = pattern(LARGE);
  const at = { Bucket: fresh.name, Key: "odd +%\u00e9.csv" };
  await server.client.send(new PutObjectCommand({ ...at, Body: bytes, ContentType: "text/csv", Metadata }));
  const source = (await store.head(at.Key))!;
  const copied = await store.copy(at.Key, "copy", { ifMatch: source.etag });
  assert.match(copied.etag, /-3$/);
  assert.deepEqual(await store.head("copy"), copied);
  assert.ok(bytes.equals(await readBytes(store, copied)));
  const head = await server.client.send(new HeadObjectCommand({ Bucket: fresh.name, Key: "copy" }));
  assert.deepEqual([head.ContentType, head.Metadata], ["text/csv", Metadata]);
  await rejects("changed", () => store.copy(at.Key, "copy2", { ifMatch: copied.etag }));
  assert.deepEqual(await fresh.openUploads(), []);
  assert.equal(await store.head("copy2"), null);
});

Deno.test("copy() and delete() act on no other version, when the object is replaced after they have looked", async () => {
  for (const large of [false, true]) {
    const fresh = await server.freshBucket();
    const bytes = pattern(large ? LARGE : 10);
    /** Replaces the object while the request that begins so is on its way. */
    const during = async (
      request: string,
      act: (store: ObjectStore, ifMatch: string) => Promise<unknown>,
    ) => {
      await fresh.put("k", bytes);
      let times = 0;
      await using proxy = await between("up", request, () => times++ || fresh.put("k", bytes.toReversed()));
      await using under = await openFresh({ limits: large ? SMALL_PARTS : {} }, via(fresh, proxy.endpoint));
      const { etag } = (await under.store.head("k"))!;
      await rejects("changed", () => act(under.store, etag), request);
      assert.ok(times > 0, request);
      assert.equal(await under.store.head("copy"), null);
      assert.ok(await under.store.head("k"));
    };
    const part = large ? "partNumber=2" : "PUT ";
    await during(part, (store, ifMatch) => store.copy("k", "copy", { ifMatch }));
    await during("DELETE ", (store, ifMatch) => store.delete("k", { ifMatch }));
    assert.deepEqual(await fresh.openUploads(), []);
  }
});

Deno.test("get() gives every byte once, when the connection is cut or stalls", async () => {
  const { proxy, remote } = await behindFaults();
  await using _ = proxy;
  await using under = await openFresh({ limits: { ...SMALL_PARTS, ...IMPATIENT } }, remote);
  const { store } = under;
  const bytes = pattern(LARGE);
  const whole = (await store.put("whole", { bytes }))!;
  const parts = await putParts(store, "parts", bytes);
  for (const version of [whole, parts]) {
    for (const then of ["cut", "stall"] as const) {
      proxy.cutAll();
      proxy.fault = { direction: "down", at: 6_000_000, then, times: 2 };
      assert.ok(bytes.equals(await readBytes(store, version)), `${version.key} ${then}`);
      assert.ok(proxy.happened > 0);
      proxy.fault = null;
    }
  }
});

Deno.test("get() gives up, when the server falls silent again and again", async () => {
  const { fresh, proxy, remote } = await behindFaults();
  await using _ = proxy;
  await fresh.put("k", pattern(LARGE));
  await using under = await openFresh({ limits: { ...IMPATIENT, maxResumes: 2 } }, remote);
  const version = (await under.store.head("k"))!;
  for (const then of ["cut", "stall"] as const) {
    proxy.cutAll();
    proxy.fault = { direction: "down", at: 100_000, then };
    const reading = fails(UnavailableError, "transfer_failed", () => readBytes(under.store, version));
    const error = await finished("the reading", reading);
    assert.match(error.message, /"k" in s3:\/\/case-\d+ at 127\.0\.0\.1:\d+: it broke off 3 times/);
    proxy.fault = null;
  }
});

Deno.test("get() fails as changed, when the object is replaced between two connections", async () => {
  const { fresh, proxy, remote } = await behindFaults();
  await using _ = proxy;
  await using under = await openFresh({ limits: FEW }, remote);
  const version = (await under.store.put("k", { bytes: pattern(LARGE) }))!;
  proxy.cutAll();
  proxy.fault = { direction: "down", at: 5_000_000, then: "cut", times: 1 };
  const reader = (await under.store.get("k", { ifMatch: version.etag })).getReader();
  await reader.read();
  await fresh.put("k", text("other"));
  await rejects("changed", async () => {
    while (!(await reader.read()).done);
  });
});

Deno.test("get() fails, when a byte was changed on the way", async () => {
  const bytes = pattern(LARGE);
  bytes.write("the content", LARGE - 1000);
  await using direct = await openFresh({ limits: SMALL_PARTS });
  const whole = (await direct.store.put("whole", { bytes }))!;
  const parts = await putParts(direct.store, "parts", bytes);
  for (const version of [whole, parts]) {
    await using garbler = await garble("down", "the content");
    await using under = await openFresh({ limits: FEW }, via(direct.fresh, garbler.endpoint));
    const error = await fails(UnavailableError, "transfer_failed", () => readBytes(under.store, version));
    assert.ok(error.message.includes(`"${version.key}"`));
    assert.ok(garbler.happened() > 0);
  }
});

Deno.test("every operation keeps to the newest version, when the bucket keeps old ones", async () => {
  const fresh = await server.freshBucket({ versioned: true });
  await using under = await openFresh({}, fresh);
  const { store } = under;
  const first = await put(store, "k", "first");
  const second = await put(store, "k", "second");
  await rejects("changed", () => read(store, first));
  assert.equal(await read(store, await store.copy("k", "copy", { ifMatch: second.etag })), "second");
  await rejects("changed", () => store.delete("k", { ifMatch: first.etag }));
  for (let i = 0; i < 2; i++) {
    await store.delete("k", { ifMatch: second.etag, lastModified: second.lastModified });
  }
  assert.equal(await store.head("k"), null);
  await rejects("vanished", () => read(store, second));
  assert.deepEqual(await fresh.versions(), ["copy", "k", "k", "k deleted"]);
  await put(store, "k", "third");
  await store.sweep("");
  assert.deepEqual(await listAll(store, ""), []);
  assert.deepEqual(await fresh.versions(), ["copy", "copy deleted", "k", "k", "k", "k deleted", "k deleted"]);
});

Deno.test("sweep() deletes in batches, odd keys too, and ends the uploads under the prefix", async () => {
  await using under = await openFresh();
  const { store, fresh } = under;
  const many = Array.from({ length: 1_203 }, (_, i) => `_staging/RUN/${i}`);
  const odd = ["<&>", "line\nend\r", "100%+ ", "\u{1f600}", "a/"].map((name) => `_staging/RUN/odd ${name}`);
  await pMap(
    [...many, ...odd, "_staging/OTHER"],
    (key) => fresh.put(key, text(key.endsWith("/") ? "" : "x")),
    {
      concurrency: 16,
    },
  );
  for (const Key of ["_staging/RUN/cut +off", "_staging/RUN/\u00e9", "_staging/OTHER"]) {
    await server.client.send(new CreateMultipartUploadCommand({ Bucket: fresh.name, Key }));
  }
  for (let i = 0; i < 2; i++) {
    await store.sweep("_staging/RUN/");
    assert.deepEqual((await listAll(store, "")).map(({ key }) => key), ["_staging/OTHER"]);
    assert.deepEqual(await fresh.openUploads(), ["_staging/OTHER"]);
  }
});

Deno.test("openS3Store() says what is wrong with the configuration, and no secret, when it cannot be used", async () => {
  const { config } = await server.freshBucket();
  const { accessKeyId } = config.credentials;
  const secretAccessKey = "wrong canary";
  const limits = FEW;
  const open = (changes: Partial<BucketConfig>) => () =>
    openS3Store(s3ConfigOf({ ...config, ...changes }), { limits });
  await fails(
    AccessError,
    "access_denied",
    open({ credentials: { accessKeyId: "canary unknown", secretAccessKey } }),
  );
  await fails(AccessError, "access_denied", open({ credentials: { accessKeyId, secretAccessKey } }));
  const missing = await fails(ConfigError, "store_missing", open({ bucket: "missing" }));
  assert.match(missing.message, /s3:\/\/missing at 127\.0\.0\.1:\d+: there is no such bucket/);
  await fails(ConfigError, "store_missing", open({ bucket: "not/a bucket" }));
  await fails(ConfigError, "wrong_region", open({ region: "eu-west-1" }));
  const port = await freePort();
  const unreachable = open({ endpoint: `http://127.0.0.1:${port}` });
  const error = await fails(UnavailableError, "store_unavailable", unreachable);
  assert.match(error.message, /ECONNREFUSED/);
  await fails(UnavailableError, "store_unavailable", open({ endpoint: "http://no-such-host.invalid" }));
});

Deno.test("put() ends the upload, when it is aborted between the parts", async () => {
  const { fresh, proxy, remote } = await behindFaults();
  await using _ = proxy;
  await using file = await temporaryFile(pattern(LARGE));
  for (const then of ["stall", "cut"] as const) {
    const controller = new AbortController();
    await using under = await openFresh({ signal: controller.signal, limits: SMALL_PARTS }, remote);
    proxy.fault = { direction: "up", at: "partNumber=2", then };
    const reason = new InterruptedError("SIGTERM");
    const writing = assert.rejects(
      under.store.put("large", { file: file.path }),
      (error) => error === reason,
    );
    await until("the part is on its way", () => proxy.happened > 0, writing);
    const { timeout } = AbortSignal;
    const limitsMs: number[] = [];
    AbortSignal.timeout = (limitMs) => (limitsMs.push(limitMs), new AbortController().signal);
    controller.abort(reason);
    await finished("the stop", writing.finally(() => AbortSignal.timeout = timeout));
    assert.deepEqual(limitsMs, [1_000]);
    proxy.fault = null;
    assert.deepEqual(await fresh.openUploads(), []);
  }
});

/** What a server answers to everything, and how opening the store then fails. */
const ANSWERS: readonly (readonly [status: number, body: string, code: string, requests: number])[] = [
  [503, "<Error><Code>SlowDown</Code><Message>slow down</Message></Error>", "store_throttled", 2],
  [500, "<Error><Code>InternalError</Code><Message>x</Message></Error>", "store_unavailable", 2],
  [502, "<html>Bad gateway</html>", "store_unavailable", 2],
  [200, "<html><body>Please log in</p>", "store_unavailable", 1],
  [200, "not even markup", "store_unavailable", 1],
];

for (const [status, body, code, requests] of ANSWERS) {
  Deno.test(`openS3Store() fails as unavailable, when the answer is ${status} ${body}`, async () => {
    await using other = await answering(() => [status, body]);
    const { config } = via(await server.freshBucket(), other.endpoint);
    await fails(UnavailableError, code, () => openS3Store(s3ConfigOf(config), { limits: FEW }));
    assert.equal(other.requests.length, requests);
  });
}

Deno.test("every operation ends at once with the signal's reason, when that is aborted", async () => {
  const { fresh, proxy, remote } = await behindFaults();
  await using _ = proxy;
  const bytes = pattern(LARGE);
  await using file = await temporaryFile(bytes);
  await fresh.put("k", bytes);
  const attempts: Record<string, (store: ObjectStore, ifMatch: string) => Promise<unknown>> = {
    list: (store) => listAll(store, ""),
    head: (store) => store.head("k"),
    get: (store, ifMatch) => store.get("k", { ifMatch }),
    put: (store) => store.put("new", { file: file.path }),
    copy: (store, ifMatch) => store.copy("k", "copy", { ifMatch }),
    delete: (store, ifMatch) => store.delete("k", { ifMatch }),
    sweep: (store) => store.sweep("k"),
  };
  for (const [name, act] of Object.entries(attempts)) {
    const controller = new AbortController();
    const limits = { ...SMALL_PARTS, ...PATIENT };
    await using under = await openFresh({ signal: controller.signal, limits }, remote);
    const { etag } = (await under.store.head("k"))!;
    proxy.cutAll();
    proxy.fault = { direction: "down", at: 0, then: "stall" };
    const reason = new InterruptedError("SIGTERM");
    const stopped = assert.rejects(act(under.store, etag), (error) => error === reason, name);
    await until(`${name} waits for an answer`, () => proxy.happened > 0, stopped);
    controller.abort(reason);
    await finished(name, stopped);
    await assert.rejects(act(under.store, etag), (error) => error === reason, `${name} afterwards`);
    proxy.fault = null;
  }
  const controller = new AbortController();
  await using under = await openFresh({ signal: controller.signal, limits: PATIENT }, remote);
  const { etag } = (await under.store.head("k"))!;
  proxy.cutAll();
  proxy.fault = { direction: "down", at: 1_000_000, then: "stall" };
  const reader = (await under.store.get("k", { ifMatch: etag })).getReader();
  const reason = new InterruptedError("SIGINT");
  const reading = async () => {
    while (!(await reader.read()).done);
  };
  const stopped = assert.rejects(reading(), (error) => error === reason);
  await until("the rest does not come", () => proxy.happened > 0, stopped);
  controller.abort(reason);
  await finished("the reading", stopped);
});

Deno.test("openS3Store() needs no more permissions than it is given here, and finds keys in the environment", async () => {
  const { config } = await server.freshBucket();
  const { credentials, ...found } = config;
  const { host } = new URL(config.endpoint);
  const inEnvironment = {
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  };
  const outcome = await runStore(host, config);
  assert.equal(outcome, "content");
  assert.equal(await runStore(host, found, inEnvironment), "content");
  const none = await runStore(host, found, { AWS_EC2_METADATA_DISABLED: "true" });
  assert.match(none, /^AccessError: Cannot open s3:.* the credentials are missing, wrong or expired/);
  assert.match(
    await runStore("127.0.0.1:1", config),
    /^AccessError: Cannot open s3:.* a permission of Deno is missing/,
  );
});

/** Uses a store in a process of its own with exactly the permissions that S3 needs; gives what it prints. */
async function runStore(
  host: string,
  config: Omit<BucketConfig, "credentials"> & Partial<BucketConfig>,
  env: Record<string, string> = {},
): Promise<string> {
  const script = `import { openS3Store } from "./lib/store/s3/store.ts";
    import { s3ConfigOf } from "./tests/integration/s3_server.ts";
    const config = ${JSON.stringify(config)};
    try {
      await using store = await openS3Store(config.credentials ? s3ConfigOf(config) : config);
      const { etag } = await store.put("k", { bytes: new TextEncoder().encode("content") });
      await store.copy("k", "copy", { ifMatch: etag });
      console.log(await new Response(await store.get("k", { ifMatch: etag })).text());
      await store.delete("k", { ifMatch: etag });
      await store.sweep("");
    } catch (error) {
      console.log(String(error));
    }`;
  const flags = [`--allow-net=${host}`, "--allow-env=AWS_*,HOME", "--ignore-env", "--allow-sys=osRelease"];
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", ...flags, "-"],
    cwd: REPOSITORY,
    clearEnv: true,
    env: { ...essential(), ...env },
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const writer = process.stdin.getWriter();
  await writer.write(text(script));
  await writer.close();
  const { stdout } = await process.output();
  return new TextDecoder().decode(stdout).trim();
}

/** What Deno itself needs of the environment. */
function essential(): Record<string, string> {
  const names = ["PATH", "HOME", "DENO_DIR", "XDG_CACHE_HOME"];
  return Object.fromEntries(names.flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value]];
  }));
}

Deno.test("head() says why, when the answer to it has no room for a reason", async () => {
  const refusal = (status: number, code: string): Answer => [status, `<Error><Code>${code}</Code></Error>`];
  for (const [status, code] of [[400, "ExpiredToken"], [403, "InvalidAccessKeyId"]] as const) {
    await using under = await openAnswering(() => refusal(status, code));
    const error = await fails(AccessError, "access_denied", () => under.store.head("k"));
    assert.ok(error.message.includes(code), error.message);
  }
  await using denied = await openAnswering(() => refusal(403, "AccessDenied"));
  await rejects("access_denied", () => denied.store.head("k"));
  await rejects("access_denied", () => denied.store.get("k", { ifMatch: "x" }));
  await rejects("access_denied", () => denied.store.copy("k", "copy", { ifMatch: "x" }));
  await rejects("access_denied", () => denied.store.delete("k", { ifMatch: "x" }));
  await fails(AccessError, "access_denied", () => put(denied.store, "k", "x"));
  await fails(AccessError, "access_denied", () => listAll(denied.store, ""));
  await fails(AccessError, "access_denied", () => denied.store.sweep("k"));
});

Deno.test("openS3Store() goes on, when listing without a prefix is denied", async () => {
  const denied = "<Error><Code>AccessDenied</Code></Error>";
  await using other = await answering(() => [403, denied]);
  const { config } = via(await server.freshBucket(), other.endpoint);
  await using store = await openS3Store(s3ConfigOf(config), { limits: FEW });
  assert.match(store.name, /^s3:\/\/case-\d+ at 127\.0\.0\.1:\d+$/);
});

/** A listing of one object with this key. */
function listing(key: string, encoding: string): string {
  return `<ListBucketResult><EncodingType>${encoding}</EncodingType><IsTruncated>false</IsTruncated><Contents>
    <Key>${key}</Key><ETag>"e"</ETag><Size>1</Size><LastModified>2023-04-01T02:00:00.789Z</LastModified>
    </Contents></ListBucketResult>`;
}

Deno.test("list() decodes keys, and gives those that cannot be as faults, when the server encodes them", async () => {
  const cases = [
    ["a+b%2Bc%01%F0%9F%98%80", "a b+c\u0001\u{1f600}", null],
    ["a%FFb", "a%FFb", "unhandled_key"],
    ["a//b", "a//b", "unhandled_key"],
    ["a/../b", "a/../b", "unhandled_key"],
  ] as const;
  for (const [listed, key, reason] of cases) {
    await using under = await openAnswering(() => [200, listing(listed, "url")]);
    const version = { key, etag: "e", sizeBytes: 1, lastModified: "2023-04-01T02:00:00Z" };
    assert.deepEqual(await listAll(under.store, ""), [reason ? { key, reason } : version]);
  }
});

Deno.test("sweep() deletes a key by itself, when XML cannot name it, and says which key could not be deleted", async () => {
  const none = "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>";
  const answers = (key: string, code: string) => (request: string): Answer => {
    if (/list-type=2/.test(request)) return [200, listing(key, "url")];
    if (/uploads/.test(request)) return [200, none];
    if (/^DELETE/.test(request)) return [204, ""];
    return [200, `<DeleteResult><Error><Key>${key}</Key><Code>${code}</Code></Error></DeleteResult>`];
  };
  await using odd = await openAnswering(answers("a%01b", "InvalidRequest"));
  await odd.store.sweep("");
  assert.match(odd.requests.at(-1)!, /^DELETE \/case-\d+\/a%01b\b/);
  await using denied = await openAnswering(answers("a", "AccessDenied"));
  const error = await fails(AccessError, "access_denied", () => denied.store.sweep(""));
  assert.match(error.message, /"a"/);
  await using failing = await openAnswering(answers("a", "InternalError"));
  await fails(UnavailableError, "store_unavailable", () => failing.store.sweep(""));
  await using gone = await openAnswering(answers("a", "NoSuchKey"));
  await gone.store.sweep("");
});
