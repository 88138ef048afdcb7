/**
 * The shipped model, as a run has it, for tests that make a manifest of their own.
 *
 * @module
 */
import { join } from "node:path";
import { loadConfig } from "../../lib/config/load.ts";
import type { Config } from "../../lib/config/schema.ts";
import { type Contract, contractSchema } from "../../lib/contract/schema.ts";
import { loadModel } from "../../lib/model/load.ts";
import type { Model } from "../../lib/model/model.ts";
import { Redactor } from "../../lib/secrets/redactor.ts";
import { REPOSITORY } from "./task.ts";

/** The embedded default's configuration and the shipped model, a copy for each caller. */
export async function shipped(): Promise<{ config: Config; model: Model }> {
  const world = { env: () => undefined, redactor: new Redactor() };
  const loaded = await loadConfig(join(REPOSITORY, "config", "local.jsonc"), world);
  const { model } = await loadModel(loaded);
  return { config: loaded.config, model };
}

const { model: SHIPPED } = await shipped();

/** The contract of the shipped sales, changed as given. */
export function salesContract(changes: Readonly<Record<string, unknown>> = {}): Contract {
  return contractSchema.parse({ ...SHIPPED.datasets.sales?.contract, ...changes });
}

/** The columns of the shipped sales, with their types. */
export const SALES_COLUMNS: Readonly<Record<string, string>> = salesContract().columns;
