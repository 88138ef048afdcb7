/**
 * The Pod that the Kubernetes manifests describe.
 *
 * @module
 */
import { parse } from "npm:yaml@2.9.1";
import type { PodSpec } from "./pod.ts";

/** Reads the Pod's specification. */
export async function readPodSpec(): Promise<PodSpec> {
  const text = await Deno.readTextFile(new URL("../../k8s/base/cronjob.yaml", import.meta.url));
  const spec: PodSpec = parse(text).spec.jobTemplate.spec.template.spec;
  const known = (arg: string) => !/^--(log-format|termination-log)/.test(arg);
  const trim = (containers: PodSpec["containers"]) =>
    containers.map((c) => ({ ...c, args: c.args.filter(known) }));
  return { ...spec, initContainers: trim(spec.initContainers), containers: trim(spec.containers) };
}
