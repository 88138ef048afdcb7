/**
 * What lies in the landing prefix and is no source file, through a whole night.
 *
 * @module
 */
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { runPipeline, runTask } from "../support/task.ts";
import { createWorkspace, goldenPath, loadDimensions } from "../support/workspace.ts";

const SALE = "customer_id,store_id,product_name,sales_date,sales_person_id,price,quantity,total_cost\n" +
  "1,121,sugar,2023-03-01,1,7.00,1,7.00\n";

Deno.test("pipeline leaves alone what landing.ignore names, in every folder, and where it is", async () => {
  await using workspace = await createWorkspace({ landing: { ignore: ["*.ok", "old/**", "~$$*"] } });
  await loadDimensions(workspace, goldenPath("dimensions"));
  const names = ["a.csv", "a.csv.ok", "x/a.csv.OK", "old/x/b.csv", "x/~$c.csv", "_SUCCESS"];
  for (const name of names) {
    const path = join(workspace.store, "sales_data", name);
    await Deno.mkdir(dirname(path), { recursive: true });
    await Deno.writeTextFile(path, SALE);
  }
  const { files } = await runPipeline(workspace.config);
  const found = files.map(({ key, reason }) => [key.slice("sales_data/".length), reason]);
  assert.deepEqual(found, [["_SUCCESS", "unsupported_type"], ["a.csv", null]]);
  for (const name of names.slice(1, -1)) await Deno.stat(join(workspace.store, "sales_data", name));
});

/** A file of the summary, with the words that belong to its reason. */
type SkippedFile = {
  readonly key: string;
  readonly status: string;
  readonly reason: string;
  readonly detail: string;
};

Deno.test("pipeline says in log and summary what it is, when something in the landing prefix is no file", async () => {
  await using workspace = await createWorkspace();
  await loadDimensions(workspace, goldenPath("dimensions"));
  const landing = join(workspace.store, "sales_data");
  await Deno.mkdir(join(landing, "sub"), { recursive: true });
  await Deno.writeTextFile(join(landing, "a.csv"), SALE);
  await Deno.writeTextFile(join(workspace.store, "outside.csv"), SALE);
  await Deno.symlink("../outside.csv", join(landing, "b.csv"));
  await Deno.symlink("nowhere", join(landing, "c.csv"));
  await Deno.symlink("..", join(landing, "sub", "d"));
  await Deno.symlink("a.csv", join(landing, ".hidden.csv"));
  const made = await new Deno.Command("mkfifo", { args: [join(landing, "e.csv")] }).output();
  assert.ok(made.success);
  // A process of its own, since these tests may not use the network; one that exits at once leaves its socket behind.
  const path = JSON.stringify(join(landing, "f.csv"));
  const code = `Deno.listen({ transport: "unix", path: ${path} }); Deno.exit();`;
  assert.ok((await new Deno.Command(Deno.execPath(), { args: ["eval", code] }).output()).success);

  const result = await runTask("pipeline", ["--config", workspace.config, "--json"]);
  assert.equal(result.code, 0, result.text);
  const files: SkippedFile[] = JSON.parse(result.stdout).files;
  const words = {
    "b.csv": /symbolic link/,
    "c.csv": /symbolic link/,
    "e.csv": /FIFO/,
    "f.csv": /socket/,
    "sub/d": /symbolic link/,
  };
  const skipped = files.filter(({ status }) => status === "skipped");
  assert.deepEqual(skipped.map(({ key }) => key), Object.keys(words).map((name) => `sales_data/${name}`));
  for (const [name, word] of Object.entries(words)) {
    const found = skipped.find(({ key }) => key === `sales_data/${name}`);
    assert.equal(found?.reason, "unhandled_key", name);
    assert.match(found?.detail ?? "", word, name);
    const line = result.stderr.split("\n").find((line) =>
      line.includes(`sales_data/${name} tonight: unhandled_key`)
    );
    assert.match(line ?? "", word, name);
  }
  assert.deepEqual(files.filter(({ status }) => status === "accepted").length, 1);
});
