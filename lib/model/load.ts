/**
 * Reads a model file, with the queries that lie beside it, and fills in what it leaves out.
 *
 * The configuration's `contract` and `prefixes` take the place of what the model says of the dataset `sales` and of the
 * shipped marts, so that a configuration that was written before there was a model goes on.
 *
 * @module
 */
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type ConfigDocument, errorAt, readDocument, type ValuePath } from "../config/document.ts";
import { describeIssue, type LoadedConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { valuesOf } from "../config/document.ts";
import { ConfigError, messageOf } from "../errors.ts";
import { decodeUtf8 } from "../text.ts";
import { checkFit, checkPrefixes, type ModelFault, moneyOf } from "./fit.ts";
import { checkSources } from "./sources.ts";
import type { Dataset, Mart, MartTable, Model } from "./model.ts";
import { type GivenDataset, type GivenMart, type GivenModel, modelSchema } from "./schema.ts";

/** The model that is there if the configuration names none. */
export const SHIPPED_MODEL: string = fileURLToPath(new URL("../../config/model.jsonc", import.meta.url));

/** The dataset that `contract` of the configuration is about. */
const SALES = "sales";

/** A prefix of the configuration, and the entry of the model that it stands for. */
const OVERRIDES = {
  source: ["datasets", SALES, "source"],
  processed: ["datasets", SALES, "processed"],
  error: ["datasets", SALES, "error"],
  acceptedSales: ["datasets", SALES, "accepted"],
  customerMart: ["marts", "customer_data_mart", "prefix"],
  salesMart: ["marts", "sales_data_mart", "prefix"],
  salesPartitionedMart: ["marts", "sales_partitioned_data_mart", "prefix"],
} as const satisfies Partial<Record<keyof Config["prefixes"], ValuePath>>;

/** A model that was read and checked, but for its queries. */
export interface LoadedModel {
  /** The effective model. */
  readonly model: Model;
  /** The error for an entry of the model: with file, line and key of where it was given. */
  fault(path: ValuePath, what: string): ConfigError;
}

/**
 * Reads the model that a configuration names, or the shipped one; fills in the configuration's prefixes and contract that
 * are the model's.
 *
 * @throws {ConfigError} for anything wrong in it, with file, line and key.
 */
export async function loadModel(
  { config, document: configDocument }: Pick<LoadedConfig, "config" | "document">,
): Promise<LoadedModel> {
  const path = config.model ?? SHIPPED_MODEL;
  const document = await readDocument(path, "the model");
  const parsed = modelSchema.safeParse(valuesOf(document.root));
  if (!parsed.success) {
    const lines = parsed.error.issues.flatMap((issue) => describeIssue(document, issue));
    throw new ConfigError("invalid_config", lines.join("\n"));
  }
  const given = parsed.data;
  const place = new Places(document, configDocument);
  place.refuse(checkFit(given));
  const model = await fillIn(given, config, document, place);
  place.refuse([
    ...override(model, config, place),
    ...checkPrefixes(model, config.prefixes),
    ...checkSources(model, config),
  ]);
  showIn(config, model);
  return { model, fault: (path, what) => place.fault(path, what) };
}

/** Tells for each entry of the model whether the model file gave it or the configuration, which overrides it. */
class Places {
  readonly #model: ConfigDocument;
  readonly #config: ConfigDocument;
  /** By the entry's path in the model. */
  readonly #overridden = new Map<string, ValuePath>();

  constructor(model: ConfigDocument, config: ConfigDocument) {
    this.#model = model;
    this.#config = config;
  }

  override(path: ValuePath, by: ValuePath): void {
    this.#overridden.set(path.join("."), by);
  }

  fault(path: ValuePath, what: string): ConfigError {
    if (path[0] === "prefixes" || path[0] === "contract") return errorAt(this.#config, path, what);
    for (let depth = path.length; depth > 0; depth--) {
      const by = this.#overridden.get(path.slice(0, depth).join("."));
      if (by) return errorAt(this.#config, [...by, ...path.slice(depth)], what);
    }
    return errorAt(this.#model, path, what);
  }

  /** @throws {ConfigError} that names every fault, if there are any. */
  refuse(faults: readonly ModelFault[]): void {
    if (faults.length === 0) return;
    const lines = faults.map(({ path, what }) => this.fault(path, what).message);
    throw new ConfigError("invalid_config", lines.join("\n"));
  }
}

/** Every default in its place, and the queries read. */
async function fillIn(
  given: GivenModel,
  config: Config,
  document: ConfigDocument,
  places: Places,
): Promise<Model> {
  const datasets = Object.fromEntries(
    Object.entries(given.datasets).map(([name, dataset]) => [name, datasetOf(name, dataset, given, config)]),
  );
  const marts: Model["marts"] = {};
  for (const [name, mart] of Object.entries(given.marts)) {
    const from: Mart["from"] = typeof mart.from === "string" ? { [mart.from]: "+" } : mart.from;
    const found = moneyOf(mart, Object.keys(from).flatMap((dataset) => datasets[dataset] ?? []));
    if ("what" in found) throw places.fault(["marts", name], found.what);
    marts[name] = {
      description: mart.description ?? "",
      stage: mart.stage,
      from,
      sql: await readQuery(name, mart, document, places),
      money: found.money,
      summary: mart.summary,
      files: mart.grain === "row"
        ? { prefix: mart.prefix ?? `${name}/`, partitionBy: mart.partitionBy ?? [] }
        : null,
      table: mart.table ? tableOf(name, mart.table) : null,
    };
  }
  const dimensions = Object.fromEntries(
    Object.entries(given.dimensions).map(([name, { key, ids, text, personal }]) => [
      name,
      { key, ids: ids ?? (text.includes(key) ? [] : [key]), text, personal },
    ]),
  );
  return { dimensions, datasets, marts };
}

function datasetOf(name: string, given: GivenDataset, model: GivenModel, config: Config): Dataset {
  const { source, columns, rules, money } = given;
  const { columns: _columns, rules: _rules, ...limits } = config.contract;
  return {
    source,
    processed: given.processed ?? source.replace(/\/$/, "_processed/"),
    error: given.error ?? source.replace(/\/$/, "_error/"),
    accepted: given.accepted ?? `accepted_${name}/`,
    contract: {
      columns,
      rules,
      keys: Object.entries(given.keys).map(([column, dimension]) => ({
        column,
        dimension,
        key: model.dimensions[dimension]?.key ?? "",
        isText: columns[column] === "text",
        reason: `unknown_${column}`,
      })),
      lookups: Object.entries(given.lookups).map(([warning, lookup]) => ({ warning, ...lookup })),
      ...limits,
    },
    sources: given.sources,
    money,
  };
}

function tableOf(name: string, given: NonNullable<GivenMart["table"]>): MartTable {
  const { key, add, latest, types, incentive = null } = given;
  const typeOf = (type: string) => type === "bigint" ? "integer" : type;
  return {
    name,
    columns: {},
    key,
    add: Object.fromEntries(Object.entries(add).map(([column, type]) => [column, typeOf(type)])),
    latest,
    types,
    incentive,
  };
}

async function readQuery(
  name: string,
  mart: GivenMart,
  document: ConfigDocument,
  places: Places,
): Promise<string> {
  const path = resolve(dirname(document.path), mart.sql ?? `${name}.sql`);
  const key = mart.sql === undefined ? ["marts", name] : ["marts", name, "sql"];
  let text: string | null;
  try {
    text = decodeUtf8(await Deno.readFile(path));
  } catch (error) {
    throw places.fault(key, `cannot read the query ${path}: ${messageOf(error)}`);
  }
  if (text === null) throw places.fault(key, `the query ${path} is not UTF-8; save it as UTF-8`);
  // A byte order mark is what some editors write, and a final semicolon how people end a query.
  return text.replace(/^\ufeff/, "").trimEnd().replace(/;$/, "");
}

/** Puts in what the configuration says in place of the model; what it says of nothing in the model is at fault. */
function override(model: Model, config: Config, places: Places): ModelFault[] {
  const faults: ModelFault[] = [];
  for (const [key, path] of Object.entries(OVERRIDES)) {
    const prefix = config.prefixes[key as keyof typeof OVERRIDES];
    if (prefix === undefined) continue;
    const [kind, name, field] = path;
    const entry = kind === "datasets" ? model.datasets[name] : model.marts[name]?.files;
    if (!entry) {
      faults.push({
        path: ["prefixes", key],
        what: `the model has no ${kind.slice(0, -1)} "${name}" with files`,
      });
      continue;
    }
    Object.assign(entry, { [field]: prefix });
    places.override(path, ["prefixes", key]);
  }
  const { columns, rules } = config.contract;
  const contract = model.datasets[SALES]?.contract;
  for (const [key, value] of Object.entries({ columns, rules })) {
    if (value === undefined) continue;
    if (!contract) {
      faults.push({ path: ["contract", key], what: `the model has no dataset "${SALES}"` });
      continue;
    }
    if (key === "columns") {
      faults.push(...checkCoreColumns(contract.columns, value as Dataset["contract"]["columns"]));
    }
    Object.assign(contract, { [key]: value });
    places.override(["datasets", SALES, key], ["contract", key]);
  }
  const taken = contract?.lookups.find(({ warning }) => rules !== undefined && warning in rules);
  if (taken) {
    faults.push({
      path: ["contract", "rules", taken.warning],
      what: "the name is taken by a built-in warning",
    });
  }
  return faults;
}

/** The columns that the model's marts are made from stay; more may be added. */
function* checkCoreColumns(
  core: Readonly<Record<string, string>>,
  given: Readonly<Record<string, string>>,
): Generator<ModelFault> {
  for (const [name, type] of Object.entries(core)) {
    if (given[name] === type) continue;
    yield given[name] === undefined
      ? { path: ["contract", "columns"], what: `"${name}" may not be left out` }
      : { path: ["contract", "columns", name], what: `"${name}" must be ${type}` };
  }
}

/** What holds for the shipped entries, in the configuration that is shown. */
function showIn(config: Config, model: Model): void {
  for (const [key, [kind, name, field]] of Object.entries(OVERRIDES)) {
    const entry = kind === "datasets" ? model.datasets[name] : model.marts[name]?.files;
    if (entry) Object.assign(config.prefixes, { [key]: Reflect.get(entry, field) });
  }
  const contract = model.datasets[SALES]?.contract;
  if (contract) Object.assign(config.contract, { columns: contract.columns, rules: contract.rules });
}
