/**
 * Which source a key is of: the first that matches, also after replays.
 *
 * @module
 */
import assert from "node:assert/strict";
import { sourceSchema } from "../../lib/contract/form.ts";
import { csvSchema } from "../../lib/contract/schema.ts";
import { replayKeys } from "../../lib/run/destination.ts";
import { settingsOf, sourceFinder } from "../../lib/run/forms.ts";
import { salesContract, shipped } from "../support/model.ts";

const [FIRST, SECOND] = ["20230401T020000Z-7f3a", "20230402T020000Z-7f3b"];

async function finder(...matches: readonly string[]): Promise<(name: string) => string | undefined> {
  const { model: { datasets: { sales } } } = await shipped();
  const sources = matches.map((match) => sourceSchema.parse({ match }));
  const find = sourceFinder({ ...sales!, sources });
  return (name) => find(`sales_data/${name}`)?.match;
}

Deno.test("sourceFinder() gives the first source that matches the name below the landing prefix", async () => {
  const find = await finder("north/special/**", "north/**", "*.gz", "north/other.csv");
  const cases: Readonly<Record<string, string | undefined>> = {
    "north/special/a.csv": "north/special/**",
    "North/a.csv": "north/**",
    "north/other.csv": "north/**",
    "north/2023/a.csv.gz": "north/**",
    "south/a.csv.gz": "*.gz",
    "south/a.csv": undefined,
    "sales_data/north/a.csv": undefined,
  };
  for (const [name, match] of Object.entries(cases)) assert.equal(find(name), match, name);
});

Deno.test("sourceFinder() finds the same source after replays of rows and whole files", async () => {
  const find = await finder("*.csv.gz", "north/**");
  const prefixes = { source: "sales_data/", processed: "p/", error: "e/" };
  for (const name of ["a.csv", "north/a.csv", "north/x/a.CSV", "a.csv.gz", "north/a.CSV.gz"]) {
    for (const kinds of [["rows"], ["file"], ["rows", "rows"], ["file", "rows"], ["rows", "file"]] as const) {
      let key = `sales_data/${name}`;
      for (const [i, kind] of kinds.entries()) {
        const source = { runId: [FIRST, SECOND][i] ?? "", key, dataset: "sales", kind };
        [key = ""] = replayKeys([source], SECOND, { sales: prefixes });
      }
      assert.equal(find(key.slice("sales_data/".length)), find(name), `${name} ${kinds}`);
    }
  }
  assert.equal(find("replay/x/y/a.csv.gz.csv"), undefined);
});

Deno.test("settingsOf() takes from the configuration what a source leaves out", () => {
  const contract = salesContract(), csv = csvSchema.parse({ delimiter: "|", maxColumns: 20 });
  assert.deepEqual(settingsOf({ contract }, csv, null), { contract, csv });
  const source = sourceSchema.parse({ match: "**", quote: "'", encoding: "utf-16le" });
  assert.deepEqual(settingsOf({ contract }, csv, source), {
    contract,
    csv: { ...csv, quote: "'" },
    form: { encoding: "utf-16le", decimalComma: false, skipLines: 0, rename: {} },
  });
});
