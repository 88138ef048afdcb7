/**
 * What `k8s/` renders to, by kubectl where there is one, else by kustomize, which Go builds once.
 *
 * @module
 */
import { join, relative } from "node:path";
import { removeAtEnd } from "../support/ending.ts";
import { parse, parseAllDocuments, stringify } from "yaml";
import { goProgram, runProgram } from "../support/programs.ts";
import { REPOSITORY } from "../support/task.ts";
import type { Document } from "./documents.ts";

/** A version whose builds were seen to work, and to render as kubectl does. */
const KUSTOMIZE = "sigs.k8s.io/kustomize/kustomize/v5@v5.7.1";

/** An overlay, or the base, and the components that are put to it. */
export interface Rendering {
  /** As in `overlays/local`. */
  readonly folder: string;
  /** As in `alerts`. */
  readonly components: readonly string[];
}

/** Every overlay as it is, and the combinations that its comments name. */
export const RENDERINGS: readonly Rendering[] = [
  { folder: "base", components: [] },
  { folder: "overlays/local", components: [] },
  { folder: "overlays/local", components: ["alerts", "telemetry", "restart-rules"] },
  { folder: "overlays/production", components: [] },
  { folder: "overlays/production", components: ["telemetry"] },
  { folder: "overlays/production", components: ["restart-rules"] },
  { folder: "overlays/production", components: ["telemetry", "restart-rules"] },
];

/** As a test is called. */
export function nameOf({ folder, components }: Rendering): string {
  return [folder, ...components].join(" with ");
}

/** The documents of a rendering, whose components are those of the overlay itself and the given ones. */
export async function render({ folder, components }: Rendering): Promise<Document[]> {
  const root = await Deno.makeTempDir({ prefix: "nightly-marts-k8s-" });
  try {
    const { success } = await new Deno.Command("cp", { args: ["-r", join(REPOSITORY, "k8s"), root] })
      .output();
    if (!success) throw new Error(`cannot copy k8s/ to ${root}`);
    const overlay = join(root, "k8s", folder);
    const file = join(overlay, "kustomization.yaml");
    const kustomization = parse(await Deno.readTextFile(file));
    const paths = components.map((name) => relative(overlay, join(root, "k8s/components", name)));
    kustomization.components = [...kustomization.components ?? [], ...paths];
    await Deno.writeTextFile(file, stringify(kustomization));
    return parseDocuments(await kustomize(overlay));
  } finally {
    await removeAtEnd(root);
  }
}

/** Reads YAML as Kubernetes does, for which an unquoted `yes` is a boolean. */
export function parseDocuments(text: string): Document[] {
  return parseAllDocuments(text, { version: "1.1" }).map((document) => {
    if (document.errors[0]) throw document.errors[0];
    return document.toJS();
  });
}

async function kustomize(folder: string): Promise<string> {
  const [program = "", ...args] = await findRenderer();
  const { success, text, stdout } = await runProgram(program, [...args, folder]);
  if (!success) throw new Error(`${program} failed: ${text}`);
  return stdout;
}

async function findRenderer(): Promise<string[]> {
  const { success } = await runProgram("kubectl", ["kustomize", "--help"]);
  return success ? ["kubectl", "kustomize"] : [await goProgram("kustomize", KUSTOMIZE), "build"];
}
