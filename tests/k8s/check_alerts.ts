/**
 * What the alerts tell whoever is called: something, and where the runbook says more.
 *
 * @module
 */
import { anchorOf, parsePage } from "../support/pages.ts";
import { all, type Document } from "./documents.ts";
import type { AlertRule } from "./prometheus_rule.ts";

/** The alerts of all rules. */
export function alertsOf(documents: readonly Document[]): AlertRule[] {
  const rules = all(documents, "PrometheusRule").flatMap(({ spec }) =>
    spec.groups.flatMap(({ rules }) => rules)
  );
  return rules.filter((rule) => "alert" in rule);
}

/** What is wrong with them, given the text of `docs/runbook.md`. */
export function checkAlerts(documents: readonly Document[], runbook: string): string[] {
  const { anchors } = parsePage("docs/runbook.md", runbook);
  return alertsOf(documents).flatMap(({ alert, labels = {}, annotations = {} }) => {
    const { summary, description, runbook_url = "" } = annotations;
    const problems: string[] = [];
    if (!summary || !description) problems.push("it does not say what it means");
    if (!["critical", "warning"].includes(labels.severity ?? "")) problems.push("it has no severity");
    const [, anchor = ""] = /^docs\/runbook\.md#(.+)$/.exec(runbook_url) ?? [];
    if (!anchors.has(anchor) || anchor !== anchorOf(alert)) {
      problems.push("docs/runbook.md has no section for it");
    }
    return problems.map((problem) => `${alert}: ${problem}`);
  });
}
