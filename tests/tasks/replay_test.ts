/**
 * Replays on the embedded default: the way back into the marts, several replays of one row, and what is left out. Those
 * that are killed are in `replay_crash_test.ts`.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { testReplay } from "./replay_nights.ts";
import { startPipeline } from "../support/crash_process.ts";
import { createEmbedded } from "../support/deployment.ts";
import { readTable, withDuckdb } from "../support/duckdb.ts";
import {
  afterNight,
  deliverTexts,
  fileOf,
  HEADER,
  listed,
  loadCustomers,
  productsIn,
  type ReplaySummary,
  rowOf,
  runReplay,
} from "../support/replay.ts";
import { runPipeline, runTask, type Summary } from "../support/task.ts";
import { readTree } from "../support/tree.ts";

testReplay("embedded", createEmbedded);

/** A customer that the dimension does not have at first. */
const LATE = 900;
const BY_REASON = ["--reason", "unknown_customer_id"];

function statuses({ files }: Summary): string[] {
  return files.map(({ key, status, reason, rowsAccepted, rowsRejected }) =>
    `${key.split("/").at(-1)} ${status} ${reason} ${rowsAccepted}+${rowsRejected}`
  );
}

Deno.test("replay follows a row that is rejected again, whatever the same content came to elsewhere", async (test) => {
  // The same ten rows in two files, beside so many good ones that they are not too many.
  const bad = Array.from({ length: 10 }, (_, i) => rowOf(LATE, { product: `bad ${i}` }));
  const good = (name: string) => Array.from({ length: 90 }, () => rowOf(1, { product: name }));
  const { deployment, night } = await afterNight({
    "a.csv": fileOf(...good("a"), ...bad),
    "b.csv": fileOf(...bad, ...good("b")),
  });
  await using _ = deployment;
  const { config } = deployment;
  const expected = [...Array(90).fill("a"), ...Array(90).fill("b")];
  const twice = bad.flatMap((_, i) => [`bad ${i}`, `bad ${i}`]);
  let second: Summary, again: ReplaySummary;

  await test.step("rows that fail again, all of them, make a file that is rejected whole", async () => {
    assert.deepEqual((await runReplay(config, BY_REASON)).counts, { rows: 20, files: 0 });
    second = await runPipeline(config);
    assert.deepEqual(statuses(second), [
      "a.csv rejected too_many_rejects 0+10",
      "b.csv rejected too_many_rejects 0+10",
    ]);
    const rows = await runReplay(config, BY_REASON);
    assert.equal(rows.state, "nothing-to-do");
    assert.deepEqual(rows.leftOut.map(({ runId, reason }) => [runId, reason]), [
      [night.runId, "already_replayed"],
      [night.runId, "already_replayed"],
      [second.runId, "whole_file_only"],
      [second.runId, "whole_file_only"],
    ]);
  });

  await test.step("which is replayed whole, under a name that does not grow, and is nobody's duplicate", async () => {
    again = await runReplay(config, ["--run", second.runId]);
    assert.deepEqual(
      again.replayed.map(({ kind, rowCount, destination }) => [kind, rowCount, destination]),
      ["a.csv", "b.csv"].map((
        name,
      ) => ["file", 10, `sales_data/replay/${again.runId}/${night.runId}/${name}`]),
    );
    // Somebody delivers the same bytes too: that is a delivery of its own, and a duplicate.
    const [copied] = again.replayed;
    const bytes = await Deno.readTextFile(join(deployment.store, copied!.destination));
    await deliverTexts(deployment, { "copy.csv": bytes });
    await loadCustomers(deployment, [LATE]);
    const third = await runPipeline(config);
    assert.deepEqual(statuses(third), [
      "copy.csv duplicate same_content 0+0",
      "a.csv accepted null 10+0",
      "b.csv accepted null 10+0",
    ]);
    assert.deepEqual(await productsIn(deployment), [...expected, ...twice].sort());
  });

  await test.step("and whoever delivers it once more under the same key delivers a duplicate", async () => {
    const [taken] = again.replayed;
    const name = taken!.destination.slice("sales_data/".length);
    await deliverTexts(deployment, { [name]: fileOf(...bad) });
    assert.deepEqual(statuses(await runPipeline(config)), ["a.csv duplicate same_content 0+0"]);
    assert.deepEqual(await productsIn(deployment), [...expected, ...twice].sort());
  });
});

Deno.test("replay takes a row that the next night rejects again from there", async () => {
  const { deployment, night } = await afterNight({
    "a.csv": fileOf(rowOf(1), rowOf(LATE), rowOf(1, { quantity: 0 })),
  });
  await using _ = deployment;
  const { config } = deployment;
  await runReplay(config, BY_REASON);
  const second = await runPipeline(config);
  assert.deepEqual(statuses(second), ["a.csv accepted null 0+1"]);
  await loadCustomers(deployment, [LATE]);
  // The rest of the first night's file would get the same name.
  const both = await runReplay(config, ["--file", "sales_data/a.csv"]);
  assert.deepEqual(listed(both.replayed), ["a.csv rows 1"]);
  const last = await runReplay(config, BY_REASON);
  assert.deepEqual(last.replayed.map(({ runId, key, destination }) => [runId, key, destination]), [
    [second.runId, second.files[0]!.key, `sales_data/replay/${last.runId}/${night.runId}/a.csv`],
  ]);
  assert.deepEqual(statuses(await runPipeline(config)).sort(), [
    "a.csv accepted null 0+1",
    "a.csv accepted null 1+0",
  ]);
  assert.deepEqual(await productsIn(deployment), ["sugar", "sugar"]);
});

Deno.test("replay says what it leaves out, and goes on with the others, when something is gone or was changed", async () => {
  const bad = (name: string) => fileOf(rowOf(1, { product: name }), rowOf(LATE, { product: `${name} bad` }));
  const names = ["a", "changed", "cut", "no-rejects", "no-source"];
  const files = Object.fromEntries(names.map((name) => [`${name}.csv`, bad(name)]));
  const { deployment, night } = await afterNight({ ...files, "whole.csv": "no\n", "gone.csv": "none\n" });
  await using _ = deployment;
  const { store, config } = deployment;
  const within = (path: string) => join(store, path.replace("RUN", night.runId));
  await Deno.remove(within("sales_data_processed/RUN/no-source.csv"));
  await Deno.remove(within("sales_data_error/RUN/rejects/no-rejects.csv.csv"));
  await Deno.remove(within("sales_data_error/RUN/files/gone.csv"));
  await Deno.writeTextFile(
    within("sales_data_error/RUN/rejects/cut.csv.csv"),
    "line,reason,column,detail,raw\n",
  );
  await Deno.writeTextFile(within("sales_data_error/RUN/rejects/changed.csv.csv"), "line;reason\n3;x\n");
  const summary = await runReplay(config, ["--run", night.runId]);
  assert.deepEqual(listed(summary.replayed), ["a.csv rows 1", "whole.csv file 0"]);
  assert.deepEqual(listed(summary.leftOut), [
    "changed.csv rows 1 object_changed",
    "cut.csv rows 1 object_changed",
    "gone.csv file 0 object_missing",
    "no-rejects.csv rows 1 object_missing",
    "no-source.csv rows 1 object_missing",
  ]);
  assert.deepEqual(
    (await readTable(deployment.database, "replayed_row")).rows.map(([, key, line]) => [key, line]).sort(),
    [["sales_data/a.csv", "3"], ["sales_data/whole.csv", "0"]],
  );
});

Deno.test("replay waits for what it takes to be moved there, also in a dry run, which moves nothing itself", async () => {
  const deployment = await createEmbedded();
  await using _ = deployment;
  const { config } = deployment;
  await loadCustomers(deployment, []);
  await deliverTexts(deployment, {
    "a.csv": fileOf(rowOf(1), rowOf(LATE)),
    "whole.csv": "no\n",
    "many.csv": fileOf(...Array.from({ length: 12 }, (_, i) => rowOf(LATE, { product: `many ${i}` }))),
  });
  const point = { when: "after", call: "database.commit" } as const;
  assert.equal((await startPipeline(config, point).ended).signal, "SIGKILL");
  const dry = await runReplay(config, ["--reason", "unknown_customer_id", "--dry-run"]);
  assert.deepEqual(listed(dry.leftOut), ["a.csv rows 1 move_pending", "many.csv file 12 move_pending"]);
  const early = await runReplay(config, ["--file", "sales_data/a.csv"]);
  assert.deepEqual(listed(early.leftOut), ["a.csv rows 1 move_pending"]);
  const whole = await runReplay(config, ["--reason", "missing_columns"]);
  assert.deepEqual(listed(whole.leftOut), ["whole.csv file 0 move_pending"]);
  assert.equal((await runPipeline(config)).state, "recovered");
  assert.deepEqual((await runReplay(config, ["--file", "sales_data/a.csv"])).counts, { rows: 1, files: 0 });
});

Deno.test("replay says what is wrong with its selection, and changes nothing", async (test) => {
  const { deployment, night } = await afterNight({
    "a.csv": fileOf(rowOf(1), rowOf(LATE)),
    "good.csv": fileOf(rowOf(1)),
    "twin.csv": fileOf(rowOf(1)),
  });
  await using _ = deployment;
  const { config } = deployment;
  const before = await readTree(deployment.store);
  const cases: readonly (readonly [string[], number, RegExp])[] = [
    [[], 64, /at least one of --run, --file and --reason/],
    [["--reason", "bad"], 64, /"bad".*field_count.*missing_columns/],
    [["--reason", "same_content"], 64, /duplicates/],
    [["--no-such"], 64, /--no-such/],
    [["--run", "20230401T020000Z-7f3a"], 65, /"20230401T020000Z-7f3a".* does not know it/],
    [["--file", "a.csv"], 65, /"a\.csv": no run has taken such a file; give its whole key/],
    [["--run", night.runId, "--file", "sales_data/b.csv"], 65, /run \S+ has not taken such a file/],
    [["--config", "/no/such.jsonc", ...BY_REASON], 78, /such\.jsonc/],
  ];
  for (const [flags, code, says] of cases) {
    await test.step(flags.join(" ") || "nothing", async () => {
      const summary = await runReplay(config, flags, { code });
      assert.equal(summary.state, "failed");
      assert.equal(summary.committed, false);
      assert.equal(summary.error?.exitCode, code);
      assert.match(summary.error.message, says);
      if (code !== 65) assert.equal(summary.runId, null);
    });
  }
  for (const name of ["twin", "good"]) {
    const flags = ["--file", `sales_data/${name}.csv`];
    const { state, leftOut } = await runReplay(config, flags);
    assert.equal(state, "nothing-to-do");
    assert.deepEqual(listed(leftOut), name === "twin" ? ["twin.csv file 0 duplicate"] : []);
  }
  assert.deepEqual([...(await readTree(deployment.store)).keys()], [...before.keys()]);
});

Deno.test("replay puts 120,000 rows of a file back, and then the one that had been left", async () => {
  const deployment = await createEmbedded();
  await using _ = deployment;
  const { config, database, store } = deployment;
  await Deno.writeTextFile(
    config,
    JSON.stringify({
      ...JSON.parse(await Deno.readTextFile(config)),
      contract: { maxRejectedShare: 1, maxUnknownShare: 1 },
    }),
  );
  await loadCustomers(deployment, []);
  const rows = Array.from({ length: 120_000 }, (_, i) => rowOf(LATE, { product: `bad ${i}` }));
  await deliverTexts(deployment, { "a.csv": `${HEADER}\n${rows.join("\n")}\n` });
  await runPipeline(config);
  const { counts, replayed: [part] } = await runReplay(config, BY_REASON);
  assert.deepEqual(counts, { rows: 120_000, files: 0 });
  const [header, ...found] = (await Deno.readTextFile(join(store, part!.destination))).split("\n");
  assert.equal(header, HEADER);
  assert.equal(found.pop(), "");
  assert.deepEqual(new Set(found), new Set(rows));
  assert.equal(found.length, rows.length);
  await withDuckdb(database, (connection) => connection.run("DELETE FROM replayed_row WHERE line = 60000"));
  await withDuckdb(
    database,
    (connection) => connection.run("UPDATE replayed_file SET line_count = line_count - 1"),
  );
  const one = await runReplay(config, BY_REASON);
  assert.deepEqual(listed(one.replayed), ["a.csv rows 1"]);
  assert.deepEqual(listed(one.leftOut), ["a.csv rows 119999 already_replayed"]);
  const text = await Deno.readTextFile(join(store, one.replayed[0]!.destination));
  assert.equal(text, fileOf(rows[60_000 - 2]!));
});

Deno.test("replay tells people what it does", async () => {
  const { deployment, night } = await afterNight({ "a.csv": fileOf(rowOf(1), rowOf(LATE)), "b.csv": "no\n" });
  await using _ = deployment;
  const args = ["--config", deployment.config, "--run", night.runId];
  const dry = await runTask("replay", [...args, "--dry-run"]);
  assert.equal(dry.code, 0, dry.text);
  assert.match(
    dry.stdout,
    /dry run, nothing was changed\. A real one would put back 1 row and 1 whole file:/,
  );
  const real = await runTask("replay", args);
  assert.match(real.stdout, /put back 1 row and 1 whole file; the next run takes them/);
  assert.match(
    real.stdout,
    new RegExp(`1 row of sales_data/a\\.csv, run ${night.runId}\\n +→ sales_data/replay/`),
  );
  const help = await runTask("replay", ["--help"]);
  for (const option of ["--run", "--file", "--reason", "--dry-run", "--json", "--config", "--log-level"]) {
    assert.ok(help.stdout.includes(option), help.text);
  }
});
