/**
 * Downloads a delivery and validates it, each by the real stage in a process of its own, and runs the plain script
 * beside it where there is one.
 *
 * @module
 */
import { join } from "node:path";
import { PARQUET_DATASETS } from "../../support/datasets.ts";
import { select, sqlText, withDuckdb } from "../../support/duckdb.ts";
import { REPOSITORY, type Summary, wordsOf } from "../../support/task.ts";
import { type Chain, generateDimensions } from "../generate.ts";
import { measure, type Measurement, type Usage } from "../measure.ts";
import type { MemoryLimit } from "../report.ts";
import { differences, readOutcome, type WrittenFiles } from "./outcome.ts";
import type { Measured } from "./report.ts";
import { FULL_SIZES, type Scenario, type Sizes } from "./scenarios.ts";

const PLAIN = "tests/bench/validate/plain.ts";
/** What the plain script makes too. */
const SHARED_COLUMNS = PARQUET_DATASETS.accepted_sales.map((column) => column.split(" ")[0])
  .filter((name) => name !== "additional_column" && name !== "source_key");

/** Makes a scenario's delivery in a new folder and measures it; `say` is told what is under way. */
export async function measureScenario(
  folder: string,
  scenario: Scenario,
  { sizes, limit, say }: { sizes: Sizes; limit: MemoryLimit; say: (text: string) => void },
): Promise<Omit<Measured, "name">> {
  const chain = scenario.chain(sizes);
  const place = {
    config: join(folder, "config.jsonc"),
    store: join(folder, "store"),
    database: join(folder, "warehouse.duckdb"),
    workDir: join(folder, "work"),
  };
  const source = join(place.store, "sales_data");
  say(`making ${chain.rowCount} rows`);
  await Deno.mkdir(folder);
  await generateDimensions(place.database, chain);
  const { files, expected, rowsPerFile } = await scenario.deliver(source, chain);
  const sizeBytes = (await Promise.all(files.map(async (file) => (await Deno.stat(file)).size)))
    .reduce((sum, size) => sum + size, 0);
  await Deno.writeTextFile(
    place.config,
    JSON.stringify({
      store: { kind: "folder", path: place.store },
      database: { kind: "duckdb", path: place.database },
      workDir: place.workDir,
      resources: { memoryLimit: limit.configured },
    }),
  );

  say("downloading");
  const download = await runTask("download", ["--config", place.config]);
  // All of it is in the page cache, for the plain script too.
  say("validating");
  const validate = await runTask("validate", ["--work-dir", place.workDir, "--json"]);
  const summary: Summary = JSON.parse(validate.stdout);
  const written = await findWritten(join(place.workDir, "runs", summary.runId));
  const differing = differences(await readOutcome(summary, written, rowsPerFile), expected);

  let plain: Usage | null = null;
  if (scenario.plain !== null) {
    say("running the plain script");
    const target = join(folder, "plain.parquet");
    const faulty = scenario.plain === "tolerant" ? ["--faulty"] : [];
    const args = ["--source", source, "--target", target, "--memory-limit", `${limit.mib}MiB`, ...faulty];
    plain = await runTask("validate", args, PLAIN);
    differing.push(...await compareWithPlain(written, target, chain));
  }
  return {
    title: scenario.title,
    isFullSize: chain.rowCount >= scenario.chain(FULL_SIZES).rowCount,
    aim: scenario.aim,
    rowCount: chain.rowCount,
    fileCount: files.length,
    sizeBytes,
    steps: [...(scenario.withDownload ? [{ name: "download", ...download }] : []), {
      name: "validate",
      ...validate,
    }],
    plain,
    rows: summary.rows,
    differences: differing,
  };
}

/** Runs a task's script, or another in its place, with the flags and permissions of the task. */
async function runTask(
  task: "download" | "validate",
  args: readonly string[],
  script = `tasks/${task}.ts`,
): Promise<Measurement> {
  const words = wordsOf(task);
  const flags = words.slice(0, words.indexOf(`tasks/${task}.ts`));
  const measured = await measure([Deno.execPath(), ...flags, script, ...args], REPOSITORY);
  if (measured.exitCode === 0) return measured;
  throw new Error(`${script} exited with ${measured.exitCode}\n${measured.stderr}${measured.stdout}`);
}

async function findWritten(runFolder: string): Promise<WrittenFiles> {
  const manifest: {
    accepted: { sales?: { files: string[] } };
    files: { rejectsFile: string | null }[];
  } = JSON.parse(await Deno.readTextFile(join(runFolder, "manifest.json")));
  return {
    runFolder,
    accepted: manifest.accepted.sales?.files ?? [],
    rejects: manifest.files.flatMap(({ rejectsFile }) => rejectsFile ?? []),
  };
}

/** The plain script leaves out what it cannot read, but nothing that only lacks a value or a dimension row. */
function compareWithPlain(
  { runFolder, accepted }: WrittenFiles,
  target: string,
  { customers }: Chain,
): Promise<string[]> {
  const sums = `SELECT count(*), sum(total_cost), sum(hash(${SHARED_COLUMNS.join(", ")}))`;
  const files = accepted.map((file) => sqlText(join(runFolder, file))).join(", ");
  return withDuckdb(":memory:", async (connection) => {
    const found = await select(connection, `${sums} FROM read_parquet([${files}])`);
    const expected = await select(
      connection,
      `${sums} FROM ${sqlText(target)} WHERE customer_id <= ${customers} AND sales_person_id IS NOT NULL`,
    );
    const [have, want] = [found, expected].map(({ rows }) => rows[0]?.join(", "));
    return have === want
      ? []
      : [`rows, total_cost and sum of hashes are ${have}, those of the plain script ${want}`];
  });
}
