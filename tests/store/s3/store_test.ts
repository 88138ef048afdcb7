import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { AccessError, ConfigError, PipelineError, UnavailableError } from "../../../lib/errors.ts";
import { type Body, BodyReader } from "../../../lib/store/s3/body.ts";
import {
  copySource,
  decodeKey,
  faultInListed,
  fitsXml,
  isDoubtful,
  requireKey,
} from "../../../lib/store/s3/key.ts";
import { plainMd5, versionOf } from "../../../lib/store/s3/answer.ts";
import { Slots, within } from "../../../lib/store/s3/limits.ts";
import { piecesOf } from "../../../lib/store/s3/pieces.ts";
import {
  damaged,
  isDenied,
  isMissing,
  isOtherVersion,
  isPassing,
  isUnexplained,
  wrapObjectError,
} from "../../../lib/store/s3/errors.ts";
import { wrapStoreError } from "../../../lib/store/s3/meanings.ts";
import { ObjectError } from "../../../lib/store/store.ts";

Deno.test("requireKey() refuses keys that a server may take for others, and no other ones", () => {
  const refused = [
    "",
    "/",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "./a",
    "a/../b",
    "a/.",
    "nul\0",
    "\ud800",
    "x".repeat(1025),
  ];
  for (const key of [...refused, "\u00e9".repeat(513)]) {
    assert.throws(() => requireKey(key), (error) => {
      assert.ok(error instanceof ObjectError);
      assert.equal(error.reason, "unhandled_key");
      assert.equal(error.key, key);
      return true;
    }, JSON.stringify(key.slice(0, 20)));
  }
  for (const key of ["a", "...a/b..", "a b+c%", "line\nend", "\u0001", "\u{1f600}/x", "x".repeat(1024)]) {
    requireKey(key);
  }
});

Deno.test("faultInListed() finds nothing, when the key is the mark of a folder", () => {
  assert.equal(faultInListed("sales_data/"), null);
  assert.equal(faultInListed("sales_data/sub/"), null);
  for (const key of ["", "/", "sales_data//", "a//b", "a/../"]) {
    assert.notEqual(faultInListed(key), null, key);
  }
});

Deno.test("decodeKey() gives the key, when the listing is form-encoded", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }).filter((key) => key.isWellFormed()), (key) => {
    const listed = new URLSearchParams([["", key]]).toString().slice(1);
    assert.equal(decodeKey(listed, "url"), key);
    assert.equal(decodeKey(encodeURIComponent(key), "url"), key);
    for (const encoding of [undefined, ""]) assert.equal(decodeKey(key, encoding), key);
  }));
  for (const listed of ["%ff", "100%", "%e2%82"]) assert.equal(decodeKey(listed, "url"), null);
});

Deno.test("isDoubtful() tells keys that a listing may not have had the characters for", () => {
  assert.equal(isDoubtful("a\ufffdb", undefined), true);
  assert.equal(isDoubtful("a\ufffdb", "url"), false);
  assert.equal(isDoubtful("ab", undefined), false);
});

Deno.test("fitsXml() tells keys that a document has characters for", () => {
  for (const key of ["a", "tab\t\n\r", "\u007f\u00e9", "\u{1f600}", "\ufffd"]) assert.ok(fitsXml(key), key);
  for (const key of ["\u0001", "\u001f", "\ufffe", "\uffff", "\0"]) {
    assert.ok(!fitsXml(key), JSON.stringify(key));
  }
});

Deno.test("copySource() encodes everything but slashes", () => {
  assert.equal(copySource("sales", "a b+c/100%\u00e9?#.csv"), "sales/a%20b%2Bc/100%25%C3%A9%3F%23.csv");
});

Deno.test("plainMd5() gives the etag, when it is the MD5 of the content", () => {
  const md5 = "9dd4e461268c8034f5c8564e155c67a6";
  assert.equal(plainMd5({ ETag: `"${md5}"` }), md5);
  assert.equal(plainMd5({ ETag: md5, ServerSideEncryption: "AES256" }), md5);
  const others = [
    {},
    { ETag: `"${md5}-2"` },
    { ETag: '"opaque"' },
    { ETag: `"${md5}"`, ServerSideEncryption: "aws:kms" },
    { ETag: `"${md5}"`, ServerSideEncryption: "aws:kms:dsse" },
    { ETag: `"${md5}"`, SSECustomerAlgorithm: "AES256" },
  ];
  for (const answer of others) assert.equal(plainMd5(answer), null, JSON.stringify(answer));
});

Deno.test("versionOf() gives whole seconds, when the answer has a part of one", () => {
  const LastModified = new Date("2023-04-01T02:00:00.999Z");
  assert.deepEqual(versionOf("k", { ETag: '"e"', ContentLength: 0, LastModified }), {
    key: "k",
    etag: "e",
    sizeBytes: 0,
    lastModified: "2023-04-01T02:00:00Z",
  });
});

Deno.test("within() fails as a timeout, when nothing comes in time", async () => {
  assert.equal(await within(1_000, Promise.resolve(1)), 1);
  await assert.rejects(within(1_000, Promise.reject(new Error("own"))), /own/);
  await assert.rejects(within(1, new Promise(() => {})), { name: "TimeoutError" });
});

Deno.test("piecesOf() covers every byte once, in at most 10,000 pieces", () => {
  assert.deepEqual(piecesOf(0, 5), []);
  assert.deepEqual(piecesOf(5, 5), [{ number: 1, start: 0, end: 5 }]);
  assert.deepEqual(piecesOf(6, 5), [{ number: 1, start: 0, end: 5 }, { number: 2, start: 5, end: 6 }]);
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 2 ** 46 }),
      fc.integer({ min: 2 ** 30, max: 2 ** 33 }),
      (size, part) => {
        const pieces = piecesOf(size, part);
        assert.ok(pieces.length <= 10_000);
        assert.deepEqual([pieces[0]?.start, pieces.at(-1)?.end], [0, size]);
        assert.ok(
          pieces.every(({ number, start }, i) => number === i + 1 && start === (pieces[i - 1]?.end ?? 0)),
        );
        assert.ok(pieces.every(({ start, end }) => end > start));
      },
    ),
    { numRuns: 20 },
  );
});

Deno.test("Slots.use() runs as many as there are slots, in the order they came, also when some fail", async () => {
  const slots = new Slots(3);
  const begun: number[] = [];
  let running = 0, most = 0;
  const results = await Promise.allSettled(Array.from({ length: 20 }, (_, i) =>
    slots.use(async () => {
      begun.push(i);
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, i % 4));
      running--;
      if (i % 3 === 0) throw new Error(`${i}`);
      return i;
    })));
  assert.equal(most, 3);
  assert.deepEqual(begun, begun.toSorted((a, b) => a - b));
  assert.deepEqual(results.map((result) => result.status === "fulfilled"), begun.map((i) => i % 3 !== 0));
});

/** An error as the SDK throws it for an answer. */
function answer(name: string, status?: number, more: Record<string, unknown> = {}): Error {
  const $metadata = { ...status && { httpStatusCode: status }, requestId: "REQUEST-1" };
  return Object.assign(new Error("what the server says"), { name, $metadata, ...more });
}

/** An error of a connection. */
function broken(code: string): Error {
  return Object.assign(new Error(`connect ${code}`), { code });
}

const KEY = 'sales_data/a "b".csv';
const STORE = "s3://sales";

/** Errors with what becomes of them for one object that is read, the same one that is written, and the store. */
const ERRORS: readonly (readonly [error: Error, read: string, write: string, store: string])[] = [
  [answer("NoSuchKey", 404), "vanished", "vanished", "Error"],
  [answer("NotFound", 404), "vanished", "vanished", "Error"],
  [answer("PreconditionFailed", 412), "changed", "changed", "Error"],
  [answer("412", 412), "changed", "changed", "Error"],
  [answer("AccessDenied", 403), "access_denied", "77 access_denied", "77 access_denied"],
  [answer("Unknown", 403), "access_denied", "77 access_denied", "77 access_denied"],
  [answer("AllAccessDisabled", 403), "access_denied", "77 access_denied", "77 access_denied"],
  [answer("InvalidObjectState", 403), "access_denied", "access_denied", "77 access_denied"],
  ...["InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestTimeTooSkewed"].map((name) =>
    everywhere(name, 403, 77)
  ),
  ...["ExpiredToken", "InvalidToken"].map((name) => everywhere(name, 400, 77)),
  everywhere("XAdminUserNotFound", 404, 77),
  everywhere("CredentialsProviderError", undefined, 77),
  everywhere("NotCapable", undefined, 77),
  everywhere("NoSuchBucket", 404, 78, "store_missing"),
  everywhere("InvalidBucketName", undefined, 78, "store_missing"),
  everywhere("AuthorizationHeaderMalformed", 400, 78, "wrong_region"),
  everywhere("PermanentRedirect", 301, 78, "wrong_region"),
  ...["SlowDown", "TooManyRequests"].map((name) => everywhere(name, 503, 75, "store_throttled")),
  everywhere("Unknown", 429, 75, "store_throttled"),
  everywhere("BadDigest", 400, 75, "transfer_failed"),
  everywhere("XAmzContentSHA256Mismatch", 400, 75, "transfer_failed"),
  ...["InternalError", "ServiceUnavailable", "Unknown"].map((name) =>
    everywhere(name, 503, 75, "store_unavailable")
  ),
  everywhere("InvalidTokenId", 403, 77),
  everywhere("NotImplemented", 501, 78, "store_lacks"),
  everywhere("Unknown", 501, 78, "store_lacks"),
  everywhere("MethodNotAllowed", 405, 78, "store_lacks"),
  [
    Object.assign(new Error("ssl3_get_record:wrong version number"), { code: "EPROTO" }),
    ...Array(3).fill("78 no_tls"),
  ] as never,
  [
    Object.assign(new Error("invalid peer certificate: UnknownIssuer"), { code: "EINVAL" }),
    ...Array(3).fill("78 bad_certificate"),
  ] as never,
  everywhere("TimeoutError", undefined, 75, "store_unavailable"),
  everywhere("ConditionalRequestConflict", 409, 75, "store_unavailable"),
  ...["ECONNREFUSED", "ECONNRESET", "ENOTFOUND", "EAI_AGAIN", "ETIMEDOUT", "EPIPE"].map((code) =>
    [broken(code), ...Array(3).fill("75 store_unavailable")] as [Error, string, string, string]
  ),
  [answer("KeyTooLongError", 400), "unhandled_key", "unhandled_key", "Error"],
  [answer("InvalidArgument", 400), "unhandled_key", "unhandled_key", "Error"],
  [answer("ObjectParentIsFile", 409), "unhandled_key", "unhandled_key", "Error"],
  [answer("XMinioInvalidObjectName", 400), "unhandled_key", "unhandled_key", "Error"],
  [answer("Error", undefined, { $response: {} }), ...Array(3).fill("75 store_unavailable")] as never,
  [new Error("a bug"), "Error", "Error", "Error"],
  // A local file, whose error Deno gives the same name as the SDK gives to a missing object.
  [
    Object.assign(new Deno.errors.NotFound("no file"), { code: "ENOENT" }),
    ...Array(3).fill("Error"),
  ] as never,
];

function everywhere(name: string, status: number | undefined, exitCode: number, code = "access_denied") {
  return [answer(name, status), ...Array(3).fill(`${exitCode} ${code}`)] as [Error, string, string, string];
}

function kindOf(wrapped: unknown): string {
  if (wrapped instanceof ObjectError) return wrapped.reason;
  return wrapped instanceof PipelineError ? `${wrapped.exitCode} ${wrapped.code}` : "Error";
}

for (const [error, read, write, store] of ERRORS) {
  const { httpStatusCode = "no status" } = (error as { $metadata?: { httpStatusCode?: number } }).$metadata ??
    {};
  Deno.test(`wrapObjectError() and wrapStoreError() give ${read}, when it is ${error.name} ${httpStatusCode} ${error.message}`, () => {
    for (const [kind, expected] of [["read", read], ["write", write]] as const) {
      const wrapped = wrapObjectError(error, { kind, key: KEY, store: STORE });
      assert.equal(kindOf(wrapped), expected, kind);
      if (expected === "Error") assert.equal(wrapped, error);
      else assert.ok((wrapped as Error).message.includes(JSON.stringify(KEY)), (wrapped as Error).message);
      if (wrapped instanceof PipelineError) assert.ok(wrapped.message.includes(STORE), wrapped.message);
    }
    assert.equal(kindOf(wrapStoreError(error, "Cannot list")), store);
  });
}

Deno.test("wrapStoreError() keeps the request id, and nothing else of the answer, when it fails", () => {
  const error = answer("SignatureDoesNotMatch", 403, { AWSAccessKeyId: "canary", StringToSign: "canary" });
  const wrapped = wrapStoreError(error, "Cannot list");
  assert.ok(wrapped instanceof AccessError);
  assert.match(wrapped.message, /REQUEST-1/);
  assert.doesNotMatch(Deno.inspect(wrapped, { showHidden: true, depth: 10 }), /canary/);
  assert.ok(damaged(KEY, STORE, "x", error) instanceof UnavailableError);
  assert.doesNotMatch(Deno.inspect(damaged(KEY, STORE, "x", error), { depth: 10 }), /canary/);
});

Deno.test("wrapObjectError() leaves alone what is told already", () => {
  for (const error of [new ConfigError("x", "y"), new ObjectError("changed", "k", "x"), "text"]) {
    assert.equal(wrapObjectError(error, { kind: "read", key: KEY, store: STORE }), error);
    assert.equal(wrapStoreError(error, "Cannot list"), error);
  }
});

Deno.test("isPassing(), isMissing(), isOtherVersion(), isDenied(), isUnexplained() tell apart what is handled", () => {
  const tells = (error: Error) =>
    Object.entries({ isPassing, isMissing, isOtherVersion, isDenied, isUnexplained })
      .flatMap(([name, tell]) => tell(error) ? [name] : []);
  assert.deepEqual(tells(answer("BadDigest", 400)), ["isPassing", "isUnexplained"]);
  assert.deepEqual(tells(answer("ConditionalRequestConflict", 409)), ["isPassing"]);
  assert.deepEqual(tells(answer("NotFound", 404)), ["isMissing"]);
  assert.deepEqual(tells(answer("PreconditionFailed", 412)), ["isOtherVersion"]);
  assert.deepEqual(tells(answer("AccessDenied", 403)), ["isDenied"]);
  assert.deepEqual(tells(answer("Unknown", 403)), ["isUnexplained"]);
  assert.deepEqual(tells(new Deno.errors.NotFound("no file")), []);
});

/** An answer of `chunks`, with an error as its end where one is given. */
function bodyOf(
  chunks: readonly string[],
  options: { md5?: string | null; size?: number; error?: Error } = {},
): Body {
  const { md5 = null, error } = options;
  const sizeBytes = options.size ?? chunks.join("").length;
  async function* generate() {
    for (const chunk of chunks) yield Buffer.from(chunk);
    if (error) throw await Promise.resolve(error);
  }
  return { chunks: generate(), sizeBytes, md5, close: () => {} };
}

const CONTENT = "customer_id\n1\n2\n3\n";
const MD5 = createHash("md5").update(CONTENT).digest("hex");
const size = CONTENT.length;
const error = broken("ECONNRESET");

/** Answers, one after another; what is then asked for, and what is read or goes wrong. */
const READS: readonly {
  name: string;
  md5: string | null;
  bodies: Body[];
  asked: number[];
  gives: string | RegExp;
}[] = [
  { name: "all of it comes", md5: MD5, bodies: [bodyOf([CONTENT])], asked: [], gives: CONTENT },
  { name: "it is empty", md5: null, bodies: [bodyOf([])], asked: [], gives: "" },
  {
    name: "it breaks off twice and has an MD5",
    md5: MD5,
    bodies: [
      bodyOf(["cust", "om"], { size, error }),
      bodyOf(["er_"], { size: size - 6, error }),
      bodyOf([CONTENT.slice(9)]),
    ],
    asked: [6, 9],
    gives: CONTENT,
  },
  {
    name: "it breaks off twice and has none",
    md5: null,
    bodies: [
      bodyOf(["cust", "om"], { size, error }),
      bodyOf(["cus"], { size, error }),
      bodyOf([CONTENT.slice(0, 4), CONTENT.slice(4)]),
    ],
    asked: [0, 0],
    gives: CONTENT,
  },
  {
    name: "a byte was changed on the way",
    md5: MD5,
    bodies: [bodyOf(["X" + CONTENT.slice(1)])],
    asked: [],
    gives: /bytes are not those/,
  },
  {
    name: "a byte was changed before it broke off",
    md5: MD5,
    bodies: [bodyOf(["X"], { size, error }), bodyOf([CONTENT.slice(1)])],
    asked: [1],
    gives: /bytes are not those/,
  },
  {
    name: "a byte was changed before it broke off, without MD5",
    md5: null,
    bodies: [bodyOf(["X"], { size, error }), bodyOf([CONTENT])],
    asked: [0],
    gives: /different bytes/,
  },
  {
    name: "the checksum of the answer is wrong at its end",
    md5: null,
    bodies: [bodyOf([CONTENT], { error: new Error("Checksum mismatch") })],
    asked: [],
    gives: /bytes are not those/,
  },
  {
    name: "too little comes",
    md5: null,
    bodies: [bodyOf(["cust"], { size })],
    asked: [],
    gives: /4 of 18 bytes/,
  },
  {
    name: "too much comes",
    md5: null,
    bodies: [bodyOf(["customer"], { size: 4 })],
    asked: [],
    gives: /more bytes/,
  },
  {
    name: "the rest has another size",
    md5: MD5,
    bodies: [bodyOf(["cust"], { size, error }), bodyOf(["x"])],
    asked: [4],
    gives: /others now/,
  },
  {
    name: "it breaks off too often",
    md5: MD5,
    bodies: [
      bodyOf(["c"], { size, error }),
      bodyOf(["u"], { size: size - 1, error }),
      bodyOf([], { size: size - 2, error }),
    ],
    asked: [1, 2],
    gives: /attempt 3: .*ECONNRESET/,
  },
];

for (const { name, md5, bodies, asked, gives } of READS) {
  Deno.test(`BodyReader.read() ${typeof gives === "string" ? "gives every byte once" : "fails"}, when ${name}`, async () => {
    const starts: number[] = [];
    const [first, ...others] = bodies.map((body) => ({ ...body, md5 }));
    const reader = new BodyReader({
      silenceTimeoutMs: 1_000,
      open: (start) => {
        starts.push(start);
        return Promise.resolve(others.shift()!);
      },
      wait: (attempt, cause) => {
        if (attempt > 2) throw new Error(`attempt ${attempt}: ${(cause as Error).message}`);
        return Promise.resolve();
      },
      damaged: (detail) => new Error(detail),
    }, first!);
    const chunks: Uint8Array[] = [];
    const all = (async () => {
      for (let chunk = await reader.read(); chunk; chunk = await reader.read()) chunks.push(chunk);
      return Buffer.concat(chunks).toString();
    })();
    if (typeof gives === "string") assert.equal(await all, gives);
    else await assert.rejects(all, gives);
    assert.deepEqual(starts, asked);
  });
}
