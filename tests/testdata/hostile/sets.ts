/**
 * All hostile cases, by the settings that they are delivered with.
 *
 * @module
 */
import { ARCHIVES } from "./archives.ts";
import { ENCODINGS } from "./encodings.ts";
import { HEADERS } from "./headers.ts";
import { ALL_SHARES, LONG_ROWS, NO_SHARES, ODD_SHARES, SHARES, SMALL, SMALL_LIMITS } from "./limits.ts";
import { LINES } from "./lines.ts";
import { NAMES } from "./names.ts";
import { QUOTING } from "./quoting.ts";
import { ROWS } from "./rows.ts";
import { OWN_NAME_CASES, OWN_NAMES, RULE_CASES, RULES, SEMICOLON, SEMICOLONS, SIGN, SIGNS, TAB, TABS } from "./settings.ts";
import { CORE_COLUMNS, type HostileSet } from "./spelling.ts";
import { PROBE_COLUMNS, SHARE_COLUMNS, SHARE_VALUES, SPELLED_VALUES } from "./values.ts";

/** Each set is one delivery. */
export const HOSTILE_SETS: readonly HostileSet[] = [
  {
    name: "with the default settings",
    settings: {},
    cases: [ENCODINGS, LINES, QUOTING, HEADERS, ROWS, LONG_ROWS, SHARES, ARCHIVES, NAMES].flat(),
  },
  {
    name: "with more columns",
    settings: { contract: { columns: { ...CORE_COLUMNS, ...PROBE_COLUMNS } } },
    cases: SPELLED_VALUES,
  },
  {
    name: "with a column of shares",
    settings: { contract: { columns: { ...CORE_COLUMNS, ...SHARE_COLUMNS } } },
    cases: SHARE_VALUES,
  },
  { name: "with small limits", settings: { csv: SMALL }, cases: SMALL_LIMITS },
  { name: "with semicolons", settings: { csv: SEMICOLON }, cases: SEMICOLONS },
  { name: "with tabs", settings: { csv: TAB }, cases: TABS },
  { name: "with other signs", settings: { csv: SIGN }, cases: SIGNS },
  { name: "with rules of its own", settings: { contract: { rules: RULES } }, cases: RULE_CASES },
  {
    name: "with a share of 0.29",
    settings: { contract: { maxRejectedShare: 0.29, minRejectsForShare: 1 } },
    cases: ODD_SHARES,
  },
  {
    name: "with a share of 0",
    settings: { contract: { maxRejectedShare: 0, minRejectsForShare: 0 } },
    cases: NO_SHARES,
  },
  { name: "with a share of 1", settings: { contract: { maxRejectedShare: 1 } }, cases: ALL_SHARES },
  {
    name: "with columns called as tables are",
    settings: {
      contract: {
        columns: { ...CORE_COLUMNS, ...Object.fromEntries(OWN_NAMES.map((name) => [name, "text"])) },
      },
    },
    cases: OWN_NAME_CASES,
  },
];
