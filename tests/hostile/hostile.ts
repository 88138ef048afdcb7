/**
 * `deno task test:hostile`: the corpus of hostile files, then as many random ones as are asked for, through the real
 * stages; each must become what is written beside it, or what the reference says.
 *
 * Ends with the number of differences, and exits with 1 where there are any.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { print, say } from "../support/output.ts";
import { HOSTILE_SETS } from "../testdata/hostile/sets.ts";
import { checkCorpus } from "./corpus.ts";
import { compareRandomFiles } from "./differential.ts";

const HELP = `Usage: deno task test:hostile [options]

Runs hostile files through download and validate, and compares what becomes of them with the contract.

  --files N   random files after the corpus (default: 2000)
  --seed N    the random files follow from it (default: 1)
  --brief     stop at the first delivery with differences, and do not look for a smaller one
  --help      print this
`;

async function run(options: { fileCount: number; seed: number; brief: boolean }): Promise<number> {
  let count = 0;
  // The largest set last: with --brief most faults show in a small one.
  for (const set of HOSTILE_SETS.toSorted((a, b) => a.cases.length - b.cases.length)) {
    const found = await checkCorpus(set);
    for (const difference of found) print(`corpus ${set.name}: ${difference}`);
    say(`corpus ${set.name}: ${set.cases.length} cases`);
    count += found.length;
    if (options.brief && count > 0) return count;
  }
  const onProgress = (compared: number) => say(`${compared} random files`);
  const { failure } = await compareRandomFiles({ ...options, onProgress });
  if (failure === null) return count;
  print(failure.report);
  return count + failure.differenceCount;
}

const { values: given } = parseArgs({
  options: {
    files: { type: "string", default: "2000" },
    seed: { type: "string", default: "1" },
    brief: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (given.help) {
  print(HELP);
} else {
  const count = await run({ fileCount: Number(given.files), seed: Number(given.seed), brief: given.brief });
  print(`${count} differences`);
  if (count > 0) Deno.exit(1);
}
