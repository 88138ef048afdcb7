/**
 * Replays as a test runs them, and what they and the nights around them work on.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { removeAtEnd } from "./ending.ts";
import { DIMENSION_TABLES } from "./datasets.ts";
import { createEmbedded, type Deployment } from "./deployment.ts";
import { readParquet } from "./duckdb.ts";
import { runPipeline, runTask, type Summary } from "./task.ts";
import { listFiles } from "./tree.ts";
import { goldenPath, type Workspace } from "./workspace.ts";

/** Something that is put back, or left out. */
export interface ReplayPart {
  readonly runId: string;
  readonly key: string;
  readonly kind: "rows" | "file";
  readonly rowCount: number;
  /** Of what is put back. */
  readonly destination: string;
  /** Of what is left out. */
  readonly reason: string;
}

/** What the `--json` summary of `replay` promises. */
export interface ReplaySummary {
  readonly runId: string | null;
  readonly state: "replayed" | "nothing-to-do" | "failed";
  readonly dryRun: boolean;
  readonly replayed: readonly ReplayPart[];
  readonly leftOut: readonly ReplayPart[];
  readonly counts: { readonly rows: number; readonly files: number };
  readonly recovered: readonly string[];
  readonly pendingMoves: number;
  readonly committed?: boolean;
  readonly error?: { readonly exitCode: number; readonly code: string; readonly message: string };
}

/** Runs `replay --json`, which must exit with that code. */
export async function runReplay(
  config: string,
  flags: readonly string[],
  { code = 0, env = {} }: { code?: number; env?: Readonly<Record<string, string>> } = {},
): Promise<ReplaySummary> {
  const result = await runTask("replay", ["--config", config, "--json", ...flags], { env });
  if (result.code !== code) throw new Error(result.text);
  return JSON.parse(result.stdout);
}

/** What is listed, as `KEY KIND COUNT`, with the reason where there is one. */
export function listed(parts: readonly ReplayPart[]): string[] {
  return parts.map(({ key, kind, rowCount, reason }) =>
    [key.replace(/^sales_data\//, ""), kind, rowCount, reason].filter((word) => word !== undefined).join(" ")
  ).sort();
}

/** The header of plain files. */
export const HEADER =
  "customer_id,store_id,product_name,sales_date,sales_person_id,price,quantity,total_cost";

/** A row of a plain file, good but for what is given. */
export function rowOf(customer: number, { product = "sugar", quantity = 2 } = {}): string {
  return `${customer},121,${product},2023-03-01,1,1.50,${quantity},${(1.5 * quantity).toFixed(2)}`;
}

/** A plain file of rows. */
export function fileOf(...rows: readonly string[]): string {
  return [HEADER, ...rows, ""].join("\n");
}

/** Puts files into the landing prefix, by their names there. */
export async function deliverTexts(
  deployment: Pick<Deployment, "deliver">,
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    for (const [name, content] of Object.entries(files)) {
      await Deno.mkdir(dirname(join(folder, name)), { recursive: true });
      const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
      await Deno.writeFile(join(folder, name), bytes);
    }
    await deployment.deliver(folder);
  } finally {
    await removeAtEnd(folder);
  }
}

/** Makes the golden dimension tables, with further customers. */
export async function loadCustomers(
  deployment: Pick<Deployment, "loadDimensions">,
  further: readonly number[],
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    for (const table of Object.keys(DIMENSION_TABLES)) {
      let text = await Deno.readTextFile(goldenPath(`dimensions/${table}.csv`));
      if (table === "customer") {
        for (const id of further) text += `${id},Late,Comer,Nowhere,1,2,2023-01-01\n`;
      }
      await Deno.writeTextFile(join(folder, `${table}.csv`), text);
    }
    await deployment.loadDimensions(folder);
  } finally {
    await removeAtEnd(folder);
  }
}

/** A deployment on the embedded default after a night with these files. */
export async function afterNight(
  files: Readonly<Record<string, string>>,
): Promise<{ deployment: Deployment; night: Summary }> {
  const deployment = await createEmbedded();
  await loadCustomers(deployment, []);
  await deliverTexts(deployment, files);
  return { deployment, night: await runPipeline(deployment.config) };
}

/** The products of accepted_sales, sorted. */
export async function productsIn({ store }: Workspace): Promise<string[]> {
  const folder = join(store, "accepted_sales");
  const { columns, rows } = await readParquet((await listFiles(folder)).map((name) => join(folder, name)));
  const at = columns.indexOf("product_name VARCHAR");
  return rows.map((row) => String(row[at])).sort();
}
