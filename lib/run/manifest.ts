/**
 * The run's document between stages: what was downloaded, what became of each file, which stages have run.
 *
 * It is written whole and atomically at the end of a stage, on this side of the commit; after the commit only the
 * database counts. Paths in it are relative to the run's folder, so that a work dir can be mounted elsewhere.
 *
 * @module
 */
import { join } from "node:path";
import { z } from "zod";
import { writeFileAtomic } from "../atomic_file.ts";
import { configSchema } from "../config/schema.ts";
import { frozenModelSchema } from "../model/model.ts";
import { DataError, messageOf, wrapSystemError } from "../errors.ts";
import { sourceFileSchema } from "../source_file.ts";

/** Bumped whenever a stage of another version could misread the document. */
export const MANIFEST_VERSION = 2;

/** The stages in their order; each one needs those before it. */
export const STAGES = [
  "download",
  "validate",
  "transform-customer",
  "transform-sales",
  "upload",
  "move",
  "cleanup",
] as const;

/** One of {@linkcode STAGES}. */
export type StageName = (typeof STAGES)[number];

const count = z.int().min(0);
const path = z.string().min(1);

const written = z.strictObject({
  rowCount: count,
  files: z.array(path),
});

const totals = written.extend({
  /** The sum of each column that is added, as decimal text. */
  sums: z.record(z.string(), z.string()),
});

/**
 * The document's shape.
 *
 * @internal
 */
export const manifestSchema = z.strictObject({
  version: z.literal(MANIFEST_VERSION),
  runId: z.string(),
  dryRun: z.boolean(),
  /** The effective configuration without its secrets. */
  config: configSchema,
  /** What the run makes of its files, the text of every query included. */
  model: frozenModelSchema,
  /** The run's fencing token; 0 for a dry run, which takes no lease. */
  token: count,
  /** Which try this run is: see `Position`. */
  attempt: z.int().min(1).default(1),
  /** Whether there are new files, or only left-over moves, or nothing. */
  work: z.enum(["files", "leftovers", "nothing"]),
  /** Earlier runs that were committed and not finished. */
  leftovers: z.array(z.string()),
  files: z.array(sourceFileSchema),
  /** Parquet snapshot of each dimension; empty if there are no new files. */
  dimensions: z.record(z.string(), path),
  /** Accepted rows by dataset; left out if there are none. */
  accepted: z.record(z.string(), written),
  /** Marts of grain `row` by name; left out if there are no rows. */
  marts: z.record(z.string(), written),
  /** Marts of grain `totals` by name; left out if there are no rows. */
  totals: z.record(z.string(), totals),
  committed: z.boolean(),
  /** Those of the leftovers that this run has finished. */
  recovered: z.array(z.string()),
  /** Moves of any run that could not be carried out. */
  pendingMoves: count,
  stages: z.array(z.strictObject({ name: z.enum(STAGES), durationMs: z.number() })),
});

/** The document; see the module's head. */
export type Manifest = ReturnType<typeof manifestSchema.parse>;
/** Files that a query wrote, relative to the run's folder. */
export type WrittenFiles = Manifest["accepted"][string];
/** Totals that the commit adds to a table. */
export type RunTotals = Manifest["totals"][string];

/** A manifest in which nothing has happened yet. */
export function newManifest(
  start: Pick<Manifest, "runId" | "dryRun" | "config" | "model" | "token" | "attempt" | "leftovers">,
): Manifest {
  return {
    version: MANIFEST_VERSION,
    ...start,
    work: "nothing",
    files: [],
    dimensions: {},
    accepted: {},
    marts: {},
    totals: {},
    committed: false,
    recovered: [],
    pendingMoves: 0,
    stages: [],
  };
}

/** The path of the manifest in a run's folder. */
export function manifestPath(runFolder: string): string {
  return join(runFolder, "manifest.json");
}

/**
 * Reads a run's manifest; `null` if there is none.
 *
 * @throws {DataError} if it is corrupt or of another version.
 */
export async function readManifest(runFolder: string): Promise<Manifest | null> {
  const file = manifestPath(runFolder);
  let text: string;
  try {
    text = await Deno.readTextFile(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw wrapSystemError(error, `Cannot read the manifest ${file}`);
  }
  try {
    return manifestSchema.parse(JSON.parse(text));
  } catch (cause) {
    const what = cause instanceof z.ZodError
      ? z.prettifyError(cause).split("\n").slice(0, 2).join(" ")
      : messageOf(cause);
    throw new DataError(
      "corrupt_manifest",
      `Cannot use the manifest ${file}: it is corrupt or of another version (${what}); ` +
        'run "deno task download" or "deno task pipeline" to begin the night again, nothing is lost',
    );
  }
}

/** Writes a run's manifest; readers see the old document or the new one. */
export async function writeManifest(runFolder: string, manifest: Manifest): Promise<void> {
  await writeFileAtomic(manifestPath(runFolder), JSON.stringify(manifest, null, 1) + "\n");
}

/** Notes that a stage has run, in place of an earlier note of the same stage. */
export function noteStage(manifest: Manifest, name: StageName, durationMs: number): void {
  manifest.stages = [...manifest.stages.filter((stage) => stage.name !== name), { name, durationMs }];
}

/**
 * Checks that everything a stage needs has run.
 *
 * @throws {DataError} naming the first stage that is missing.
 */
export function requireStagesBefore(manifest: Manifest, name: StageName): void {
  const done = new Set(manifest.stages.map((stage) => stage.name));
  const missing = STAGES.slice(0, STAGES.indexOf(name)).find((stage) => !done.has(stage));
  if (missing === undefined) return;
  throw new DataError(
    "stage_out_of_order",
    `Cannot run ${name}: ${missing} has not run yet for run ${manifest.runId}; run "deno task ${missing}" first`,
  );
}
