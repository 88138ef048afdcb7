/**
 * The alert rules, checked by Prometheus' own tool and tried on series of nights that went well and wrong.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { removeAtEnd } from "../support/ending.ts";
import { stringify } from "yaml";
import { REPOSITORY } from "../support/task.ts";
import { alertsOf } from "./check_alerts.ts";
import { all, type Document } from "./documents.ts";
import { promtool } from "./promtool.ts";
import { parseDocuments } from "./render.ts";

const SERIES = "alerts.test.yaml";

async function readRules(): Promise<Document[]> {
  return parseDocuments(
    await Deno.readTextFile(join(REPOSITORY, "k8s/components/alerts/prometheus-rule.yaml")),
  );
}

/** Runs the series against rules; gives what promtool says. */
async function tryRules(documents: readonly Document[], ...args: string[]) {
  const folder = await Deno.makeTempDir({ prefix: "nightly-marts-alerts-" });
  try {
    await Deno.writeTextFile(
      join(folder, "rules.yaml"),
      stringify(all(documents, "PrometheusRule")[0]?.spec),
    );
    await Deno.copyFile(join(REPOSITORY, "tests/k8s", SERIES), join(folder, SERIES));
    return await promtool(folder, args);
  } finally {
    await removeAtEnd(folder);
  }
}

Deno.test("promtool finds nothing wrong with the rules", async () => {
  const { success, text } = await tryRules(await readRules(), "check", "rules", "--lint-fatal", "rules.yaml");
  assert.ok(success, text);
});

Deno.test("alerts fire when they should, and at no other time", async () => {
  const { success, text } = await tryRules(await readRules(), "test", "rules", SERIES);
  assert.ok(success, text);
});

Deno.test("every alert is tried, and the series notice when its expression is gone", async (test) => {
  for (const { alert } of alertsOf(await readRules())) {
    await test.step(alert, async () => {
      const documents = await readRules();
      const rule = alertsOf(documents).find((other) => other.alert === alert);
      assert.ok(rule);
      Object.assign(rule, { expr: "vector(1) > 2" });
      const { success, text } = await tryRules(documents, "test", "rules", SERIES);
      assert.ok(!success && text.includes(alert), text);
    });
  }
});
