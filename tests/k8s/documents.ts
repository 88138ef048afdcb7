/**
 * Kubernetes documents as they are rendered, and the parts of them that the checks look at.
 *
 * @module
 */
import type { ICronJob } from "kubernetes-models/batch/v1/CronJob";
import type { IDeployment } from "kubernetes-models/apps/v1/Deployment";
import type { INetworkPolicy } from "kubernetes-models/networking.k8s.io/v1/NetworkPolicy";
import type { IConfigMap } from "kubernetes-models/v1/ConfigMap";
import type { IContainer } from "kubernetes-models/v1/Container";
import type { INamespace } from "kubernetes-models/v1/Namespace";
import type { IPodTemplateSpec } from "kubernetes-models/v1/PodTemplateSpec";
import type { IService } from "kubernetes-models/v1/Service";
import type { IServiceAccount } from "kubernetes-models/v1/ServiceAccount";
import type { IPrometheusRule } from "./prometheus_rule.ts";

/** The kinds that may be rendered. */
export interface Kinds {
  readonly ConfigMap: IConfigMap;
  readonly CronJob: ICronJob;
  readonly Deployment: IDeployment;
  readonly Namespace: INamespace;
  readonly NetworkPolicy: INetworkPolicy;
  readonly PrometheusRule: IPrometheusRule;
  readonly Service: IService;
  readonly ServiceAccount: IServiceAccount;
}

/** A document of one of them; what it really holds {@linkcode typeProblems} says. */
export type Document = Kinds[keyof Kinds];

/** All documents of a kind. */
export function all<K extends keyof Kinds>(documents: readonly Document[], kind: K): Kinds[K][] {
  return documents.filter((document) => document.kind === kind) as Kinds[K][];
}

/** The one document of a kind and name, where there is one. */
export function named<K extends keyof Kinds>(
  documents: readonly Document[],
  kind: K,
  name: string | undefined,
): Kinds[K] | undefined {
  return all(documents, kind).find(({ metadata }) => metadata?.name === name);
}

/** The night's CronJob. */
export function cronJobOf(documents: readonly Document[]): ICronJob {
  const [cronJob, ...others] = all(documents, "CronJob");
  if (!cronJob || others.length > 0) throw new RangeError("there has to be exactly one CronJob");
  return cronJob;
}

/** The Pod of the night. */
export function nightOf(documents: readonly Document[]): IPodTemplateSpec {
  return cronJobOf(documents).spec?.jobTemplate.spec?.template ?? {};
}

/** Every Pod that is made, by the name of what makes it. */
export function podsOf(documents: readonly Document[]): [string, IPodTemplateSpec][] {
  return [
    [cronJobOf(documents).metadata?.name ?? "", nightOf(documents)],
    ...all(documents, "Deployment").map(({ metadata, spec }): [string, IPodTemplateSpec] => [
      metadata?.name ?? "",
      spec?.template ?? {},
    ]),
  ];
}

/** A Pod's containers in the order in which they run. */
export function containersOf({ spec }: IPodTemplateSpec): IContainer[] {
  return [...spec?.initContainers ?? [], ...spec?.containers ?? []];
}

/** The values of an argument, as `["/work"]` for `--allow-read=/work`; `null` where it is not given. */
export function valuesOf({ args = [] }: IContainer, flag: string): string[] | null {
  const given = args.find((arg) => arg.split("=")[0] === flag);
  return given === undefined ? null : given.slice(flag.length + 1).split(",").filter(Boolean);
}
