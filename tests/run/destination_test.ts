import * as fc from "fast-check";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { type Destination, destinations, replayKeys, type ReplaySource } from "../../lib/run/destination.ts";
import { classifyName } from "../../lib/run/landing.ts";

const DATASETS = {
  sales: { source: "sales_data/", processed: "sales_data_processed/", error: "sales_data_error/" },
  returns: { source: "returns_data/", processed: "returns_data_processed/", error: "returns_data_error/" },
};
const PREFIXES = DATASETS.sales;
const RUN = "20230401T020000Z-7f3a";

/** The destinations of a run's files by name, each rejected where its place in the list is odd. */
function destinationsOf(names: readonly string[]): Destination[] {
  const files = names.map((name, i) => ({
    key: PREFIXES.source + name,
    dataset: "sales",
    status: i % 2 === 0 ? "accepted" : "rejected",
  }));
  const found = destinations(files, RUN, DATASETS);
  return files.map(({ key }) => found.get(key) ?? assert.fail(`${key} has no destination`));
}

Deno.test("destinations() keeps the name whole, when it fits", () => {
  const status = { accepted: "processed", duplicate: "processed", rejected: "error" } as const;
  for (const [given, where] of Object.entries(status)) {
    const key = "sales_data/2023/05/it's a caf\u00e9.csv.gz";
    const found = destinations([{ key, dataset: "sales", status: given }], RUN, DATASETS).get(key);
    const name = "2023/05/it's a caf\u00e9.csv.gz";
    assert.deepEqual(found, {
      source: where === "processed"
        ? `sales_data_processed/${RUN}/${name}`
        : `sales_data_error/${RUN}/files/${name}`,
      reason: `sales_data_error/${RUN}/reasons/${name}.json`,
      rejects: `sales_data_error/${RUN}/rejects/${name}.csv`,
    });
  }
});

Deno.test("destinations() gives a hash, when the suffix makes a name another file's folder", () => {
  const [file, below] = destinationsOf(["a", "a.json/b.csv"]);
  assert.match(file?.reason ?? "", /\/reasons\/a~[0-9a-f]+\.json$/);
  assert.match(below?.reason ?? "", /\/reasons\/a\.json\/b\.csv\.json$/);
});

Deno.test("destinations() gives a hash, when a name cannot take its suffix", () => {
  const long = [
    `${"x".repeat(251)}.csv`,
    `${"\u6f22".repeat(83)}.csv`,
    `${"\u{1f600}".repeat(62)}.csv`,
    `${"e\u0301".repeat(84)}.x`,
    `${"folder/".repeat(140)}${"y".repeat(24)}.csv`,
  ];
  for (const name of long) {
    const [found] = destinationsOf([name]);
    assert.match(found!.reason, /\/reasons\/[^/]*~[0-9a-f]+\.json$/, name);
    assert.match(found!.rejects, /\/rejects\/[^/]*~[0-9a-f]+\.csv$/, name);
    assertFits(Object.values(found!));
  }
});

Deno.test("destinations() tells a hashed name from a file that is called so", () => {
  const long = `${"x".repeat(251)}.csv`;
  const [hashed] = destinationsOf([long]);
  const twin = hashed!.reason.split("/reasons/")[1]!.replace(/\.json$/, "");
  assert.ok(twin.includes(createHash("sha256").update(long).digest("hex").slice(0, 8)), twin);
  assertDistinct([long, twin], destinationsOf([long, twin]));
});

Deno.test("destinations() does not depend on skipped files, which the ledger does not have", () => {
  const all = [
    { key: "sales_data/a.csv", dataset: "sales", status: "accepted" },
    // Its folder is where the rejects of the other one would be.
    { key: "sales_data/a.csv.csv/b.csv", dataset: "sales", status: "skipped" },
  ];
  const found = destinations(all, RUN, DATASETS), taken = destinations(all.slice(0, 1), RUN, DATASETS);
  assert.deepEqual(found, taken);
  assert.equal(found.get("sales_data/a.csv")?.rejects, `sales_data_error/${RUN}/rejects/a.csv.csv`);
});

const REPLAY = "20230402T020000Z-0001";
const LATER = "20230403T020000Z-0002";

/** What a replay puts back of files of one run, by their names and kinds. */
function replayed(names: readonly string[], kind: ReplaySource["kind"], runId = RUN): string[] {
  const sources = names.map((name) => ({ runId, key: `sales_data/${name}`, dataset: "sales", kind }));
  return replayKeys(sources, REPLAY, DATASETS);
}

Deno.test("replayKeys() names the replay, the run and the file; rows are in a CSV file", () => {
  const names = ["a.csv", "2023/A.CSV", "b.csv.gz"];
  const below = `sales_data/replay/${REPLAY}/${RUN}/`;
  assert.deepEqual(
    replayed(names, "rows"),
    ["a.csv", "2023/A.CSV", "b.csv.gz.csv"].map((name) => below + name),
  );
  const all = [...names, "notes.txt"];
  assert.deepEqual(replayed(all, "file"), all.map((name) => below + name));
});

Deno.test("replayKeys() names the first run and file again, when something has been replayed before", () => {
  for (
    const [name, kind] of [["x/a.csv", "rows"], ["b.csv.gz", "rows"], ["b.csv.gz", "file"], [
      `${"x/".repeat(400)}${"y".repeat(200)}.csv`,
      "rows",
    ]] as const
  ) {
    let key = replayed([name], kind)[0] ?? "";
    const first = key.replace(REPLAY, "");
    for (const runId of [LATER, REPLAY, LATER]) {
      [key = ""] = replayKeys([{ runId, key, dataset: "sales", kind }], LATER, DATASETS);
      assert.equal(key.replace(LATER, ""), first);
    }
  }
  // Whoever calls a file so tells no origin.
  const forged = replayed(["replay/a/b/c.csv"], "rows");
  assert.deepEqual(forged, [`sales_data/replay/${REPLAY}/${RUN}/replay/a/b/c.csv`]);
});

/** Names that like to collide: short alphabets, suffixes of the product, folders, and lengths around the limits. */
const segment = fc.oneof(
  fc.string({ unit: fc.constantFrom("a", "b", ".csv", ".json", "~"), minLength: 1, maxLength: 4 }),
  fc.tuple(fc.constantFrom("x", "\u00e9", "\u6f22", "\u{1f600}"), fc.integer({ min: 1, max: 255 })).map(
    ([letter, bytes]) => letter.repeat(Math.max(1, Math.floor(bytes / byteLength(letter)))),
  ),
).filter((text) => !/^\.{1,2}$/.test(text));
const name = fc.array(segment, { minLength: 1, maxLength: 6 }).map((segments) => segments.join("/"))
  .filter((text) => byteLength(PREFIXES.source + text) <= 1024);

Deno.test("destinations() never gives two files the same key, nor one that is a folder of another's", () => {
  fc.assert(
    fc.property(fc.uniqueArray(name, { maxLength: 12 }), (names) => {
      const found = destinationsOf(names);
      assertDistinct(names, found);
      assertFits(found.flatMap((each) => Object.values(each)));
    }),
    { numRuns: 500 },
  );
});

Deno.test("replayKeys() never gives two things the same key, and all can be taken", () => {
  const source = fc.record({
    dataset: fc.constantFrom("sales", "returns"),
    runId: fc.constantFrom(RUN, LATER),
    key: fc.tuple(
      fc.constantFrom("", `replay/${REPLAY}/${RUN}/`, `replay/${REPLAY}/${LATER}/`),
      name,
      fc.constantFrom(".csv", ".csv.gz", ".csv.gz.csv"),
    ).map((parts) => parts.join("")).filter((name) => classifyName(name) !== "left_alone"),
    kind: fc.constantFrom("rows" as const, "file" as const),
  }).map(({ dataset, key, ...rest }) => ({ dataset, key: `${dataset}_data/${key}`, ...rest }));
  fc.assert(
    fc.property(fc.array(source, { maxLength: 12 }), (sources) => {
      const keys = replayKeys(sources, REPLAY, DATASETS);
      assert.equal(new Set(keys).size, keys.length, JSON.stringify(keys));
      const folders = foldersOf(keys);
      for (const [i, key] of keys.entries()) {
        const landing = `${sources[i]!.dataset}_data/`;
        assert.ok(key.startsWith(`${landing}replay/${REPLAY}/`), key);
        assert.ok(!folders.has(key), `${key} is a folder too`);
        const kind = classifyName(key.slice(landing.length));
        const before = classifyName(sources[i]!.key.slice(landing.length));
        assert.equal(kind, sources[i]!.kind === "rows" ? "csv" : before, key);
        assert.ok(byteLength(key) <= 1024 && byteLength(key.split("/").at(-1)!) <= 255, key);
      }
    }),
    { numRuns: 500 },
  );
});

Deno.test("destinations() files each dataset below its own prefixes, when two have a file of the same name", () => {
  const files = [
    { key: "sales_data/a.csv", dataset: "sales", status: "accepted" },
    { key: "returns_data/a.csv", dataset: "returns", status: "rejected" },
  ];
  const found = destinations(files, RUN, DATASETS);
  assert.equal(found.get("sales_data/a.csv")?.source, `sales_data_processed/${RUN}/a.csv`);
  assert.equal(found.get("returns_data/a.csv")?.source, `returns_data_error/${RUN}/files/a.csv`);
});

/** Keys are equal, or folders of one another, only where that holds for the names already. */
function assertDistinct(names: readonly string[], found: readonly Destination[]): void {
  const keys = found.flatMap((each) => Object.values(each));
  assert.equal(new Set(keys).size, keys.length, `${JSON.stringify(names)} have a key in common`);
  const folders = foldersOf(keys);
  const nested = new Set(names.filter((name) => foldersOf(names).has(name)));
  for (const [i, { source, reason, rejects }] of found.entries()) {
    assert.ok(!folders.has(reason), `${reason} is a folder too`);
    assert.ok(!folders.has(rejects), `${rejects} is a folder too`);
    assert.ok(!folders.has(source) || nested.has(names[i]!), `${source} is a folder too`);
  }
}

/** Every folder that one of these lies in. */
function foldersOf(keys: readonly string[]): Set<string> {
  return new Set(keys.flatMap((key) => key.split("/").map((_, i, parts) => parts.slice(0, i).join("/"))));
}

/** A key is at most 1,024 bytes long and each of its segments 255. */
function assertFits(keys: readonly string[]): void {
  for (const key of keys) {
    assert.ok(byteLength(key) <= 1024, `${key} has ${byteLength(key)} bytes`);
    for (const part of key.split("/")) {
      assert.ok(byteLength(part) <= 255, `${part} has ${byteLength(part)} bytes`);
      assert.doesNotMatch(part, /\ufffd|[\ud800-\udfff]/u, "a character was cut in two");
      assert.doesNotMatch(part, /^\.{0,2}$/);
    }
  }
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}
