/**
 * The documented rights are those that the shipped model needs. That each stage runs with exactly these, and with none of
 * them fewer, is for `tests/integration/grants_test.ts`.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { loadConfig } from "../../lib/config/load.ts";
import { loadModel } from "../../lib/model/load.ts";
import { bucketPolicyOf, grantsOf } from "../../lib/model/rights.ts";
import { Redactor } from "../../lib/secrets/redactor.ts";
import { REPOSITORY } from "../support/task.ts";

async function shipped() {
  const world = { env: () => "value", redactor: new Redactor() };
  const loaded = await loadConfig(join(REPOSITORY, "config", "production.example.jsonc"), world);
  return { ...await loadModel(loaded), config: loaded.config };
}

Deno.test("grantsOf() gives the grants of config/grants.example.sql, when the model is the shipped one", async () => {
  const { model } = await shipped();
  const text = await Deno.readTextFile(join(REPOSITORY, "config", "grants.example.sql"));
  const documented = text.split("\n").filter((line) => /^GRANT .*(?<!migration)'@'%';$/.test(line));
  assert.deepEqual(grantsOf(model, "retail").toSorted(), documented.toSorted());
});

Deno.test("bucketPolicyOf() gives config/bucket-policy.example.json, when the model is the shipped one", async () => {
  const { model, config } = await shipped();
  const role = (stage: string) => `arn:aws:iam::111122223333:role/nightly-marts-${stage}`;
  const text = await Deno.readTextFile(join(REPOSITORY, "config", "bucket-policy.example.json"));
  assert.deepEqual(
    bucketPolicyOf(model, config.prefixes, { bucket: "retail-sales", role }),
    JSON.parse(text),
  );
});
