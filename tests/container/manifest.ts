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
  return parse(text).spec.jobTemplate.spec.template.spec;
}
