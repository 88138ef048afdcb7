import { parseArgs } from "node:util";
import { print, say } from "../support/output.ts";
import { compareRandomFiles } from "./differential.ts";
const { values: given } = parseArgs({
  options: { files: { type: "string", default: "2000" }, seed: { type: "string", default: "1" } },
});
const outcomes = await compareRandomFiles({
  fileCount: Number(given.files),
  seed: Number(given.seed),
  onProgress: (n) => say(`${n} files`),
});
print(JSON.stringify([...outcomes]));
