import assert from "node:assert/strict";
import { CHUNK_BYTES } from "../../lib/csv/chunks.ts";
import { beginProof } from "../../lib/csv/proof.ts";
import { compileSpelling } from "../../lib/csv/spelling.ts";
import { parseColumnType } from "../../lib/column_type.ts";
import { removeAtEnd } from "../support/ending.ts";

const OPTIONS = { delimiter: ",", quote: '"', maxRowBytes: CHUNK_BYTES };
const ROW = "7,apple\n";

/** What becomes of a file's proof: it is no candidate, one with a doubtful row, or one with so many rows. */
async function proofOf(
  content: string | Uint8Array,
  options = OPTIONS,
): Promise<"no candidate" | "doubtful" | number> {
  const path = await Deno.makeTempFile({ suffix: ".csv" });
  try {
    await Deno.writeFile(path, typeof content === "string" ? new TextEncoder().encode(content) : content);
    const table = compileSpelling([parseColumnType("integer"), parseColumnType("text")], ",");
    const layout = { inPlace: table };
    const candidate = await beginProof(
      path,
      options,
      (header) => header.join("|") === "id|name" ? layout : null,
    );
    if (candidate === null) return "no candidate";
    assert.equal(candidate.layout, layout);
    assert.equal(candidate.isWhole, (await Deno.stat(path)).size <= CHUNK_BYTES);
    return await candidate.prove() ?? "doubtful";
  } finally {
    await removeAtEnd(path);
  }
}

/** A header, and rows up to some bytes before the end of the first chunk. */
function fill(before: number, header = "id,name\n"): string {
  const rest = CHUNK_BYTES - before - header.length;
  const text = ROW.repeat(Math.floor(rest / ROW.length) - 1);
  return `${header}${text}7,${"x".repeat(rest - text.length - 3)}\n`;
}

Deno.test("beginProof() counts rows, when a file of one chunk is exact", async () => {
  assert.equal(await proofOf(`id,name\n${ROW}${ROW}`), 2);
  assert.equal(await proofOf(`id,name\n${ROW}7,pear`), 2);
  assert.equal(await proofOf(`\ufeffid,name\n${ROW}`), 1);
  assert.equal(await proofOf("id,name\n"), 0);
});

Deno.test("beginProof() finds no candidate, when the header or the first chunk is not as it must be", async () => {
  const none = [
    "",
    "id,name",
    "\n",
    "id;name\n",
    '"id",name\n',
    "name,id\n",
    "id,name\r\n7,apple\r\n",
    "id,name\n7\n",
  ];
  for (const content of [...none, "id,name\n\n", "id,name\n7.5,a\n", new Uint8Array([0xff, 0x0a])]) {
    assert.equal(await proofOf(content), "no candidate", String(content));
  }
  assert.equal(
    await proofOf(`id,name\n${ROW}`, { ...OPTIONS, maxRowBytes: CHUNK_BYTES - 1 }),
    "no candidate",
  );
});

Deno.test("prove() counts the rows of all chunks, wherever a row or a character is cut", async () => {
  for (const before of [0, 1, 3, 7]) {
    const text = fill(before);
    const rows = text.split("\n").length - 2;
    assert.equal(await proofOf(text + ROW.repeat(1000)), rows + 1000);
    assert.equal(await proofOf(`${text}7,é日\n7,x`), rows + 2);
  }
});

Deno.test("prove() does not believe a file, when a later chunk is not as it must be", async () => {
  const invalid = new Uint8Array([...new TextEncoder().encode(fill(2) + "7,"), 0xff, 0x0a]);
  assert.equal(await proofOf(invalid), "doubtful");
  for (const rest of ["7.5,a\n", "7\n", "\n", "7,a\r\n", '7,"a"\n', `7,${"x".repeat(CHUNK_BYTES)}\n`, "7,"]) {
    assert.equal(await proofOf(fill(0) + rest), "doubtful", rest.slice(0, 20));
  }
  assert.equal(await proofOf(`${fill(2)}7,${"x".repeat(CHUNK_BYTES - 2)}\n`), fill(2).split("\n").length - 1);
});
