import assert from "node:assert/strict";
import { type Measured, renderAims, renderMeasured } from "./report.ts";

const MIB = 1024 * 1024;
const LIMIT = { configured: "1GiB", mib: 1024 };

function usage(durationMs: number, peakMib: number | null = 100) {
  return { durationMs, cpuMs: 2 * durationMs, peakBytes: peakMib === null ? null : peakMib * MIB };
}

function measured(given: Partial<Measured>): Measured {
  return {
    name: "clean",
    title: "no faulty row",
    rowCount: 10_000_000,
    fileCount: 10,
    sizeBytes: 500 * MIB,
    isFullSize: true,
    aim: { kind: "ratio", most: 1.6 },
    steps: [{ name: "validate", ...usage(15_000) }],
    plain: usage(10_000),
    rows: { read: 10_000_000, accepted: 9_999_000, rejected: 1000 },
    differences: [],
    ...given,
  };
}

const twoSteps = {
  plain: null,
  steps: [{ name: "download", ...usage(1000, 300) }, { name: "validate", ...usage(2000, 200) }],
};

/** Measurements with lines that their table must have. */
const TABLES: readonly { name: string; given: Partial<Measured>; lines: string[] }[] = [
  {
    name: "there is a plain script beside it",
    given: {},
    lines: [
      "clean: no faulty row; 10,000,000 rows, 10 files, 500 MiB",
      "validate | plain | ratio",
      "time | 15.00 s | 10.00 s | 1.50",
      "processor time | 30.00 s | 20.00 s | 1.50",
      "peak memory, process tree | 100 MiB | 100 MiB | 1.00",
      "limit (1GiB + 320 MiB) | 1,344 MiB",
      "10,000,000 rows read = 9,999,000 accepted + 1,000 rejected: as delivered",
    ],
  },
  {
    name: "the download counts too",
    given: twoSteps,
    lines: [
      "download | validate | together",
      "time | 1.00 s | 2.00 s | 3.00 s",
      "processor time | 2.00 s | 4.00 s | 6.00 s",
      "peak memory, process tree | 300 MiB | 200 MiB | 300 MiB",
    ],
  },
  {
    name: "something is not as delivered and memory is not known",
    given: {
      plain: null,
      steps: [{ name: "validate", ...usage(1, null) }],
      differences: ["rows read 1 instead of 2", "files accepted 0 instead of 1"],
    },
    lines: [
      "peak memory, process tree | not measured",
      "10,000,000 rows read = 9,999,000 accepted + 1,000 rejected: " +
      "rows read 1 instead of 2; files accepted 0 instead of 1",
    ],
  },
];

for (const { name, given, lines } of TABLES) {
  Deno.test(`renderMeasured() shows usage, limit and rows, when ${name}`, () => {
    const text = renderMeasured(measured(given), LIMIT);
    const found = text.split("\n").map((line) => line.trim().replace(/ {2,}/g, " | "));
    for (const line of lines) assert.ok(found.includes(line), `no line "${line}" in\n${text}`);
  });
}

const files: Partial<Measured> = { name: "files", aim: { kind: "time", mostMs: 3000 }, ...twoSteps };

/** Measurements with what has to be said about their aims. */
const AIMS: readonly { name: string; given: Partial<Measured>[]; says: string[] }[] = [
  {
    name: "they are just met",
    given: [
      { plain: usage(9375), steps: [{ name: "validate", ...usage(15_000, 1344) }] },
      files,
    ],
    says: ["1.60, met", "3.00 s, met", "1,344 MiB, met", "300 MiB, met"],
  },
  {
    name: "they are just missed",
    given: [
      { plain: usage(9300), steps: [{ name: "validate", ...usage(15_000, 1345) }] },
      { ...files, aim: { kind: "time", mostMs: 2990 } },
    ],
    says: ["1.61, NOT met", "3.00 s, NOT met", "1,345 MiB, NOT met", "300 MiB, met"],
  },
  {
    name: "the sizes are not the full ones",
    given: [{ isFullSize: false }, { ...files, isFullSize: false }],
    says: ["not measured", "not measured", "100 MiB, met", "300 MiB, met"],
  },
  { name: "there is none but that for memory", given: [{ aim: null }], says: ["100 MiB, met"] },
];

for (const { name, given, says } of AIMS) {
  Deno.test(`renderAims() says of each aim whether it is met, when ${name}`, () => {
    const text = renderAims(given.map(measured), LIMIT);
    assert.deepEqual(text.trim().split("; ").map((aim) => aim.split(": ").at(-1)), says);
  });
}
