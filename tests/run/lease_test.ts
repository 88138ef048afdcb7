import assert from "node:assert/strict";
import { join } from "node:path";
import type { Database } from "../../lib/database/database.ts";
import { LeaseLostError } from "../../lib/database/errors.ts";
import type { LeaseOwner } from "../../lib/database/records.ts";
import { openDuckdbDatabase } from "../../lib/database/duckdb/database.ts";
import { InterruptedError, UnavailableError } from "../../lib/errors.ts";
import { Lease } from "../../lib/run/lease.ts";
import { end, removeAtEnd } from "../support/ending.ts";
import { finished, StoppedClock, until } from "../support/waiting.ts";

const ANN: LeaseOwner = { owner: "work dir of ann", holder: "process 11", runId: "20230401T020000Z-0001" };
const BEN: LeaseOwner = { owner: "work dir of ben", holder: "process 22", runId: "20230401T020000Z-0002" };

/** A prepared database of a test's own, and a clock that the test moves. */
async function openTemporary() {
  const folder = await Deno.makeTempDir({ prefix: "lease-" });
  const database = openDuckdbDatabase({
    path: join(folder, "warehouse.duckdb"),
    workDir: folder,
    resources: { memoryLimit: "256MiB", threads: 1 },
    newId: () => crypto.randomUUID(),
    monotonic: () => 0,
  });
  await database.prepare();
  let calls = 0;
  return {
    database,
    /** The same, counting what is asked of it. */
    counted: new Proxy(database, {
      get(target, name) {
        const value = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        return (...args: unknown[]) => (calls++, value.apply(target, args));
      },
    }),
    calls: () => calls,
    async [Symbol.asyncDispose]() {
      await end(() => database[Symbol.asyncDispose]());
      await removeAtEnd(folder);
    },
  };
}

function acquire(
  database: Database,
  owner: LeaseOwner,
  options: Partial<Parameters<typeof Lease.acquire>[2]> = {},
) {
  return Lease.acquire(database, owner, {
    ttlSeconds: 900,
    waitSeconds: 0,
    monotonic: () => performance.now(),
    signal: new AbortController().signal,
    ...options,
  });
}

/** Takes the next heartbeat into the test's hands. */
function holdHeart() {
  const { setInterval, clearInterval } = globalThis;
  const hearts = new Map<unknown, { intervalMs: number; beat: () => unknown }>();
  let last: { intervalMs: number; beat: () => unknown } | undefined;
  Object.assign(globalThis, {
    setInterval(beat: () => unknown, intervalMs: number) {
      // A timer that can be held like any other, and does nothing.
      const timer = setInterval(() => {}, intervalMs);
      hearts.set(timer, last = { intervalMs, beat });
      return timer;
    },
    clearInterval(timer: number) {
      hearts.delete(timer);
      clearInterval(timer);
    },
  });
  return {
    intervalMs: () => last?.intervalMs,
    beat: () => last?.beat(),
    isBeating: () => hearts.size > 0,
    [Symbol.dispose]: () => void Object.assign(globalThis, { setInterval, clearInterval }),
  };
}

async function held(act: () => Promise<unknown>, by: LeaseOwner): Promise<void> {
  await assert.rejects(act, (error) => {
    assert.ok(error instanceof UnavailableError, `failed with ${error}`);
    assert.equal(error.code, "lease_held");
    for (const part of [by.holder, by.runId]) assert.ok(error.message.includes(part), error.message);
    assert.match(error.message, /since \d{4}-\d\d-\d\d.*until|since \d{4}-\d\d-\d\d.*at \d{4}-\d\d-\d\d/);
    return true;
  });
}

Deno.test("Lease.acquire() says who has the lease since when, when another has it", async () => {
  await using under = await openTemporary();
  using _lease = await acquire(under.database, ANN);
  await held(() => acquire(under.database, BEN), ANN);
  using again = await acquire(under.database, ANN);
  assert.ok(again.token > 0, "the same owner goes on at once");
});

Deno.test("Lease.acquire() waits as long as it may, and gets the lease when it is released", async () => {
  await using under = await openTemporary();
  const first = await acquire(under.database, ANN);
  using clock = new StoppedClock();
  const patient = { waitSeconds: 60, monotonic: clock.now };
  const waiting = held(() => acquire(under.database, BEN, patient), ANN);
  await clock.lookedAt(5, waiting);
  clock.advance(59_999);
  await clock.lookedAt(3, waiting);
  clock.advance(1);
  await finished("the wait", waiting);

  const acquiring = acquire(under.database, BEN, patient);
  await clock.lookedAt(5, acquiring);
  await first.release();
  using second = await finished("the wait for the lease", acquiring);
  assert.ok(second.token > first.token);
});

Deno.test("Lease.acquire() asks no further and stops with the signal's reason, when it comes", async () => {
  await using under = await openTemporary();
  using _lease = await acquire(under.database, ANN);
  const controller = new AbortController(), { signal } = controller;
  const reason = new InterruptedError("SIGTERM");
  using clock = new StoppedClock();
  const waiting = acquire(under.counted, BEN, { waitSeconds: 60, monotonic: clock.now, signal });
  const stopped = assert.rejects(waiting, reason);
  await clock.lookedAt(5, stopped);
  controller.abort(reason);
  const asked = under.calls();
  await finished("what was stopped", stopped);
  assert.equal(under.calls(), asked, "it waited on");
});

Deno.test("Lease.resume() goes on with a token, also an expired one, unless another has taken the lease", async () => {
  await using under = await openTemporary();
  const options = { ttlSeconds: 900, monotonic: () => performance.now() };
  const answer = await under.database.acquireLease(ANN, 0);
  assert.ok("token" in answer);
  using resumed = await Lease.resume(under.database, answer.token, options);
  assert.equal(resumed.token, answer.token);
  await held(() => acquire(under.database, BEN), ANN);

  await under.database.renewLease(answer.token, 0);
  using _taken = await acquire(under.database, BEN);
  await assert.rejects(Lease.resume(under.database, answer.token, options), LeaseLostError);
});

Deno.test("hold() asks nobody before the deadline, and the database after it", async () => {
  await using under = await openTemporary();
  using clock = new StoppedClock();
  using lease = await acquire(under.counted, ANN, { ttlSeconds: 900, monotonic: clock.now });
  const before = under.calls();
  clock.advance(899_999);
  await lease.hold("publish");
  assert.equal(under.calls(), before);
  clock.advance(1);
  await lease.hold("publish");
  assert.equal(under.calls(), before + 1);
  clock.advance(899_999);
  await lease.hold("publish");
  assert.equal(under.calls(), before + 1, "the renewal did not extend the deadline");
});

Deno.test("hold() fails for ever, when another has taken the lease", async () => {
  await using under = await openTemporary();
  using clock = new StoppedClock();
  using lease = await acquire(under.database, ANN, { monotonic: clock.now });
  await under.database.renewLease(lease.token, 0);
  using _taken = await acquire(under.database, BEN);
  await lease.hold("publish");
  clock.advance(900_000);
  for (let i = 0; i < 2; i++) {
    await assert.rejects(lease.hold("publish the marts"), (error) => {
      assert.ok(error instanceof LeaseLostError);
      assert.match(error.message, /^Cannot publish the marts: the lease was lost/);
      return true;
    });
  }
});

Deno.test("hold() counts the deadline from before the renewal was sent", async () => {
  await using under = await openTemporary();
  using clock = new StoppedClock();
  // A database that answers late: the lease runs from when it was asked, so less of it is left.
  const slow = new Proxy(under.database, {
    get(target, name) {
      const value = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return async (...args: unknown[]) => {
        const answer = await value.apply(target, args);
        if (name === "acquireLease" || name === "renewLease") clock.advance(600_000);
        return answer;
      };
    },
  });
  using lease = await acquire(slow, ANN, { monotonic: clock.now });
  await under.database.renewLease(lease.token, 0);
  using _taken = await acquire(under.database, BEN);
  clock.advance(299_999);
  await lease.hold("publish");
  clock.advance(1);
  await assert.rejects(lease.hold("publish"), LeaseLostError);
});

Deno.test("hold() fails with the database's own error, when that cannot be asked after the deadline", async () => {
  await using under = await openTemporary();
  using clock = new StoppedClock();
  const down = new UnavailableError("database_in_use", "Cannot open the database");
  let isDown = false;
  const database = new Proxy(under.database, {
    get(target, name) {
      const value = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => isDown ? Promise.reject(down) : value.apply(target, args);
    },
  });
  using lease = await acquire(database, ANN, { monotonic: clock.now });
  isDown = true;
  await lease.hold("publish");
  clock.advance(900_000);
  await assert.rejects(lease.hold("publish"), down);
  isDown = false;
  await lease.hold("publish");
});

Deno.test("the heartbeat keeps the lease beyond its time to live, until it is disposed of", async () => {
  await using under = await openTemporary();
  {
    using heart = holdHeart();
    using lease = await acquire(under.database, ANN, { ttlSeconds: 900 });
    assert.equal(heart.intervalMs(), 300_000);
    await under.database.renewLease(lease.token, 0);
    await heart.beat();
    await held(() => acquire(under.database, BEN), ANN);
    assert.ok(heart.isBeating());
    lease[Symbol.dispose]();
    assert.ok(!heart.isBeating());
    // Disposing leaves the lease as it is: it ends by itself.
    await held(() => acquire(under.database, BEN), ANN);
    await under.database.renewLease(lease.token, 0);
    using _next = await acquire(under.database, BEN);
  }
  using _lease = await acquire(under.counted, BEN, { ttlSeconds: 1 });
  const before = under.calls();
  await until("the heart beats by itself", () => under.calls() >= before + 2);
});

Deno.test("release() gives the lease to whoever asks next, and may be repeated", async () => {
  await using under = await openTemporary();
  using heart = holdHeart();
  const lease = await acquire(under.database, ANN);
  for (let i = 0; i < 2; i++) await lease.release();
  assert.ok(!heart.isBeating(), "it would take the lease back");
  using next = await acquire(under.database, BEN);
  await lease.release();
  await held(() => acquire(under.database, ANN), BEN);
  await next.release();
});
