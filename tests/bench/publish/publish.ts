/**
 * `deno task bench --database mysql`: the commit of many customer-month totals to a real MariaDB, onto an empty mart
 * and onto existing rows, beside a bare LOAD DATA of the same totals.
 *
 * Run by `bench.ts`, which has checked the options. Exits with 1 where a table does not hold what it has to.
 *
 * @module
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { messageOf } from "../../../lib/errors.ts";
import { loadBare } from "./bare_load.ts";
import { openPlace, type Place } from "./place.ts";
import { publishNights } from "./publish_nights.ts";
import { type PublishedSize, renderPublish } from "./report.ts";
import { makeNights, type Night } from "./totals.ts";

/** There is a size this many times smaller, to see whether memory grows with the rows. */
const SMALLER = 6;

const { values: given } = parseArgs({
  options: {
    totals: { type: "string", default: "" },
    "memory-limit": { type: "string", default: "" },
    keep: { type: "boolean", default: false },
  },
});
const resources = { memoryLimit: given["memory-limit"], threads: "auto" } as const;

/** Publishes both sizes and loads the larger one; whether every table held what it had to. */
async function bench(rowCount: number, stack: AsyncDisposableStack): Promise<boolean> {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "bench-publish-" }));
  if (!given.keep) stack.defer(() => Deno.remove(folder, { recursive: true }));
  say(`working in ${folder}`);
  // Ended with the outer stack where a signal comes meanwhile.
  const isolated = async <T>(work: (place: Place) => Promise<T>): Promise<T> => {
    await using own = stack.use(new AsyncDisposableStack());
    return await work(await openPlace(own, folder, resources));
  };
  const publishSize = async (name: string, count: number): Promise<PublishedSize & { first: Night }> => {
    say(`making ${count} totals`);
    const nights = await makeNights(join(folder, name), count);
    say(`publishing ${count} totals, two nights`);
    const [empty, existing] = await isolated((place) => publishNights(place, nights));
    if (!empty || !existing) throw new RangeError("two nights are needed");
    return { rowCount: count, empty, existing, first: nights[0] };
  };
  const smaller = await publishSize("smaller", Math.ceil(rowCount / SMALLER));
  const larger = await publishSize("larger", rowCount);
  say(`loading ${rowCount} totals`);
  const bare = await isolated((place) => loadBare(place, larger.first));
  print(renderPublish([smaller, larger], bare));
  const comparisons = [
    bare.comparison,
    ...[smaller, larger].flatMap(({ empty, existing }) => [...empty.comparisons, ...existing.comparisons]),
  ];
  return comparisons.every(({ difference }) => difference === null);
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}

function say(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`bench: ${text}\n`));
}

const stack = new AsyncDisposableStack();
let interrupted: Promise<void> | undefined;
// A server that nobody ends would run on. What is under way fails without it, and what comes next without the stack.
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => interrupted ??= stack.disposeAsync());
}
try {
  if (!await bench(Number(given.totals), stack)) throw new Error("the results differ; see the table");
} catch (error) {
  say(interrupted ? "interrupted" : messageOf(error));
  Deno.exitCode = 1;
} finally {
  await (interrupted ?? stack.disposeAsync());
}
// The listeners would keep the process alive.
Deno.exit();
