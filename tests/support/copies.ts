/**
 * Workspaces that are copies of each other, so that every crash starts from the same night.
 *
 * @module
 */
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { removeAtEnd } from "./ending.ts";
import { goldenPath, type Workspace } from "./workspace.ts";

/**
 * Copies a workspace; nothing may run in it meanwhile.
 *
 * @param options Further keys of the configuration, or other values for them.
 */
export async function copyWorkspace(
  original: Workspace,
  options: Readonly<Record<string, unknown>> = {},
): Promise<Workspace> {
  const folder = await Deno.makeTempDir({ prefix: "nightly-marts-" });
  // cp, since only it keeps all digits of the times: they are part of what makes an object version.
  const { success } = await new Deno.Command("cp", { args: ["-a", `${original.folder}/.`, folder] }).output();
  assert.ok(success, `cp of ${original.folder}`);
  const within = (path: string) => join(folder, path.slice(original.folder.length));
  const copy: Workspace = {
    folder,
    store: within(original.store),
    database: within(original.database),
    workDir: within(original.workDir),
    config: within(original.config),
    [Symbol.asyncDispose]: () => removeAtEnd(folder),
  };
  if (Object.keys(options).length > 0) await writeConfig(copy.config, copy.config, options);
  return copy;
}

/** What a workspace was; deleted at its end. */
export interface SavedWorkspace extends AsyncDisposable {
  /** Makes the workspace what it was, in its old place: a run knows where its store is. */
  putBack(): Promise<void>;
}

/** Saves a workspace as it is; nothing may run in it meanwhile. */
export async function saveWorkspace(workspace: Workspace): Promise<SavedWorkspace> {
  const { folder: saved, [Symbol.asyncDispose]: dispose } = await copyWorkspace(workspace);
  return {
    async putBack() {
      await Deno.remove(workspace.folder, { recursive: true });
      const { success } = await new Deno.Command("cp", { args: ["-a", saved, workspace.folder] }).output();
      assert.ok(success, `cp of ${saved}`);
    },
    [Symbol.asyncDispose]: dispose,
  };
}

/** The same store and database with a work dir of its own, as another machine would have it. */
export async function joinWorkspace(workspace: Workspace): Promise<Workspace> {
  const config = join(workspace.folder, "other.jsonc"), workDir = join(workspace.folder, "other-work");
  await writeConfig(workspace.config, config, { workDir: "other-work" });
  return { ...workspace, config, workDir };
}

/** When every file was delivered: what two workspaces are compared by must not depend on it. */
const DELIVERED = new Date("2023-06-01T02:00:00Z");

/** Puts golden files into the landing prefix, by their paths in the golden data. */
export async function deliverFiles(workspace: Workspace, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const target = join(workspace.store, "sales_data", path.replace(/^.*?\/landing\//, ""));
    await Deno.mkdir(dirname(target), { recursive: true });
    await Deno.writeFile(target, await Deno.readFile(goldenPath(path)));
    await Deno.utime(target, DELIVERED, DELIVERED);
  }
}

async function writeConfig(
  from: string,
  to: string,
  options: Readonly<Record<string, unknown>>,
): Promise<void> {
  const config = { ...JSON.parse(await Deno.readTextFile(from)), ...options };
  await Deno.writeTextFile(to, JSON.stringify(config, null, 2));
}
