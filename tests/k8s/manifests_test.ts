/**
 * Every overlay renders to documents that are what their kinds allow and that hold together, and each of many faults put
 * into them on purpose is found.
 *
 * @module
 */
import assert from "node:assert/strict";
import { checkAll } from "./check.ts";
import { all, cronJobOf, type Document } from "./documents.ts";
import { FAULTS } from "./faults.ts";
import { nameOf, render, RENDERINGS } from "./render.ts";
import { typeProblems } from "./type_check.ts";

Deno.test("every overlay has documents of the right types", async () => {
  const renderings = await Promise.all(RENDERINGS.map(render));
  const problems = await typeProblems(renderings.flat());
  assert.ok(renderings.every((documents) => documents.length > 0));
  assert.deepEqual(problems.flat(), []);
});

for (const rendering of RENDERINGS) {
  Deno.test(`${nameOf(rendering)} holds together`, async () => {
    assert.deepEqual(await checkAll(await render(rendering)), []);
  });
}

Deno.test("production pins the image by digest, and as it is can run nowhere", async () => {
  const documents = await render({ folder: "overlays/production", components: [] });
  const { image } = cronJobOf(documents).spec?.jobTemplate.spec?.template.spec?.containers[0] ?? {};
  assert.equal(image, `registry.example.com/nightly-marts@sha256:${"0".repeat(64)}`);
});

Deno.test("a role whose token service the stages may not connect to is found", async () => {
  const documents = await render({ folder: "overlays/production", components: [] });
  const hosts = all(documents, "ConfigMap").find(({ metadata }) => /hosts/.test(metadata?.name ?? ""));
  assert.ok(hosts?.data?.store);
  hosts.data.store = hosts.data.store.replace("sts.eu-central-1", "sts.us-east-1");
  assert.match((await checkAll(documents)).join(), /may not connect to sts.eu-central-1.amazonaws.com:443/);
});

Deno.test("each fault is found", async (test) => {
  const documents = await render({
    folder: "overlays/local",
    components: ["alerts", "telemetry", "restart-rules"],
  });
  const faulty = FAULTS.map(({ put }) => {
    const copy = structuredClone(documents) as Document[];
    put(copy);
    return copy;
  });
  const byType = await typeProblems(faulty.flat());
  for (const [index, { fault, says }] of FAULTS.entries()) {
    await test.step(fault, async () => {
      const start = faulty.slice(0, index).flat().length;
      const own = faulty[index] ?? [];
      assert.notDeepEqual(own, documents, "the fault was not put in");
      const types = byType.slice(start, start + own.length).flat();
      const found = types.length > 0 ? types : await checkAll(own);
      assert.ok(found.some((problem) => says.test(problem)), found.join("\n") || "nothing was found");
    });
  }
});
