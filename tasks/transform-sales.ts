/**
 * Transform-sales: builds the sales mart, flat and partitioned, and the sales persons' month totals.
 *
 * Touches the run's folder only.
 *
 * @module
 */
import { buildMart, buildTotals, nameInputs } from "../lib/run/build.ts";
import { main } from "../lib/command/main.ts";
import type { ComputeContext } from "../lib/run/context.ts";
import martAudit from "./sql/audits/mart_equals_accepted.sql" with { type: "text" };
import totalsAudit from "./sql/audits/totals_equal_accepted.sql" with { type: "text" };
import salesDataMart from "./sql/sales_data_mart.sql" with { type: "text" };
import salesPartitionedDataMart from "./sql/sales_partitioned_data_mart.sql" with { type: "text" };
import salesTeamDataMart from "./sql/sales_team_data_mart.sql" with { type: "text" };

/** Fills in `marts.sales`, `marts.salesPartitioned` and `totals.sales`; nothing if no row was accepted. */
export async function transformSales(context: ComputeContext): Promise<void> {
  if (!await nameInputs(context)) return;
  const { marts, totals, runId } = context.manifest;
  marts.sales = await buildMart(
    { name: "sales_data_mart", sql: salesDataMart, folder: "sales_data_mart" },
    martAudit,
    context,
  );
  marts.salesPartitioned = await buildMart(
    {
      name: "sales_partitioned_data_mart",
      sql: salesPartitionedDataMart,
      folder: "sales_partitioned_data_mart",
      fileName: `${runId}-{i}`,
      partitionBy: ["sales_month", "store_id"],
    },
    martAudit,
    context,
  );
  totals.sales = await buildTotals(
    { name: "sales_team_data_mart", sql: salesTeamDataMart, folder: "sales_team_data_mart" },
    totalsAudit,
    context,
  );
}

if (import.meta.main) {
  await main({
    name: "transform-sales",
    description: "Build the sales mart, flat and partitioned, and the sales persons' month totals.",
    options: ["work-dir", "run"],
    run: (session) => session.compute("transform-sales", transformSales),
  });
}
