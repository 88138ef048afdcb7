/**
 * What a run publishes, as its manifest tells: the objects of marts and rejects, the ledger's lines, and the moves of the
 * source files.
 *
 * @module
 */
import { join } from "node:path";
import type { LedgerEntry, MoveOrder, TableTotals } from "../database/records.ts";
import type { SourceFile } from "../source_file.ts";
import type { ObjectStore } from "../store/store.ts";
import { type Destination, destinations } from "./destination.ts";
import { reportingTable } from "../model/model.ts";
import type { Manifest, WrittenFiles } from "./manifest.ts";
import type { StagedObject } from "./staging.ts";

/** The files that the run takes, each with where it goes. */
export function takenFiles({ files, runId, model }: Manifest): { file: SourceFile; to: Destination }[] {
  const keys = destinations(files, runId, model.datasets);
  return files.filter((file) => file.status !== "skipped").map((file) => {
    const to = keys.get(file.key);
    if (!to) throw new Error(`${file.key} has no destination`);
    return { file, to };
  });
}

/** The moves of the source files out of the landing prefixes. */
export function archiveMoves(manifest: Manifest): MoveOrder[] {
  return takenFiles(manifest).map(({ file: { key, etag, sizeBytes, lastModified, original }, to }) => ({
    kind: "archive",
    from: key,
    to: to.source,
    etag,
    sizeBytes,
    lastModified,
    localCopy: original,
  }));
}

/** The ledger's lines for the run's files. */
export function ledgerEntries(manifest: Manifest): LedgerEntry[] {
  return takenFiles(manifest).map(({ file, to }) => {
    const { key, dataset, etag, sizeBytes, lastModified, sha256, status, reason } = file;
    const { rowsRead, rowsAccepted, rowsRejected } = file;
    if (status === null || status === "skipped") throw new Error(`${key} is not taken`);
    const version = { key, dataset, etag, sizeBytes, lastModified, sha256 };
    return { ...version, status, reason, rowsRead, rowsAccepted, rowsRejected, destination: to.source };
  });
}

/** What the commit adds to the tables, in the order of the model. */
export function runTotals({ totals, model }: Manifest, runFolder: string): TableTotals[] {
  return Object.entries(model.marts).flatMap(([name, { table }]) => {
    const written = totals[name];
    if (!table || !written) return [];
    return [{
      ...written,
      table: reportingTable(table),
      files: written.files.map((file) => join(runFolder, file)),
    }];
  });
}

/** Accepted rows, marts, and the records of what was rejected, with the keys that they get in the end. */
export function runObjects(manifest: Manifest, store: ObjectStore, runFolder: string): StagedObject[] {
  const { marts, accepted, runId, model } = manifest;
  const local = (to: string, path: string): StagedObject => ({
    to,
    localCopy: path,
    stage: (key) => store.put(key, { file: join(runFolder, path) }),
  });
  const parts = (prefix: string, { files }: WrittenFiles) =>
    files.map((path, index) => local(`${prefix}run_id=${runId}/part-${index}.parquet`, path));
  // The path below the mart's own folder, which holds the partitions.
  const partitions = (prefix: string, name: string, { files }: WrittenFiles) =>
    files.map((path) => local(prefix + path.slice(`marts/${name}/`.length), path));
  return [
    ...Object.entries(marts).flatMap(([name, written]) => {
      const { prefix = "", partitionBy = [] } = model.marts[name]?.files ?? {};
      return partitionBy.length > 0 ? partitions(prefix, name, written) : parts(prefix, written);
    }),
    ...Object.entries(accepted).flatMap(([dataset, written]) =>
      parts(model.datasets[dataset]?.accepted ?? "", written)
    ),
    ...takenFiles(manifest).flatMap(({ file, to }): StagedObject[] => [
      ...file.rejectsFile === null ? [] : [local(to.rejects, file.rejectsFile)],
      ...file.status === "rejected" ? [reasonObject(file, to, store)] : [],
    ]),
  ];
}

/** The record why a whole file was rejected. */
function reasonObject(file: SourceFile, to: Destination, store: ObjectStore): StagedObject {
  const { key, reason, detail } = file;
  const columns = "columns" in file ? { columns: file.columns } : {};
  const line = "line" in file ? { line: file.line } : {};
  // Of a file with too many rejects: how many rows were rejected why, and the key of the CSV that has them.
  const rejects = file.rejectsFile === null ? {} : { rejects: file.rejects, rejectsKey: to.rejects };
  const text = JSON.stringify({ key, reason, detail, ...columns, ...line, ...rejects }, null, 1) + "\n";
  return {
    to: to.reason,
    localCopy: null,
    stage: (staged) => store.put(staged, { bytes: new TextEncoder().encode(text) }),
  };
}
