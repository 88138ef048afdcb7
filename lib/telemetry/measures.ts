/**
 * What is measured of a run, as OpenTelemetry's metrics.
 *
 * A process measures one run and ends, so that nothing adds up over time within it: whoever reads sums over runs.
 *
 * @module
 */
import type { Meter } from "@opentelemetry/api";
import type { Position } from "../output/position.ts";
import type { Manifest, StageName } from "../run/manifest.ts";
import type { SourceFile } from "../source_file.ts";

/** Attributes that say which stage of which run something belongs to. */
export type Place = Readonly<Record<string, string | number>>;

/** The attributes of where a process is, as far as it is known. */
export function placeOf({ runId, stage, attempt }: Position): Place {
  return {
    ...(runId === null ? {} : { "nightly_marts.run_id": runId }),
    "nightly_marts.stage": stage,
    ...(attempt === null ? {} : { "nightly_marts.attempt": attempt }),
  };
}

/** Records what a stage has done. */
export type Recorder = (stage: StageName, durationMs: number, manifest: Manifest, place: Place) => void;

/** All that can become of a file. */
const STATUSES = ["accepted", "rejected", "duplicate", "skipped"] as const;

/**
 * Makes the instruments.
 *
 * @internal
 */
export function openMeasures(meter: Meter): Recorder {
  const counter = (name: string, unit: string, description: string) =>
    meter.createCounter(`nightly_marts.${name}`, { unit, description });
  const rows = counter("rows", "{row}", "Rows of committed runs, by outcome");
  const rejects = counter("rejects", "{row}", "Rejected rows of committed runs, by reason");
  const files = counter("files", "{file}", "Source files of committed runs, by status");
  const bytes = counter("bytes", "By", "Source files of committed runs, as delivered, but for skipped ones");
  const pendingMoves = meter.createGauge("nightly_marts.pending_moves", {
    unit: "{move}",
    description: "Moves of any run that could not be carried out yet",
  });
  const duration = meter.createGauge("nightly_marts.stage.duration", {
    unit: "s",
    description: "Time that a stage took",
  });

  const countFiles = (manifest: Manifest, place: Place) => {
    for (const status of STATUSES) {
      const count = manifest.files.filter((file) => file.status === status).length;
      files.add(count, { ...place, status });
    }
  };

  const countRun = (manifest: Manifest, place: Place) => {
    const sum = (pick: (file: SourceFile) => number) =>
      manifest.files.reduce((total, file) => total + pick(file), 0);
    const outcomes = {
      read: sum((file) => file.rowsRead),
      accepted: sum((file) => file.rowsAccepted),
      rejected: sum((file) => file.rowsRejected),
    };
    for (const [outcome, count] of Object.entries(outcomes)) rows.add(count, { ...place, outcome });
    for (const file of manifest.files) {
      for (const [reason, count] of Object.entries(file.rejects)) rejects.add(count, { ...place, reason });
    }
    bytes.add(sum((file) => file.status === "skipped" ? 0 : file.sizeBytes), place);
    countFiles(manifest, place);
  };

  return (stage, durationMs, manifest, place) => {
    duration.record(durationMs / 1000, place);
    if (stage === "upload" && manifest.committed) countRun(manifest, place);
    // Nothing but skipped files is no work: upload has nothing to commit.
    if (stage === "download" && manifest.work !== "files") countFiles(manifest, place);
    if (stage === "move") pendingMoves.record(manifest.pendingMoves, place);
  };
}
