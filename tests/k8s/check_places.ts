/**
 * What the night connects to: the configuration, Deno's permissions and the network policies have to agree.
 *
 * @module
 */
import { join } from "node:path";
import type { Config } from "../../lib/config/schema.ts";
import { loadConfig } from "../../lib/config/load.ts";
import { messageOf } from "../../lib/errors.ts";
import { Redactor } from "../../lib/secrets/redactor.ts";
import { removeAtEnd } from "../support/ending.ts";
import { all, containersOf, type Document, named, nightOf, podsOf } from "./documents.ts";
import { selects } from "./check_pods.ts";

const SECRETS = "/run/secrets/nightly-marts";

/** What is wrong with the pipeline's configuration, as the pipeline itself reads it. */
export async function checkConfiguration(documents: readonly Document[]): Promise<string[]> {
  const { volumes = [] } = nightOf(documents).spec ?? {};
  const config = volumes.find(({ name }) => name === "config")?.configMap?.name;
  const text = named(documents, "ConfigMap", config)?.data?.["pipeline.jsonc"];
  if (text === undefined) return ["there is no pipeline.jsonc where the stages expect it"];
  try {
    return checkHosts(await readConfig(text), documents);
  } catch (error) {
    return [messageOf(error)];
  }
}

/** Reads it with a file in place of every secret; nothing else may be missing. */
async function readConfig(text: string): Promise<Config> {
  const folder = await Deno.makeTempDir({ prefix: "nightly-marts-k8s-" });
  try {
    for (const [, name = ""] of text.matchAll(new RegExp(`\\$\\{file:${SECRETS}/([\\w-]+)\\}`, "g"))) {
      await Deno.writeTextFile(join(folder, name), `secret-of-${name}`);
    }
    const file = join(folder, "pipeline.jsonc");
    await Deno.writeTextFile(file, text.replaceAll(SECRETS, folder));
    const world = { env: () => undefined, redactor: new Redactor() };
    const { config, origins } = await loadConfig(file, world);
    for (const field of ["database.password", "store.credentials.secretAccessKey"]) {
      const source = origins.get(field)?.source;
      if (source !== undefined && !source.startsWith("secret file ")) {
        throw new Error(`${field} is in plain text`);
      }
    }
    return config;
  } finally {
    await removeAtEnd(folder);
  }
}

function checkHosts({ store, database, workDir }: Config, documents: readonly Document[]): string[] {
  const problems: string[] = [];
  if (workDir !== "/work") problems.push("the work dir has to be the volume, /work");
  if (store.kind !== "s3" || database.kind !== "mysql") {
    return [...problems, "the Pod keeps nothing: use S3 and MySQL"];
  }
  const allowed = (variable: string) => {
    const reference = containersOf(nightOf(documents))[0]?.env?.find(({ name }) => name === variable)
      ?.valueFrom;
    const { name, key = "" } = reference?.configMapKeyRef ?? {};
    return (named(documents, "ConfigMap", name)?.data?.[key] ?? "").split(",");
  };
  const endpoint = store.endpoint === undefined
    ? `${store.bucket}.s3.${store.region}.amazonaws.com:443`
    : new URL(store.endpoint).host;
  if (!allowed("STORE_HOSTS").includes(endpoint)) problems.push(`the stages may not connect to ${endpoint}`);
  const { annotations } =
    named(documents, "ServiceAccount", nightOf(documents).spec?.serviceAccountName)?.metadata ?? {};
  const tokenService = `sts.${store.region}.amazonaws.com:443`;
  if (annotations?.["eks.amazonaws.com/role-arn"] && !allowed("STORE_HOSTS").includes(tokenService)) {
    problems.push(`the stages may not connect to ${tokenService}, which gives them their role`);
  }
  const server = `${database.host}:${database.port}`;
  if (allowed("DATABASE_HOSTS").join() !== server) {
    problems.push(`the stages may not connect to ${server} alone`);
  }
  return problems;
}

/** Link-local addresses, with the metadata of the node. */
const LINK_LOCAL = "169.254.0.0/16";

/** What is wrong with what the network lets through. */
export function checkNetwork(documents: readonly Document[]): string[] {
  const night = nightOf(documents);
  const policies = all(documents, "NetworkPolicy");
  const problems = policies.filter(({ spec }) => !selects(spec?.podSelector?.matchLabels, night))
    .map(({ metadata }) => `the policy ${metadata?.name} is not for the night's Pod`);
  const own = policies.filter(({ spec }) => selects(spec?.podSelector?.matchLabels, night));
  const types = new Set(own.flatMap(({ spec }) => spec?.policyTypes ?? []));
  if (!types.has("Ingress") || own.some(({ spec }) => (spec?.ingress ?? []).length > 0)) {
    problems.push("somebody may connect to the night's Pod");
  }
  const egress = own.flatMap(({ spec }) => spec?.egress ?? []);
  if (!types.has("Egress")) problems.push("the night's Pod may connect to anybody");
  for (const { to = [], ports = [] } of egress) {
    if (to.length === 0 || ports.length === 0) problems.push("a rule lets everything through");
    for (const { ipBlock } of to) {
      if (ipBlock?.cidr === "0.0.0.0/0" && !ipBlock.except?.includes(LINK_LOCAL)) {
        problems.push("the node's metadata can be reached");
      }
    }
  }
  const numbers = new Set(egress.flatMap(({ ports = [] }) => ports.map(({ port }) => port)));
  for (const port of [53, 3306]) if (!numbers.has(port)) problems.push(`nothing lets port ${port} through`);
  // A server that is in the cluster is selected by its labels.
  const selectors = egress.flatMap(({ to = [] }) => to).filter((peer) =>
    peer.podSelector && !peer.namespaceSelector
  );
  for (const { podSelector } of selectors) {
    if (!podsOf(documents).some(([, pod]) => selects(podSelector?.matchLabels, pod))) {
      problems.push("a policy lets through to Pods that there are not");
    }
  }
  return problems;
}
