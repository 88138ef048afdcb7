/**
 * A small archive must fill neither disk nor memory: 4 MiB that hold 4 GiB, delivered beside good files.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { constants, crc32, deflateRawSync } from "node:zlib";
import { measure } from "../bench/measure.ts";
import { withLittleSpace } from "../support/space.ts";
import { parseSummary, REPOSITORY } from "../support/task.ts";
import { listFiles } from "../support/tree.ts";
import { createWorkspace, goldenPath, loadDimensions } from "../support/workspace.ts";

const MIB = 1024 * 1024;
const HEADER = "customer_id,store_id,product_name,sales_date,sales_person_id,price,quantity,total_cost\n";

/** Writes a whole gzip file of one member: the text, and after it as many blank lines as asked for. */
async function writeArchive(path: string, text: string, blankMib: number): Promise<void> {
  const encoded = new TextEncoder().encode(text), blank = new Uint8Array(MIB).fill("\n".charCodeAt(0));
  // Cut off between two blocks, so that what is packed once can be written any number of times.
  const pack = (bytes: Uint8Array) => deflateRawSync(bytes, { finishFlush: constants.Z_FULL_FLUSH });
  const packedBlank = pack(blank);
  using file = await Deno.open(path, { write: true, createNew: true });
  const writer = file.writable.getWriter();
  // RFC 1952: magic number, deflate, no flags, no time, unknown system.
  await writer.write(new Uint8Array([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]));
  await writer.write(pack(encoded));
  let checksum = crc32(encoded);
  for (let i = 0; i < blankMib; i++) {
    checksum = crc32(blank, checksum);
    await writer.write(packedBlank);
  }
  const trailer = new DataView(new ArrayBuffer(8));
  trailer.setUint32(0, checksum, true);
  trailer.setUint32(4, (encoded.length + blankMib * MIB) % 2 ** 32, true);
  // The last block is empty.
  await writer.write(new Uint8Array([3, 0, ...new Uint8Array(trailer.buffer)]));
  await writer.close();
}

async function folderBytes(folder: string): Promise<number> {
  const sizes = (await listFiles(folder)).map(async (name) =>
    (await Deno.stat(join(folder, name)).catch(() => null))?.size ?? 0
  );
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

Deno.test("pipeline rejects a small archive of much text and takes the other files, within bounds of disk and memory", async () => {
  const maxFileBytes = 16 * MIB;
  await using workspace = await createWorkspace({ csv: { maxFileBytes }, resources: { threads: 1 } });
  await loadDimensions(workspace, goldenPath("dimensions"));
  const landing = join(workspace.store, "sales_data");
  await Deno.mkdir(landing);
  const sale = (price: string) => `${HEADER}1,121,sugar,2023-03-01,1,${price},1,${price}\n`;
  await Deno.writeTextFile(join(landing, "a.csv"), sale("5.00"));
  // Such a file is good but for its size.
  await writeArchive(join(landing, "b.csv.gz"), sale("7.00"), 1);
  await writeArchive(join(landing, "c.csv.gz"), sale("11.00"), 4096);
  const packedBytes = await folderBytes(landing);
  assert.ok(packedBytes < 5 * MIB, `${packedBytes} bytes are packed`);

  // What is unpacked up to the limit, and the files as they were delivered.
  const mostBytes = maxFileBytes + 2 * packedBytes + MIB;
  await Deno.mkdir(workspace.workDir);
  const wrapper = withLittleSpace(workspace.workDir, Math.ceil(mostBytes / 1024));
  const words = ["task", "--quiet", "pipeline", "--config", workspace.config, "--json"];
  const { exitCode, stdout, stderr, peakBytes } = await measure(
    [...wrapper, Deno.execPath(), ...words],
    REPOSITORY,
  );

  const { files } = parseSummary({ code: exitCode, stdout, stderr, text: stdout + stderr });
  assert.deepEqual(
    files.map(({ key, status, reason }) => [key.slice("sales_data/".length), status, reason]),
    [
      ["a.csv", "accepted", null],
      ["b.csv.gz", "accepted", null],
      ["c.csv.gz", "rejected", "too_large"],
    ],
  );
  // `null` where there is no /proc. Without the archive it is 200 MiB, with `deno task`.
  assert.ok((peakBytes ?? 0) < 320 * MIB, `${peakBytes} bytes of memory`);
});
