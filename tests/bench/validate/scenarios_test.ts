import assert from "node:assert/strict";
import { join } from "node:path";
import { removeAtEnd } from "../../support/ending.ts";
import { chainOf, faultCounts, generateDelivery } from "../generate.ts";
import { poisonCounts, splitAndPoison } from "./poison.ts";

Deno.test("splitAndPoison() spoils one file in a hundred in turn, when there are many", async () => {
  const folder = await Deno.makeTempDir({ prefix: "bench-" });
  try {
    const [source = ""] = await generateDelivery(join(folder, "whole"), chainOf(4010, 0), { fileCount: 1 });
    const files = await splitAndPoison(source, join(folder, "split"), 10);
    assert.equal(files.length, 401);
    const whole = await Deno.readTextFile(source);
    const header = whole.slice(0, whole.indexOf("\n") + 1);
    let text = header;
    const found: Record<string, string[]> = { not_utf8: [], missing_columns: [], malformed_csv: [] };
    for (const [i, path] of files.entries()) {
      const bytes = await Deno.readFile(path);
      const own = new TextDecoder("latin1").decode(bytes);
      text += own.slice(header.length).replace("\xe7", "c").replace('"', "");
      if (/[\x80-\xff]/.test(own)) found.not_utf8?.push(String(i + 1));
      else if (!own.startsWith(header)) found.missing_columns?.push(String(i + 1));
      else if (own.includes('"')) found.malformed_csv?.push(String(i + 1));
    }
    assert.deepEqual(found, { not_utf8: ["100", "400"], missing_columns: ["200"], malformed_csv: ["300"] });
    assert.deepEqual(poisonCounts(401), { not_utf8: 2, missing_columns: 1, malformed_csv: 1 });
    assert.equal(text, whole);
  } finally {
    await removeAtEnd(folder);
  }
});

/** Shares with how many rows have each fault. */
const SHARES = [
  { rejectShare: 0, counts: { missing_value: 0, invalid_value: 0, unknown_customer_id: 0 } },
  { rejectShare: 0.05, counts: { missing_value: 2, invalid_value: 2, unknown_customer_id: 1 } },
  { rejectShare: 1, counts: { missing_value: 34, invalid_value: 33, unknown_customer_id: 33 } },
];

for (const { rejectShare, counts } of SHARES) {
  Deno.test(`faultCounts() tells what generateDelivery() makes, when the share is ${rejectShare}`, async () => {
    const folder = await Deno.makeTempDir({ prefix: "bench-" });
    try {
      const chain = chainOf(100, rejectShare);
      const files = await generateDelivery(join(folder, "delivery"), chain);
      const texts = await Promise.all(files.map((file) => Deno.readTextFile(file)));
      const rows = texts.flatMap((text) => text.trimEnd().split("\n").slice(1)).map((line) =>
        line.split(",")
      );
      assert.equal(rows.length, 100);
      const found = {
        missing_value: rows.filter((fields) => fields[4] === "").length,
        invalid_value: rows.filter((fields) => fields[5]?.endsWith("?")).length,
        unknown_customer_id: rows.filter(([customer]) => Number(customer) > chain.customers).length,
      };
      assert.deepEqual(found, counts);
      assert.deepEqual(faultCounts(chain), counts);
    } finally {
      await removeAtEnd(folder);
    }
  });
}
