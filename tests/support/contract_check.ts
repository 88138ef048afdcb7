/**
 * The contract check over sets of files, on the real engine, for tests: files are given as texts, and what became of them
 * comes back as rows.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { type Checked, checkFiles } from "../../lib/contract/check.ts";
import { DEFAULT_FORM, type FileForm } from "../../lib/contract/form.ts";
import { rejectsSql } from "../../lib/contract/judge_sql.ts";
import { type Contract, csvSchema } from "../../lib/contract/schema.ts";
import { openDuckdbEngine } from "../../lib/engine/duckdb.ts";
import type { Engine, JsonValue } from "../../lib/engine/engine.ts";
import { newSourceFile, type SourceFile, withCopies } from "../../lib/source_file.ts";
import { removeAtEnd } from "./ending.ts";

/** What a file is given as: its bytes, or its text. */
export type Content = string | Uint8Array;
/** Files as the check left them, and the rows that it wrote. */
export interface Outcome {
  /** By key. */
  readonly files: Readonly<Record<string, SourceFile>>;
  /** Accepted rows as objects by key, without `source_key`; {@linkcode READ_ROWS} of them at most. */
  readonly accepted: Readonly<Record<string, Record<string, JsonValue>[]>>;
  /** Rejected rows by key, ordered by line. */
  readonly rejects: Readonly<Record<string, Reject[]>>;
  readonly written: Checked;
}

/** A rejected row. */
export interface Reject {
  readonly line: number;
  readonly reason: string;
  readonly column: string | null;
  readonly detail: string;
  readonly raw: string;
}

/** More accepted rows than this are counted but not read. */
const READ_ROWS = 2000;

/** Dimensions by name: SQL types of the columns, and rows. */
export type Dimensions = Readonly<
  Record<string, readonly [Record<string, string>, readonly Record<string, JsonValue>[]]>
>;

/** Checks files, given by key. */
export type ContractCheck = (
  contents: Readonly<Record<string, Content>>,
  contract: Contract,
  csv?: Record<string, unknown>,
  form?: FileForm,
) => Promise<Outcome>;

/** What a test may want besides. */
export interface CheckOptions {
  /** Names of folders in the run folder's path. */
  readonly within?: string;
  /** Is told every call of the engine. */
  readonly watch?: (method: string) => void;
}

/** Runs with a check on an engine of its own. */
export async function withContractCheck(
  dimensions: Dimensions,
  use: (check: ContractCheck) => Promise<void>,
  { within = "", watch }: CheckOptions = {},
): Promise<void> {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "contract-check-" }));
  const runFolder = join(folder, within);
  try {
    await Deno.mkdir(join(runFolder, "files"), { recursive: true });
    await using engine = await openDuckdbEngine({
      folder: runFolder,
      resources: { memoryLimit: "2GiB", threads: 2 },
    });
    for (const [name, [columns, rows]] of Object.entries(dimensions)) {
      await engine.nameValues(name, columns, rows);
    }
    await use(async (contents, contract, csv = {}, form = DEFAULT_FORM) => {
      const files = await writeFiles(runFolder, contents);
      const written = await checkFiles(files, "checked", {
        config: { contract, csv: csvSchema.parse(csv), form },
        engine: watch ? watchCalls(engine, watch) : engine,
        runFolder,
        signal: new AbortController().signal,
        step: { advance() {}, update() {}, [Symbol.dispose]() {} },
      });
      return await readOutcome(engine, written);
    });
  } finally {
    await removeAtEnd(folder);
  }
}

/** The engine, with every call of it told. */
function watchCalls(engine: Engine, watch: (method: string) => void): Engine {
  return new Proxy(engine, {
    get(target, name) {
      const member = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      return (...args: unknown[]) => {
        watch(String(name));
        return member.apply(target, args);
      };
    },
  });
}

async function writeFiles(
  runFolder: string,
  contents: Readonly<Record<string, Content>>,
): Promise<SourceFile[]> {
  const files: SourceFile[] = [];
  for (const [key, content] of Object.entries(contents)) {
    const id = files.length + 1;
    await Deno.writeFile(join(runFolder, "files", `${id}.csv`), Buffer.from(content));
    const path = `files/${id}.csv`;
    const delivery = { key, dataset: "sales", etag: "", sizeBytes: content.length, lastModified: "" };
    files.push(
      withCopies(newSourceFile(id, delivery), { content: path, original: path, sha256: String(id) }),
    );
  }
  return files;
}

/** Reads what was written, and asserts that the counts of the files are the counts of the rows. */
async function readOutcome(engine: Engine, written: Checked): Promise<Outcome> {
  const { files } = written;
  const accepted: Record<string, Record<string, JsonValue>[]> = {};
  const acceptedCounts = new Map<string, number>();
  const rejects: Record<string, Reject[]> = {};
  if (written.accepted.rowCount > 0) {
    await engine.nameParquet("@outcome", written.accepted.files);
    const counts = await engine.query(
      'SELECT source_key, count(*) AS row_count FROM "@outcome" GROUP BY source_key',
    );
    for (const { source_key, row_count } of counts) acceptedCounts.set(String(source_key), Number(row_count));
    const rows = await engine.query(`SELECT * FROM "@outcome" ORDER BY ALL LIMIT ${READ_ROWS}`);
    for (const { source_key, ...values } of rows) (accepted[String(source_key)] ??= []).push(values);
  }
  const sum = (counts: Iterable<number>) => [...counts].reduce((total, count) => total + count, 0);
  assert.equal(sum(acceptedCounts.values()), written.accepted.rowCount);
  if (written.rejects.rowCount > 0) {
    await engine.nameParquet("@outcome", written.rejects.files);
    const rows = await engine.query(`SELECT * FROM (${rejectsSql("@outcome")}) ORDER BY file_id, line`);
    assert.equal(rows.length, written.rejects.rowCount);
    for (const { file_id, line, ...reject } of rows) {
      const key = files[Number(file_id) - 1]?.key ?? "";
      (rejects[key] ??= []).push({ line: Number(line), ...reject } as Reject);
    }
  }
  for (const { key, status, reason, rowsRead, rowsAccepted, rowsRejected, rejects: counts } of files) {
    const found = rejects[key]?.length ?? 0;
    assert.equal(rowsRead, rowsAccepted + rowsRejected, key);
    assert.equal(rowsAccepted, acceptedCounts.get(key) ?? 0, key);
    assert.equal(sum(Object.values(counts)), found, key);
    if (status === "accepted") assert.equal(rowsRejected, found, key);
    else {assert.deepEqual(
        [status, rowsRejected],
        ["rejected", reason === "too_many_rejects" ? rowsRead : 0],
        key,
      );}
  }
  return { files: Object.fromEntries(files.map((file) => [file.key, file])), accepted, rejects, written };
}

/** Counts of a file: read, accepted, rejected. */
export function countsOf(file: SourceFile | undefined): number[] {
  return [file?.rowsRead ?? -1, file?.rowsAccepted ?? -1, file?.rowsRejected ?? -1];
}
