/**
 * Rules are SQL from the configuration: nothing but an expression over the contract's columns may be in one.
 *
 * @module
 */
import { contractSqlTypes } from "./header.ts";
import type { Engine } from "../engine/engine.ts";
import type { Contract } from "./schema.ts";

/** The fault of the first rule that is no boolean expression over the columns; `null` if all are. */
export async function findRuleFault(
  contract: Contract,
  engine: Pick<Engine, "checkExpression">,
): Promise<{ path: string[]; what: string } | null> {
  const types = contractSqlTypes(contract);
  for (const [name, { check }] of Object.entries(contract.rules)) {
    const fault = await engine.checkExpression(check, types);
    if (fault !== null) return { path: ["rules", name, "check"], what: `"${check}": ${fault}` };
  }
  return null;
}

/** Names and checks of the rules of a severity, in the order in which they are configured. */
export function rulesOf(contract: Contract, severity: "reject" | "warn"): [string, string][] {
  return Object.entries(contract.rules)
    .filter(([, rule]) => rule.severity === severity)
    .map(([name, rule]) => [name, rule.check]);
}

/** The check of a rule as SQL that is never NULL: a check that gives NULL, or overflows, is not passed. */
export function passes(check: string): string {
  return `coalesce(TRY((${check})), FALSE)`;
}
