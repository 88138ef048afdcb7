/**
 * Sample: says of one local file what the contract makes of it, and which entry of `sources` would take it.
 *
 * Needs neither store nor database, and no secret: of the configuration it reads what is about files.
 *
 * @module
 */
import { basename } from "node:path";
import { type Command, mainOfOne } from "../lib/command/toolbox.ts";
import { loadFileSettings } from "../lib/config/load.ts";
import { openDuckdbEngine } from "../lib/engine/duckdb.ts";
import { UsageError } from "../lib/errors.ts";
import { loadModel } from "../lib/model/load.ts";
import type { Model } from "../lib/model/model.ts";
import { renderSample } from "../lib/sample/render.ts";
import { sampleFile } from "../lib/sample/sample.ts";

/** What `deno.json` lets it write to. */
const TEMPORARY = "/tmp";

/** The dataset that was named, or the only one, or sales. */
function datasetOf({ datasets }: Model, given: string | undefined): string {
  const names = Object.keys(datasets);
  const [only = "", ...others] = names;
  const name = given ?? (others.length === 0 ? only : "sales");
  if (Object.hasOwn(datasets, name)) return name;
  throw new UsageError(`--dataset must be one of the model's: ${names.join(", ")}`);
}

/** The command. */
export const sample: Command = {
  name: "sample",
  description: "Say of a local file what the contract makes of it, and which source would take it.",
  operand: "file",
  options: ["as", "dataset"],
  ignores: ["log-level"],
  async run({ configPath, operand: path, flags, env, redactor, signal }) {
    if (!(await Deno.stat(path).catch(() => null))?.isFile) {
      throw new UsageError(`Cannot read ${JSON.stringify(path)}: it is no file`);
    }
    const { config, model } = await loadBoth(configPath, { env, redactor });
    const dataset = datasetOf(model, flags.dataset);
    const folder = await Deno.realPath(
      await Deno.makeTempDir({ dir: TEMPORARY, prefix: "nightly-marts-sample-" }),
    );
    try {
      await using engine = await openDuckdbEngine({ folder, resources: config.resources, signal });
      const order = { path, name: flags.as ?? basename(path), dataset };
      const report = await sampleFile(order, { config, model, engine, folder, signal });
      return { text: renderSample(report), json: report };
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
};

async function loadBoth(path: string, world: Parameters<typeof loadFileSettings>[1]) {
  const loaded = await loadFileSettings(path, world);
  return { config: loaded.config, model: (await loadModel(loaded)).model };
}

if (import.meta.main) await mainOfOne(sample);
