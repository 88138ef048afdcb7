/**
 * What a command says at its end, as JSON for programs and as text for people.
 *
 * @module
 */
import type { Config } from "../config/schema.ts";
import { ExitCode, exitCodeOf } from "../errors.ts";
import { type Compact, compactSummary } from "../report/compact.ts";
import { NO_RUN, type Places, renderSummary, summarise, summariseFailure } from "../report/summary.ts";
import type { Manifest } from "../run/manifest.ts";

/** What a command says at its end. */
export interface Ending {
  /** The summary that `--json` prints. */
  readonly summary: object;
  /** The summary for people; an empty one is not printed. */
  readonly text: string;
  /** The compact summary, for the last line of a log as JSON and for the termination log. */
  readonly compact: Compact;
}

/** The ending of a run, or of a part of one. */
export function endingOf(manifest: Manifest | null, config: Config | null): Ending {
  const summary = manifest ? summarise(manifest) : NO_RUN;
  const text = manifest ? renderSummary(summary, placesOf(manifest, config)) : "";
  return { summary, text, compact: compactSummary(summary) };
}

/** The ending of a run that an error has ended. */
export function failedEndingOf(manifest: Manifest | null, config: Config | null, error: unknown): Ending {
  // Wrong usage and configuration: no run was begun.
  const run = exitCodeOf(error) === ExitCode.config ? null : manifest;
  const summary = summariseFailure(run, error);
  return { summary, text: renderSummary(summary, placesOf(run, config)), compact: compactSummary(summary) };
}

function placesOf(manifest: Manifest | null, config: Config | null): Places | null {
  return manifest && config ? { config, model: manifest.model } : null;
}
