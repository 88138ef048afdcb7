/**
 * Pipeline: all stages of a night in one process.
 *
 * @module
 */
import { main } from "../lib/command/main.ts";
import type { Session } from "../lib/command/session.ts";
import { cleanup } from "./cleanup.ts";
import { download } from "./download.ts";
import { move } from "./move.ts";
import { transformCustomer } from "./transform-customer.ts";
import { transformSales } from "./transform-sales.ts";
import { upload } from "./upload.ts";
import { validate } from "./validate.ts";

/** Runs the night; a dry run ends after validate. */
export async function pipeline(session: Session): Promise<void> {
  await session.download(download);
  await session.compute("validate", validate);
  if (session.dryRun) return;
  await session.compute("transform-customer", transformCustomer);
  await session.compute("transform-sales", transformSales);
  await session.remote("upload", upload);
  await session.remote("move", move);
  await session.cleanup(cleanup);
}

if (import.meta.main) {
  await main({
    name: "pipeline",
    description: "Run all stages of a night: download, validate, transform, upload, move, cleanup.",
    options: ["dry-run"],
    releaseLease: true,
    run: pipeline,
  });
}
