/**
 * Databases that earlier versions made, as cases that run on any database.
 *
 * Each kind of database makes one with the DDL of version 2 and with what {@linkcode VERSION_2} says.
 *
 * @module
 */
import assert from "node:assert/strict";
import { assertSameRows } from "../support/rows.ts";
import {
  commitRun,
  CUSTOMER_TABLE,
  type DatabaseUnderTest,
  FIRST,
  ledgerEntry,
  readCustomers,
  readSalesTeam,
  type RegisterCase,
  SALES_TABLE,
  SECOND,
  sha256,
  THIRD,
} from "./fixtures.ts";

/**
 * The content of a database of version 2 in words: its id, bound, and the token of its lease, which is free.
 *
 * Its run `published` (FIRST, token 1, published) took `known.csv`, accepted with 2 rows and the sha256 of its name, and
 * `partly.csv`, accepted with 2 of 5 rows and the sha256 of its name. Its run `committed` (SECOND, token 2, committed) is a
 * replay of line 2 of `partly.csv`, put back under `landing.csv` with the sha256 of `composed`; it took `whole.csv`,
 * rejected for `empty_file`, not read, and has an open move of kind `archive` for that: `whole.csv` to `error/whole.csv`,
 * etag `etag`, 0 bytes. Ledger entries have the etag `etag`, 17 bytes and the destination `to/KEY`.
 *
 * The reporting tables have a row each: customer 1, Ann Lee, 1 Elm St, no number, 2023-03, 5.00; store 121, person 1, Ada,
 * 2023-03, 5.00, 0.05.
 */
export const VERSION_2 = {
  id: "c0ffee00-0000-4000-8000-000000000002",
  token: 2,
  published: FIRST,
  committed: SECOND,
};

/** Registers the cases. */
export function testMigration(
  kind: string,
  open: () => Promise<DatabaseUnderTest>,
  test: RegisterCase,
): void {
  test("prepare() adds the tables of replays, when the database is of the first version", async (under) => {
    await commitRun(under, FIRST, { customers: [[1, "Ann Lee", null, null, "2023-03", "5.00"]] });
    const binding = await under.database.binding();
    await under.sql(
      "DROP TABLE replayed_file",
      "DROP TABLE replayed_row",
      "ALTER TABLE source_file DROP COLUMN dataset",
      "UPDATE pipeline_schema SET version = 1",
    );
    await under.database.prepare();
    assert.deepEqual(await under.sql("SELECT version FROM pipeline_schema"), [["3"]]);
    assert.deepEqual(await under.database.binding(), binding);
    assert.equal((await readCustomers(under)).length, 1);
    assert.deepEqual(await under.database.replayedLines({ runId: FIRST, key: "partly.csv" }, 0), []);
  });

  Deno.test(`${kind}: prepare() loses nothing, when the database is of version 2`, async () => {
    await using under = await open();
    const { database } = under;
    await under.sql(...under.version2);
    await Promise.all([database.prepare(), database.prepare(), database.prepare()]);
    for (let i = 0; i < 2; i++) {
      await database.prepare();
      await database.prepareTables([CUSTOMER_TABLE, SALES_TABLE]);
      await assertVersion2Kept(under);
    }
    assert.deepEqual(await under.sql("SELECT version FROM pipeline_schema"), [["3"]]);
    assert.deepEqual(await database.binding(), { id: VERSION_2.id, bound: true });
    assert.deepEqual(await under.sql("SELECT count(*) FROM pipeline_lease"), [["1"]]);
  });

  Deno.test(`${kind}: a run goes on with a database of version 2 after prepare()`, async () => {
    await using under = await open();
    const { database } = under;
    await under.sql(...under.version2);
    await database.prepare();
    await database.prepareTables([CUSTOMER_TABLE, SALES_TABLE]);
    const { token } = await commitRun(under, THIRD, {
      customers: [[1, "Ann Ray", null, "555", "2023-03", "1.00"]],
      sales: [[121, 2, "Bob", "2023-03", "6.00"]],
      ledger: [
        ledgerEntry("known.csv", { dataset: "returns" }),
        ledgerEntry("landing.csv", { sha256: sha256("composed") }),
      ],
    });
    assert.equal(token, VERSION_2.token + 1, "the tokens began again");
    assertSameRows(
      await readCustomers(under),
      [["1", "Ann Ray", null, "555", "2023-03", "6.00"]],
      "customers",
    );
    assertSameRows(await readSalesTeam(under), [
      ["121", "1", "Ada", "2023-03", "5.00", "0.00"],
      ["121", "2", "Bob", "2023-03", "6.00", "0.06"],
    ], "sales people");
    for (const dataset of ["sales", "returns"]) {
      assert.deepEqual(
        await database.acceptedContent(dataset, [sha256("known.csv")]),
        new Set([sha256("known.csv")]),
      );
    }
    assert.deepEqual(
      await database.newByLineage([{ key: "landing.csv", sha256: sha256("composed") }]),
      new Set(),
    );
    const [move] = await database.pendingMoves("archive");
    await database.settleMoves([{ id: move!.id, outcome: "done" }]);
    await database.finishRun(SECOND, "published");
    assert.deepEqual(await database.unfinishedRuns(), [
      { runId: THIRD, openPublishes: 0, openArchives: 0, published: false },
    ]);
  });
}

/** Asserts that the database answers what a database of version 2 held; also one that was only read. */
export async function assertVersion2Kept({ database }: Pick<DatabaseUnderTest, "database">): Promise<void> {
  const { published, committed } = VERSION_2;
  assert.deepEqual(
    await database.runStates([published, committed]),
    new Map([[published, "published"], [committed, "committed"]]),
  );
  assert.deepEqual(await database.unfinishedRuns(), [
    { runId: committed, openPublishes: 0, openArchives: 1, published: false },
  ]);
  const names = ["known.csv", "partly.csv", "whole.csv"];
  const versions = await database.earlierVersions([...names, "new.csv"]);
  assert.deepEqual(new Set(versions.keys()), new Set(names));
  const accepted = await database.acceptedContent("sales", names.map(sha256));
  assert.deepEqual(accepted, new Set(names.slice(0, 2).map(sha256)));
  assert.deepEqual(await database.acceptedContent("returns", names.map(sha256)), new Set());
  const rejected = await database.rejectedFiles({ runId: null, key: null });
  assert.deepEqual(
    rejected.map(({ runId, key, dataset, replayedCount }) => ({ runId, key, dataset, replayedCount })),
    [
      { runId: published, key: "partly.csv", dataset: "sales", replayedCount: 1 },
      { runId: committed, key: "whole.csv", dataset: "sales", replayedCount: 0 },
    ],
  );
  assert.deepEqual(await database.replayedLines({ runId: published, key: "partly.csv" }, 0), [2]);
  const landing = { key: "landing.csv", sha256: sha256("composed") };
  assert.deepEqual(await database.newByLineage([landing]), new Set([landing.key]));
  assert.deepEqual(
    (await database.pendingMoves("archive")).map(({ runId, from, to }) => ({ runId, from, to })),
    [
      { runId: committed, from: "whole.csv", to: "error/whole.csv" },
    ],
  );
}
