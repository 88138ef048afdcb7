/**
 * Demo: the whole pipeline on a store and a database of its own under `data/demo`, which the first run fills with a few
 * dimension rows and four small files.
 *
 * @module
 */
import { parse } from "csv-parse/sync";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { main } from "../lib/command/main.ts";
import { Duckdb, type Row } from "../lib/duckdb/duckdb.ts";
import type { Session } from "../lib/command/session.ts";
import { pipeline } from "./pipeline.ts";
import dimensions from "./demo/dimensions.sql" with { type: "text" };
import { visible } from "../lib/text.ts";

const SAMPLES = fileURLToPath(new URL("./demo/sales_data", import.meta.url));
const HOME = fileURLToPath(new URL("../data/demo", import.meta.url));
const CONFIG = join(HOME, "config.jsonc");
const STORE = join(HOME, "store");
const DATABASE = join(HOME, "warehouse.duckdb");
const LANDING = join(STORE, "sales_data");

/** Fills the demo's folder, once; the configuration comes last, so that a run that was cut off begins again. */
async function fill(): Promise<void> {
  if (await exists(CONFIG)) return;
  if (await exists(HOME)) await Deno.remove(HOME, { recursive: true });
  await Deno.mkdir(LANDING, { recursive: true });
  {
    await using db = await openDatabase();
    await db.query(dimensions);
  }
  for await (const sample of Deno.readDir(SAMPLES)) {
    await Deno.copyFile(join(SAMPLES, sample.name), join(LANDING, sample.name));
  }
  const config = {
    store: { kind: "folder", path: "store" },
    database: { kind: "duckdb", path: "warehouse.duckdb" },
  };
  await Deno.writeTextFile(CONFIG, JSON.stringify({ ...config, workDir: "work" }, null, 2) + "\n");
}

/** The marts and the rejected rows, for people. */
async function show(session: Session): Promise<string> {
  await using db = await openDatabase();
  const customers = await db.query("SELECT * FROM customers_data_mart ORDER BY customer_id, sales_month");
  const sales = await db.query(
    "SELECT * FROM sales_team_data_mart ORDER BY sales_month, store_id, sales_person_id",
  );
  const lines = ["", "customers_data_mart: each customer's total per month", ...table(customers)];
  lines.push(
    "",
    "sales_team_data_mart: each sales person's total per store and month, and the incentive",
    ...table(sales),
  );
  const rejects = await readRejects(session);
  if (rejects.length > 0) {
    lines.push("", "Rejected rows, as in sales_data_error/RUN/rejects/", ...table(rejects));
  }
  lines.push("", "Look into", `  ${STORE}  the object store: marts, processed and rejected files`);
  lines.push(`  ${DATABASE}  the database: dimensions, both tables, the ledger`);
  if (session.manifest?.work === "nothing") {
    lines.push("", `There was nothing new. Drop CSV files into ${LANDING}/ and run the demo again,`);
    lines.push(`or delete ${HOME} to begin anew.`);
  } else {
    lines.push("", "Run the demo again: it finds nothing new, and nothing is counted twice.");
  }
  return lines.join("\n") + "\n";
}

async function readRejects({ manifest }: Session): Promise<Row[]> {
  const rows: Row[] = [];
  for (const { key, rejectsFile } of manifest?.files ?? []) {
    if (rejectsFile === null) continue;
    const name = key.slice("sales_data/".length);
    const csv = join(STORE, "sales_data_error", manifest?.runId ?? "", "rejects", `${name}.csv`);
    for (const row of parse(await Deno.readTextFile(csv), { columns: true }) as Record<string, string>[]) {
      rows.push({ file: name, line: row.line ?? "", reason: row.reason ?? "", detail: row.detail ?? "" });
    }
  }
  return rows;
}

/** Rows as text in aligned columns. */
function table(rows: readonly Row[]): string[] {
  const names = Object.keys(rows[0] ?? {});
  const cells = [names, ...rows.map((row) => names.map((name) => visible(String(row[name] ?? ""))))];
  const widths = names.map((_, column) => Math.max(...cells.map((line) => line[column]?.length ?? 0)));
  return cells.map((line) =>
    "  " + line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ").trimEnd()
  );
}

async function openDatabase(): Promise<Duckdb> {
  const db = await Duckdb.open({
    allowedFolders: [HOME],
    databaseFile: DATABASE,
    spillFolder: join(HOME, "spill"),
    resources: { memoryLimit: "auto", threads: "auto" },
  });
  await db.attach();
  return db;
}

function exists(path: string): Promise<boolean> {
  return Deno.stat(path).then(() => true, () => false);
}

if (import.meta.main) {
  await main({
    name: "demo",
    description: "Run the whole pipeline on sample files of its own, under data/demo.",
    options: [],
    config: CONFIG,
    releaseLease: true,
    async run(session) {
      await fill();
      await pipeline(session);
    },
    report: show,
  });
}
