/**
 * Config: `schema` prints the JSON Schema of the configuration file; `config/schema.json` is that, for editors.
 *
 * @module
 */
import { main } from "../lib/command.ts";
import { configJsonSchema } from "../lib/config_schema.ts";

if (import.meta.main) {
  await main({
    name: "config",
    description: "schema: print the JSON Schema of the configuration file.",
    options: [],
    action: "schema",
    run: () => Promise.resolve(),
    report: () => Promise.resolve(configJsonSchema()),
  });
}
