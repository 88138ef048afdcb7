/**
 * What the queries of the docs are about: `data/demo` in a folder of a test's own, as the demo leaves it, or with what
 * the golden nights have become.
 *
 * @module
 */
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { createEmbedded } from "./deployment.ts";
import { REPOSITORY, runPipeline, runTask } from "./task.ts";
import { listFiles } from "./tree.ts";
import { goldenPath } from "./workspace.ts";

/** What of the repository the demo needs: it keeps its data beside the program, and a developer's own is left alone. */
const FOLDERS = ["lib", "tasks", "config"];
const FILES = ["deno.json", "deno.lock"];

/** A folder in which paths of the docs lead somewhere; deleted at the end. */
export interface DemoFolder extends AsyncDisposable {
  /** Has `data/demo` with `store` and `warehouse.duckdb`. */
  readonly folder: string;
}

/** A demo that has run. */
export interface Demo extends DemoFolder {
  /** What it printed. */
  readonly stdout: string;
}

/** Runs `deno task demo`, once, on a machine where it has never run. */
export async function runDemo(): Promise<Demo> {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "nightly-marts-demo-" }));
  const names = await Promise.all(
    FOLDERS.map(async (top) => (await listFiles(join(REPOSITORY, top))).map((name) => `${top}/${name}`)),
  );
  for (const name of [...FILES, ...names.flat()]) {
    await Deno.mkdir(dirname(join(folder, name)), { recursive: true });
    await Deno.copyFile(join(REPOSITORY, name), join(folder, name));
  }
  const modules = await Deno.realPath(join(REPOSITORY, "node_modules"));
  await Deno.symlink(modules, join(folder, "node_modules"));
  return {
    folder,
    stdout: await runDemoAgain(folder),
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

/** Runs the demo in a folder where it may have run before; gives what it prints. */
export async function runDemoAgain(folder: string): Promise<string> {
  const ffi = await Deno.realPath(join(folder, "node_modules"));
  const read = "--allow-read=./data,./tasks/demo,./tasks/sql";
  const permissions = [read, "--allow-write=./data", `--allow-ffi=${ffi}`];
  const { code, stdout, text } = await runTask("demo", [], { program: folder, permissions });
  assert.equal(code, 0, text);
  return stdout;
}

/** What the database has of incentives, in the order of the docs' own query. */
export const INCENTIVES = `
  SELECT sales_month, store_id, sales_person_id, total_sales, incentive FROM sales_team_data_mart
  ORDER BY sales_month, store_id, sales_person_id`;

/** Runs the first three golden nights, which have ties, refunds, and an incentive that moves on. */
export async function runGoldenNights(): Promise<DemoFolder> {
  const nights = await createEmbedded();
  await nights.loadDimensions(goldenPath("dimensions"));
  for (const number of [1, 2, 3]) {
    if (number === 3) await nights.loadDimensions(goldenPath("night-3/dimensions"));
    await nights.deliver(goldenPath(`night-${number}/landing`));
    await runPipeline(nights.config);
  }
  const folder = await Deno.makeTempDir({ prefix: "nightly-marts-golden-" });
  await Deno.mkdir(join(folder, "data"));
  await Deno.symlink(nights.folder, join(folder, "data", "demo"));
  return {
    folder,
    async [Symbol.asyncDispose]() {
      await Deno.remove(folder, { recursive: true });
      await nights[Symbol.asyncDispose]();
    },
  };
}
