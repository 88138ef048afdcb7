/**
 * The exit codes that a scheduler acts on, and which failure of the system is which of them.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  AccessError,
  ConfigError,
  DataError,
  errorsIn,
  ExitCode,
  exitCodeOf,
  InterruptedError,
  messageOf,
  PipelineError,
  UnavailableError,
  UsageError,
  wrapSystemError,
} from "../lib/errors.ts";

Deno.test("exitCodeOf() gives the promised number, whatever was thrown", () => {
  const cases: readonly (readonly [unknown, number, string | null])[] = [
    [new UsageError("m"), 64, "usage"],
    [new DataError("missing_dimension_table", "m"), 65, "missing_dimension_table"],
    [new UnavailableError("lease_held", "m"), 75, "lease_held"],
    [new AccessError("m"), 77, "access_denied"],
    [new ConfigError("store_missing", "m"), 78, "store_missing"],
    [new InterruptedError("SIGINT"), 130, "interrupted"],
    [new InterruptedError("SIGTERM"), 143, "interrupted"],
    [new Error("m"), 70, null],
    [new TypeError("m"), 70, null],
    [new RangeError("m"), 70, null],
    [new Deno.errors.NotFound("m"), 70, null],
    [new DOMException("m", "AbortError"), 70, null],
    ["text", 70, null],
    [undefined, 70, null],
    [{ exitCode: 0 }, 70, null],
    // What failed first does not count: it was wrapped in the error that says what to do.
    [new Error("m", { cause: new ConfigError("c", "m") }), 70, null],
  ];
  for (const [thrown, exitCode, code] of cases) {
    assert.equal(exitCodeOf(thrown), exitCode, String(thrown));
    if (code === null) continue;
    assert.ok(thrown instanceof PipelineError);
    assert.equal(thrown.code, code);
    assert.equal(thrown.name, thrown.constructor.name);
  }
  assert.deepEqual(Object.values(ExitCode).sort((a, b) => a - b), [0, 64, 65, 70, 75, 77, 78, 130, 143]);
});

Deno.test("messageOf() tells the whole story, when an error has causes", () => {
  const inner = new Error("inner");
  const cases: readonly (readonly [unknown, string])[] = [
    [inner, "inner"],
    [new DataError("c", "middle", { cause: inner }), "middle: inner"],
    [new Error("outer", { cause: new DataError("c", "middle", { cause: inner }) }), "outer: middle: inner"],
    [new Error("outer", { cause: "text" }), "outer: text"],
    ["text", "text"],
    [null, "null"],
  ];
  for (const [thrown, message] of cases) assert.equal(messageOf(thrown), message);
});

Deno.test("errorsIn() gives what was thrown in its order, when closing fails too", () => {
  const [work, first, second] = ["work", "first", "second"].map((message) => new Error(message));
  try {
    using stack = new DisposableStack();
    stack.defer(() => {
      throw second;
    });
    stack.defer(() => {
      throw first;
    });
    throw work;
  } catch (error) {
    assert.deepEqual(errorsIn(error), [work, first, second]);
  }
  for (const thrown of [work, "text", undefined]) assert.deepEqual(errorsIn(thrown), [thrown]);
});

/** An error as Deno and Node throw it for a failed system call. */
function systemError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

/** An error as DuckDB's driver throws it: nothing but a text. */
function duckdbError(message: string): Error {
  return new Error(message);
}

/** Failures of the system with the exit code and the code that they become; `null` for those that stay as they are. */
const FAILURES: readonly (readonly [Error, readonly [number, string] | null])[] = [
  [systemError("ENOSPC", "No space left on device (os error 28): write"), [75, "disk_full"]],
  [systemError("EDQUOT", "Disk quota exceeded (os error 122)"), [75, "disk_full"]],
  [duckdbError('IO Error: Could not write file "/w/a.parquet": No space left on device'), [75, "disk_full"]],
  [
    duckdbError(
      "Out of Memory Error: failed to offload data block of size 256.0 KiB (1.0 GiB/1.0 GiB used).\n" +
        "This limit was set by the 'max_temp_directory_size' setting.",
    ),
    [75, "disk_full"],
  ],
  [systemError("EROFS", "Read-only file system (os error 30): mkdir '/w'"), [77, "access_denied"]],
  [duckdbError('IO Error: Cannot open file "/w/a": Read-only file system'), [77, "access_denied"]],
  [systemError("EACCES", "Permission denied (os error 13): open '/w'"), [77, "access_denied"]],
  [systemError("EPERM", "Operation not permitted (os error 1): chmod '/w'"), [77, "access_denied"]],
  [new Deno.errors.PermissionDenied("Permission denied (os error 13)"), [77, "access_denied"]],
  [new Deno.errors.NotCapable('Requires write access to "/w"'), [77, "access_denied"]],
  [duckdbError('IO Error: Cannot open file "/w/a.duckdb": Permission denied'), [77, "access_denied"]],
  [systemError("EMFILE", "Too many open files (os error 24)"), [75, "too_many_files"]],
  [systemError("ENFILE", "Too many open files in system (os error 23)"), [75, "too_many_files"]],
  [systemError("EIO", "Input/output error (os error 5)"), [75, "disk_error"]],
  [systemError("ESTALE", "Stale file handle (os error 116)"), [75, "disk_error"]],
  [duckdbError("Out of Memory Error: failed to pin block of size 256.0 KiB (64.0 MiB/64.0 MiB used)"), [
    78,
    "out_of_memory",
  ]],
  [duckdbError("Out of Memory Error: could not allocate block of size 1.0 MiB"), [78, "out_of_memory"]],
  [systemError("ENOENT", "No such file or directory (os error 2): open '/w'"), null],
  [systemError("EISDIR", "Is a directory (os error 21): open '/w'"), null],
  [systemError("ENOTEMPTY", "Directory not empty (os error 39): rmdir '/w'"), null],
  [
    systemError(
      "ENOENT",
      "No such file or directory (os error 2): open '/w/EACCES/No space left on device.csv'",
    ),
    null,
  ],
  [duckdbError("Parser Error: syntax error at or near"), null],
  [new TypeError("x is not a function"), null],
];

Deno.test("wrapSystemError() says what happened where and what to do, when it knows the failure", async (test) => {
  for (const [error, expected] of FAILURES) {
    await test.step(error.message.split("\n")[0] ?? "", () => {
      const wrapped = wrapSystemError(error, "Cannot write the manifest /w/manifest.json");
      if (expected === null) return assert.equal(wrapped, error);
      assert.ok(wrapped instanceof PipelineError, String(wrapped));
      assert.deepEqual([wrapped.exitCode, wrapped.code], expected);
      assert.equal(wrapped.cause, error);
      // Where, what, and what to do.
      assert.match(wrapped.message, /^Cannot write the manifest \/w\/manifest\.json: [a-z ]+.*; \w+/);
    });
  }
});

Deno.test("wrapSystemError() leaves what was thrown alone, when it is wrapped already or no error", () => {
  const wrapped = new UnavailableError("lease_held", "EACCES ENOSPC EMFILE");
  for (const thrown of [wrapped, new InterruptedError("SIGTERM"), "EACCES", undefined, { code: "ENOSPC" }]) {
    assert.equal(wrapSystemError(thrown, "Cannot"), thrown);
  }
});

Deno.test("wrapSystemError() leaves a missing file alone, when the system says so itself", async () => {
  const error = await Deno.readFile("/no-such-folder/Permission denied").then(() => null, (thrown) => thrown);
  assert.ok(error instanceof Deno.errors.NotFound);
  assert.equal(wrapSystemError(error, "Cannot read"), error);
});
