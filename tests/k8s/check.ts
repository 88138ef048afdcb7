/**
 * Everything that can be wrong with a rendering and that its types do not show.
 *
 * @module
 */
import { join } from "node:path";
import { REPOSITORY } from "../support/task.ts";
import { checkAlerts } from "./check_alerts.ts";
import { checkExitCodes, checkSchedule, checkStages } from "./check_night.ts";
import { checkConfiguration, checkNetwork } from "./check_places.ts";
import {
  checkImages,
  checkNames,
  checkReferences,
  checkResources,
  checkSecrets,
  checkSecurity,
} from "./check_pods.ts";
import type { Document } from "./documents.ts";

/** What is wrong, in words. */
export async function checkAll(documents: readonly Document[]): Promise<string[]> {
  const checks = [
    checkSchedule,
    checkExitCodes,
    checkStages,
    checkSecurity,
    checkResources,
    checkImages,
    checkReferences,
    checkSecrets,
    checkNames,
    checkNetwork,
  ];
  return [
    ...checks.flatMap((check) => check(documents)),
    ...await checkConfiguration(documents),
    ...checkAlerts(documents, await Deno.readTextFile(join(REPOSITORY, "docs", "runbook.md"))),
  ];
}
