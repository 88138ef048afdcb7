/**
 * Transform-customer: builds the customer mart and the customers' month totals.
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
import customerDataMart from "./sql/customer_data_mart.sql" with { type: "text" };
import customersDataMart from "./sql/customers_data_mart.sql" with { type: "text" };

/** Fills in `marts.customer` and `totals.customer`; nothing if no row was accepted. */
export async function transformCustomer(context: ComputeContext): Promise<void> {
  if (!await nameInputs(context)) return;
  const { marts, totals } = context.manifest;
  marts.customer = await buildMart(
    { name: "customer_data_mart", sql: customerDataMart, folder: "customer_data_mart" },
    martAudit,
    context,
  );
  totals.customer = await buildTotals(
    { name: "customers_data_mart", sql: customersDataMart, folder: "customers_data_mart" },
    totalsAudit,
    context,
  );
}

if (import.meta.main) {
  await main({
    name: "transform-customer",
    description: "Build the customer mart and the customers' month totals.",
    options: ["work-dir", "run"],
    run: (session) => session.compute("transform-customer", transformCustomer),
  });
}
