/**
 * The pipeline beside somebody who changes the store while it runs: what `faults_test.ts` starts for that.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { main } from "../../lib/command/main.ts";
import { ConfigError } from "../../lib/errors.ts";
import { openFolderStore } from "../../lib/store/folder/store.ts";
import type { ObjectStore } from "../../lib/store/store.ts";
import { pipeline } from "../../tasks/pipeline.ts";

/** What somebody else does to an object, once. */
export interface Incident {
  readonly key: string;
  /** Before its download, after the first bytes of it, when all are downloaded, before its copy or before its deletion. */
  readonly when: "get" | "read" | "downloaded" | "copy" | "delete";
  /** `touch` writes the same bytes anew; `lose` deletes the local copy too. */
  readonly what: "delete" | "replace" | "append" | "touch" | "lose";
}

/** The bytes of an object that was replaced. */
export const REPLACEMENT =
  "customer_id,store_id,product_name,sales_date,sales_person_id,price,quantity,total_cost\n" +
  "2,122,sugar,2023-03-02,2,7.00,1,7.00\n";

/** The store with its incidents, which are taken from the list as they happen. */
function disturb(store: ObjectStore, root: string, workDir: string, incidents: Incident[]): ObjectStore {
  const strike = async (when: Incident["when"], key?: string) => {
    for (const incident of incidents.filter((one) => one.when === when && one.key === (key ?? one.key))) {
      incidents.splice(incidents.indexOf(incident), 1);
      await carryOut(incident, root, workDir);
    }
  };
  let listings = 0;
  return {
    name: store.name,
    async *list(prefix) {
      // The second listing of the landing prefix is the one that follows the downloads.
      if (prefix === LANDING && ++listings === 2) await strike("downloaded");
      yield* store.list(prefix);
    },
    head: (key) => store.head(key),
    async get(key, options) {
      await strike("get", key);
      const stream = await store.get(key, options);
      const changing = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
        async transform(chunk, controller) {
          controller.enqueue(chunk);
          await strike("read", key);
        },
      });
      return stream.pipeThrough(changing);
    },
    put: (key, source, options) => store.put(key, source, options),
    async copy(from, to, options) {
      await strike("copy", from);
      return await store.copy(from, to, options);
    },
    async delete(key, options) {
      await strike("delete", key);
      await store.delete(key, options);
    },
    sweep: (prefix) => store.sweep(prefix),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

const LANDING = "sales_data/";

async function carryOut({ key, what }: Incident, root: string, workDir: string): Promise<void> {
  const path = join(root, key);
  const bytes = await Deno.readFile(path);
  switch (what) {
    case "append":
      return await Deno.writeTextFile(path, "1,121,sugar,2023-03-01,1,1.00,1,1.00\n", { append: true });
    case "touch":
      return await Deno.writeFile(path, bytes);
    case "replace":
      return await Deno.writeTextFile(path, REPLACEMENT);
    case "lose":
      await removeCopies(join(workDir, "runs"), bytes);
  }
  await Deno.remove(path);
}

/** Deletes every file with these bytes. */
async function removeCopies(folder: string, bytes: Uint8Array): Promise<void> {
  const text = new TextDecoder().decode(bytes);
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isDirectory) await removeCopies(path, bytes);
    else if (await Deno.readTextFile(path) === text) await Deno.remove(path);
  }
}

if (import.meta.main) {
  const incidents: Incident[] = JSON.parse(Deno.env.get("INCIDENTS") ?? "[]");
  await main({
    name: "pipeline",
    description: "A pipeline with incidents.",
    options: ["dry-run"],
    releaseLease: true,
    run: pipeline,
  }, {
    async openStore(config) {
      if (config.kind !== "folder") throw new ConfigError("unsupported_kind", "the incidents need a folder");
      return disturb(
        await openFolderStore(config.path, Date.now),
        config.path,
        join(dirname(config.path), "work"),
        incidents,
      );
    },
  });
}
