/**
 * Demo: the whole pipeline on a store, a database and a model of its own under `data/demo`, which the first run fills with
 * a few dimension rows and five small files. The model has a second feed, returns.
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
import { destinations } from "../lib/run/destination.ts";
import type { Manifest } from "../lib/run/manifest.ts";
import { identifier } from "../lib/sql.ts";
import { visible } from "../lib/text.ts";

const SAMPLES = fileURLToPath(new URL("./demo", import.meta.url));
const QUERIES = fileURLToPath(new URL("./sql", import.meta.url));
const HOME = fileURLToPath(new URL("../data/demo", import.meta.url));
const CONFIG = join(HOME, "config.jsonc");
const STORE = join(HOME, "store");
const DATABASE = join(HOME, "warehouse.duckdb");
const LANDING = join(STORE, "sales_data");
/** Feeds of the demo's model, as folders of the samples and of the store. */
const FEEDS = ["sales_data", "returns_data"];

/** Fills the demo's folder, once; the configuration comes last, so that a run that was cut off begins again. */
async function fill(): Promise<void> {
  if (await exists(CONFIG)) return;
  if (await exists(HOME)) await Deno.remove(HOME, { recursive: true });
  await Deno.mkdir(HOME, { recursive: true });
  {
    await using db = await openDatabase();
    await db.query(dimensions);
  }
  for (const feed of FEEDS) await copyFiles(join(SAMPLES, feed), join(STORE, feed));
  await copyFiles(join(SAMPLES, "model"), HOME);
  await copyFiles(QUERIES, HOME, "_mart.sql");
  const config = {
    store: { kind: "folder", path: "store" },
    database: { kind: "duckdb", path: "warehouse.duckdb" },
    workDir: "work",
    model: "model.jsonc",
  };
  await Deno.writeTextFile(CONFIG, JSON.stringify(config, null, 2) + "\n");
}

/** Copies the files of a folder whose names end so. */
async function copyFiles(from: string, to: string, ending = ""): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isFile } of Deno.readDir(from)) {
    if (isFile && name.endsWith(ending)) await Deno.copyFile(join(from, name), join(to, name));
  }
}

/** The tables of the model and the rejected rows, for people. */
async function show({ manifest }: Session): Promise<string> {
  const lines: string[] = [];
  {
    await using db = await openDatabase();
    for (const [name, { table, description }] of Object.entries(manifest?.model.marts ?? {})) {
      if (!table) continue;
      const key = table.key.map(identifier).join(", ");
      const rows = await db.query(`SELECT * FROM ${identifier(name)} ORDER BY ${key}`);
      lines.push("", description ? `${name}: ${description}` : name, ...alignRows(rows));
    }
  }
  const rejects = await readRejects(manifest);
  if (rejects.length > 0) {
    lines.push("", "Rejected rows, as in RUN/rejects/ below the error prefixes", ...alignRows(rejects));
  }
  lines.push(
    "",
    "Look into",
    `  ${STORE}  the object store: marts, processed and rejected files`,
    `  ${DATABASE}  the database: dimensions, tables, the ledger`,
    `  ${join(HOME, "model.jsonc")}  the model: dimensions, feeds and marts; its queries lie beside it`,
  );
  if (manifest?.work === "nothing") {
    lines.push("", `There was nothing new. Drop CSV files into ${LANDING}/ and run the demo again,`);
    lines.push(`or delete ${HOME} to begin anew.`);
  } else {
    lines.push("", "Run the demo again: it finds nothing new, and nothing is counted twice.");
  }
  return lines.join("\n") + "\n";
}

async function readRejects(manifest: Manifest | null): Promise<Row[]> {
  const rows: Row[] = [];
  if (manifest === null) return rows;
  const { files, runId, model: { datasets } } = manifest;
  const destination = destinations(files, runId, datasets);
  for (const { key, rejectsFile } of files) {
    if (rejectsFile === null) continue;
    const csv = join(STORE, destination.get(key)?.rejects ?? "");
    for (const row of parse(await Deno.readTextFile(csv), { columns: true }) as Record<string, string>[]) {
      rows.push({ file: key, line: row.line ?? "", reason: row.reason ?? "", detail: row.detail ?? "" });
    }
  }
  return rows;
}

/** Rows as text in aligned columns. */
function alignRows(rows: readonly Row[]): string[] {
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
