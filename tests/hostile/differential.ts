/**
 * Random deliveries through the real stages and through the reference, which must find the same.
 *
 * @module
 */
import { Buffer, isUtf8 } from "node:buffer";
import { deliverAndValidate, differenceOf, type Settings } from "./delivery.ts";
import { differences } from "./expectation.ts";
import { pack, randomDelivery, type RandomFile } from "./random_files.ts";
import { judgeDelivery } from "./reference.ts";

/** What to compare. */
export interface Comparison {
  readonly fileCount: number;
  readonly seed: number;
  /** Report the first failing delivery as it is, which may be hundreds of files. */
  readonly brief?: boolean;
  /** Is told after each run how many files have been compared. */
  readonly onProgress?: (compared: number) => void;
}

/** What a comparison found. */
export interface Compared {
  /** How many files there were of each outcome. */
  readonly outcomes: ReadonlyMap<string, number>;
  /** The first delivery of which the product makes something else than the reference. */
  readonly failure: { readonly differenceCount: number; readonly report: string } | null;
}

type Files = ReadonlyMap<string, RandomFile>;

/** Files of one run: starting the stages takes as long as some hundred files. */
const FILES_PER_RUN = 400;
/** Differences that a report lists. */
const LISTED = 10;

/** Compares random files until a delivery fails. */
export async function compareRandomFiles(
  { fileCount, seed, brief = false, onProgress }: Comparison,
): Promise<Compared> {
  const outcomes = new Map<string, number>();
  for (let number = 0, compared = 0; compared < fileCount; number++) {
    const { settings, files } = randomDelivery(seed, number, Math.min(FILES_PER_RUN, fileCount - compared));
    const wrong = await compare(files, settings);
    if (wrong.length > 0) {
      const small: Files = brief ? new Map() : await shrink(files, settings);
      const report = [
        `seed ${seed}, run ${number}: ${wrong.length} differences among ${files.size} files, such as`,
        ...(brief ? wrong : await compare(small, settings)).slice(0, LISTED),
        `with the settings ${JSON.stringify(settings)}`,
        ...[...small].map(([name, file]) => `${JSON.stringify(name)} (${file.packaging}): ${print(file)}`),
      ].join("\n");
      return { outcomes, failure: { differenceCount: wrong.length, report } };
    }
    for (const expected of judge(files, settings).values()) {
      const outcome = expected === null
        ? "left_alone"
        : "reason" in expected
        ? expected.reason
        : expected.status;
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    compared += files.size;
    onProgress?.(compared);
  }
  return { outcomes, failure: null };
}

function judge(files: Files, settings: Settings) {
  return judgeDelivery(new Map([...files].map(([name, file]) => [name, pack(file)])), settings);
}

/** The differences, each with its file; that a stage fails is one. */
async function compare(files: Files, settings: Settings): Promise<string[]> {
  const bytes = new Map([...files].map(([name, file]) => [name, pack(file).bytes]));
  try {
    const found = await deliverAndValidate(bytes, settings);
    return [...judge(files, settings)].flatMap(([name, expected]) =>
      differences(expected, found.get(name)).map((difference) => `${JSON.stringify(name)}: ${difference}`)
    );
  } catch (error) {
    return [differenceOf(error)];
  }
}

/** Fewer files, and fewer rows of them, that still are not what the reference says. */
async function shrink(files: Files, settings: Settings): Promise<Files> {
  const fails = async (some: Files) => some.size > 0 && (await compare(some, settings)).length > 0;
  let small = new Map(files);
  for (let part = small.size >> 1; part >= 1; part = Math.min(part, small.size) >> 1) {
    for (let start = 0; start < small.size && small.size > 1;) {
      const without = new Map([...small].toSpliced(start, part));
      if (await fails(without)) small = without;
      else start += part;
    }
  }
  for (const [name, { packaging }] of small) {
    for (let i = (small.get(name)?.pieces.length ?? 0) - 1; i >= 0; i--) {
      const shorter = new Map(small).set(name, {
        packaging,
        pieces: small.get(name)?.pieces.toSpliced(i, 1) ?? [],
      });
      if (await fails(shorter)) small = shorter;
    }
  }
  return small;
}

/** A file's content as text that can be pasted into a test. */
function print(file: RandomFile): string {
  const content = Buffer.concat(file.pieces);
  return isUtf8(content)
    ? JSON.stringify(content.toString())
    : `Buffer.from("${content.toString("hex")}", "hex")`;
}
