/**
 * Transform-sales: builds the marts that the model has for this stage; in the shipped model the sales mart, flat and partitioned, and the sales persons' month totals.
 *
 * Touches the run's folder only.
 *
 * @module
 */
import { main } from "../lib/command/main.ts";
import { buildMarts } from "../lib/run/build.ts";
import type { ComputeContext } from "../lib/run/context.ts";
import keyAudit from "./sql/audits/one_row_per_key.sql" with { type: "text" };
import rowAudit from "./sql/audits/mart_equals_accepted.sql" with { type: "text" };
import totalsAudit from "./sql/audits/totals_equal_accepted.sql" with { type: "text" };

/** Fills in the stage's marts and totals; nothing if no row was accepted. */
export async function transformSales(context: ComputeContext): Promise<void> {
  await buildMarts("transform-sales", { row: rowAudit, totals: totalsAudit, key: keyAudit }, context);
}

if (import.meta.main) {
  await main({
    name: "transform-sales",
    description: "Build the sales mart, flat and partitioned, and the sales persons' month totals.",
    options: ["work-dir", "run"],
    run: (session) => session.compute("transform-sales", transformSales),
  });
}
