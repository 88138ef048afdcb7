import assert from "node:assert/strict";
import { COMMON_FUNCTIONS, readFunctions } from "../../lib/engine/functions.ts";
import { Duckdb } from "../../lib/duckdb/duckdb.ts";

Deno.test("COMMON_FUNCTIONS are some of those that the catalog allows", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await using db = await Duckdb.open({
      allowedFolders: [folder],
      spillFolder: `${folder}/spill`,
      resources: { memoryLimit: "auto", threads: "auto" },
    });
    const catalog = await readFunctions(db);
    for (const kind of ["scalar", "all"] as const) {
      assert.deepEqual([...COMMON_FUNCTIONS[kind].difference(catalog[kind])], [], kind);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
