/**
 * What every Pod has to be, those of the local overlay's servers too: hardened, limited, and made of parts that are there.
 *
 * @module
 */
import type { IContainer } from "kubernetes-models/v1/Container";
import type { IPodTemplateSpec } from "kubernetes-models/v1/PodTemplateSpec";
import type { IVolume } from "kubernetes-models/v1/Volume";
import { all, containersOf, type Document, named, nightOf, podsOf } from "./documents.ts";

/** What is wrong with the rights of a Pod on its node and in the cluster. */
export function checkSecurity(documents: readonly Document[]): string[] {
  const found = podsOf(documents).flatMap(([name, pod]) => {
    const problems: string[] = [];
    const { securityContext, automountServiceAccountToken, hostNetwork, hostPID, hostIPC } = pod.spec ?? {};
    const { runAsNonRoot, runAsUser, runAsGroup, fsGroup, seccompProfile } = securityContext ?? {};
    if (runAsNonRoot !== true || !runAsUser || !runAsGroup || !fsGroup) problems.push("it may run as root");
    if (seccompProfile?.type !== "RuntimeDefault") problems.push("its system calls are not limited");
    if (automountServiceAccountToken !== false) problems.push("it has a token for the cluster's API");
    if (hostNetwork || hostPID || hostIPC) problems.push("it shares the node's namespaces");
    for (const { name, securityContext } of containersOf(pod)) {
      const { allowPrivilegeEscalation, readOnlyRootFilesystem, capabilities, ...others } = securityContext ??
        {};
      if (allowPrivilegeEscalation !== false) problems.push(`${name} may gain privileges`);
      if (readOnlyRootFilesystem !== true) problems.push(`${name} may write to its image`);
      if (capabilities?.drop?.join() !== "ALL" || capabilities.add) {
        problems.push(`${name} keeps capabilities`);
      }
      if (Object.keys(others).length > 0) problems.push(`${name} differs from the Pod`);
    }
    return problems.map((problem) => `${name}: ${problem}`);
  });
  const { serviceAccountName, securityContext } = nightOf(documents).spec ?? {};
  // As in the image.
  if (securityContext?.runAsUser !== 65532 || securityContext.fsGroup !== 65532) {
    found.push("the user has to be 65532");
  }
  if (named(documents, "ServiceAccount", serviceAccountName)?.automountServiceAccountToken !== false) {
    found.push(`the ServiceAccount ${serviceAccountName} is missing, or gives out tokens`);
  }
  return found;
}

/** What is wrong with what Pods may take of their node. */
export function checkResources(documents: readonly Document[]): string[] {
  return podsOf(documents).flatMap(([, pod]) => [
    ...containersOf(pod).flatMap(({ name, resources: { requests = {}, limits = {} } = {} }) =>
      ["cpu", "memory"].flatMap((resource) => {
        const [request, limit] = [requests[resource], limits[resource]];
        if (request === undefined || limit === undefined) {
          return [`${name} has no request or no limit for ${resource}`];
        }
        return amount(request) > amount(limit) ? [`${name} requests more ${resource} than its limit`] : [];
      })
    ),
    ...(pod.spec?.volumes ?? []).filter(({ emptyDir }) => emptyDir && !emptyDir.sizeLimit)
      .map(({ name }) => `the volume ${name} may grow without end`),
  ]);
}

const UNITS: Readonly<Record<string, number>> = { m: 0.001, "": 1, Mi: 2 ** 20, Gi: 2 ** 30 };

function amount(quantity: string | number): number {
  const [, number, unit = ""] = /^(\d+)(m|Mi|Gi)?$/.exec(String(quantity)) ?? [];
  return number === undefined ? NaN : Number(number) * (UNITS[unit] ?? NaN);
}

/** What is wrong with the images. */
export function checkImages(documents: readonly Document[]): string[] {
  const images = podsOf(documents).flatMap(([, pod]) => containersOf(pod).map(({ image = "" }) => image));
  const problems = images.filter((image) => !/(:(?!latest$)[\w.-]+|@sha256:[0-9a-f]{64})$/.test(image))
    .map((image) => `${image} has no version`);
  const ofNight = new Set(containersOf(nightOf(documents)).map(({ image }) => image));
  if (ofNight.size !== 1) problems.push(`the stages have to be of one image, not ${[...ofNight].join(", ")}`);
  return problems;
}

/** What is wrong with volumes, and with variables that come from elsewhere. */
export function checkReferences(documents: readonly Document[]): string[] {
  return podsOf(documents).flatMap(([, pod]) => {
    const volumes = pod.spec?.volumes ?? [];
    const mounted = containersOf(pod).flatMap(({ volumeMounts = [] }) =>
      volumeMounts.map(({ name }) => name)
    );
    return [
      ...volumes.filter(({ name }) => !mounted.includes(name)).map(({ name }) =>
        `nothing mounts the volume ${name}`
      ),
      ...mounted.filter((name) => !volumes.some((volume) => volume.name === name)).map((name) =>
        `no volume ${name}`
      ),
      ...volumes.filter(({ configMap }) => configMap && !named(documents, "ConfigMap", configMap.name))
        .map(({ name }) => `the volume ${name} is of a ConfigMap that is missing`),
      ...containersOf(pod).flatMap((container) => checkContainer(container, documents)),
    ];
  });
}

function checkContainer(
  { name, args = [], env = [], envFrom, volumeMounts = [] }: IContainer,
  documents: readonly Document[],
) {
  const problems: string[] = [];
  const paths = volumeMounts.map(({ mountPath }) => mountPath);
  if (new Set(paths).size < paths.length) problems.push("it mounts two volumes at one place");
  if (envFrom) problems.push("it takes all variables of something: name them");
  env.forEach(({ name, value = "", valueFrom }, index) => {
    const { configMapKeyRef: reference } = valueFrom ?? {};
    if (reference && named(documents, "ConfigMap", reference.name)?.data?.[reference.key] === undefined) {
      problems.push(`${name} comes from a ConfigMap that does not have it`);
    }
    problems.push(...missing(value, env.slice(0, index)));
  });
  problems.push(...args.flatMap((arg) => missing(arg, env)));
  return problems.map((problem) => `${name}: ${problem}`);
}

/** The variables that a text refers to, as Kubernetes puts them in, and that are not set. */
function missing(text: string, env: IContainer["env"] = []): string[] {
  const referred = [...text.matchAll(/(?<!\$)\$\((\w+)\)/g)].map(([, name = ""]) => name);
  return referred.filter((name) => !env.some((variable) => variable.name === name)).map((name) =>
    `no variable ${name}`
  );
}

/** What is wrong with how secrets reach the Pods: as files of those containers only that need them. */
export function checkSecrets(documents: readonly Document[]): string[] {
  const problems = documents.filter(({ kind }) => (kind as string) === "Secret").map(() =>
    "a secret is in the repository"
  );
  for (const [, pod] of podsOf(documents)) {
    for (const { name, env = [] } of containersOf(pod)) {
      const inEnv = env.filter(({ valueFrom }) => valueFrom?.secretKeyRef);
      problems.push(...inEnv.map((variable) => `${name}: the secret ${variable.name} has to be a file`));
    }
    // Read by the user's group, by nobody else.
    problems.push(
      ...secretVolumes(pod).filter(({ secret }) => ((secret?.defaultMode ?? 0o644) & 0o337) !== 0)
        .map(({ name }) => `${name} may be read by others, or written`),
    );
  }
  const night = nightOf(documents);
  for (const { name, volumeMounts = [] } of containersOf(night)) {
    const found = secretVolumes(night).filter((volume) =>
      volumeMounts.some((mount) => mount.name === volume.name)
    );
    const expected = volumeMounts.some((mount) => mount.name === "config") ? [`${name}-secrets`] : [];
    if (found.map((volume) => volume.name).join() !== expected.join()) {
      problems.push(`${name} has to have its own secrets, and only where it has the configuration`);
    }
    problems.push(
      ...volumeMounts.filter((mount) => mount.name !== "work" && !mount.readOnly)
        .map((mount) => `${name}: ${mount.mountPath} may be written`),
    );
  }
  return problems;
}

function secretVolumes({ spec }: IPodTemplateSpec): IVolume[] {
  return (spec?.volumes ?? []).filter(({ secret, projected }) => secret || projected);
}

/** What is wrong with how things find each other: namespaces, and the Pods of Services and policies. */
export function checkNames(documents: readonly Document[]): string[] {
  const problems: string[] = [];
  const namespaces = new Set(
    documents.flatMap(({ kind, metadata }) => kind === "Namespace" ? [] : metadata?.namespace),
  );
  if (namespaces.size > 1) problems.push("not everything is in one namespace");
  const [namespace] = all(documents, "Namespace");
  if (namespace && !namespaces.has(namespace.metadata?.name)) {
    problems.push("the Namespace is not the one that is used");
  }
  if (namespace && namespace.metadata?.labels?.["pod-security.kubernetes.io/enforce"] !== "restricted") {
    problems.push("the Namespace takes Pods that are not hardened");
  }
  const seen = new Set<string>();
  for (const { kind, metadata } of documents) {
    const name = `${kind} ${metadata?.name}`;
    if (seen.has(name)) problems.push(`there are two of ${name}`);
    seen.add(name);
  }
  const ports = podsOf(documents).flatMap(([, pod]) => containersOf(pod).flatMap(({ ports = [] }) => ports));
  for (const { metadata, spec } of all(documents, "Service")) {
    if (!podsOf(documents).some(([, pod]) => selects(spec?.selector, pod))) {
      problems.push(`the Service ${metadata?.name} has no Pods`);
    }
    for (const { targetPort } of spec?.ports ?? []) {
      if (!ports.some(({ name }) => name === targetPort)) {
        problems.push(`no container has the port ${targetPort}`);
      }
    }
  }
  for (const { metadata, spec } of all(documents, "Deployment")) {
    if (!selects(spec?.selector.matchLabels, spec?.template ?? {})) {
      problems.push(`the Deployment ${metadata?.name} does not select its own Pods`);
    }
  }
  return problems;
}

/** Whether a Pod has all the labels. */
export function selects(
  labels: Readonly<Record<string, string>> | undefined,
  { metadata }: IPodTemplateSpec,
): boolean {
  return labels !== undefined &&
    Object.entries(labels).every(([name, value]) => metadata?.labels?.[name] === value);
}
