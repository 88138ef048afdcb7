import assert from "node:assert/strict";
import type { Database } from "../../lib/database/database.ts";
import type { PendingMove, SettledMove } from "../../lib/database/records.ts";
import { UnavailableError } from "../../lib/errors.ts";
import { drainMoves, type MoveContext } from "../../lib/run/moves.ts";
import type { ObjectStore } from "../../lib/store/store.ts";

/** A move of an object with this key. */
function moveOf(id: number, from: string): PendingMove {
  const sizeBytes = 1, lastModified = null, localCopy = null;
  return {
    id,
    runId: "RUN",
    kind: "archive",
    from,
    to: `to/${from}`,
    etag: "e",
    sizeBytes,
    lastModified,
    localCopy,
  };
}

/** What draining needs: a store whose copy of "bad" fails when the others are done, and a database that settles so. */
function contextOf(
  keys: readonly string[],
  settleMoves: (moves: readonly SettledMove[]) => Promise<void>,
): MoveContext {
  const others = Promise.withResolvers<void>();
  let left = keys.length - 1;
  const store = {
    async copy(from: string) {
      if (from !== "bad") return;
      await others.promise;
      throw new UnavailableError("store_unavailable", "the copy failed");
    },
    delete() {
      if (--left === 0) setTimeout(others.resolve);
      return Promise.resolve();
    },
  };
  const moves = keys.map((key, id) => moveOf(id, key));
  const database = { pendingMoves: () => Promise.resolve(moves), settleMoves };
  const step = { advance() {}, update() {}, [Symbol.dispose]() {} };
  return {
    store: store as unknown as ObjectStore,
    database: database as unknown as Database,
    lease: { hold: () => Promise.resolve() } as unknown as MoveContext["lease"],
    workDirPath: "",
    log: {} as MoveContext["log"],
    progress: { step: () => step },
    telemetry: { file: (_what, _key, work) => work() },
    signal: new AbortController().signal,
  };
}

Deno.test("drainMoves() notes what is done and tells the move's own error, when one fails and noting fails too", async () => {
  for (const failing of [false, true]) {
    const noted: number[] = [];
    const context = contextOf(["a", "bad", "c"], (moves) => {
      noted.push(...moves.map(({ id }) => id));
      return failing ? Promise.reject(new Error("noting failed")) : Promise.resolve();
    });
    await assert.rejects(drainMoves("archive", context), { message: "the copy failed" });
    assert.deepEqual(noted, [0, 2]);
  }
});
