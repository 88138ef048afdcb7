/**
 * The pipeline with a store that lets nobody read an object, and says so with its own name.
 *
 * @module
 */
import { main } from "../../lib/command/main.ts";
import { openStore } from "../../lib/store/open.ts";
import { ObjectError } from "../../lib/store/store.ts";
import { pipeline } from "../../tasks/pipeline.ts";

await main(
  { name: "pipeline", description: "A pipeline whose store denies.", options: [], run: pipeline },
  {
    async openStore(config, options) {
      const store = await openStore(config, options);
      return Object.assign(store, {
        get(key: string) {
          throw new ObjectError("access_denied", key, `denied by ${store.name}`);
        },
      });
    },
  },
);
