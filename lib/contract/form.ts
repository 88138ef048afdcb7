/**
 * How a sender's files depart from the default form: the shape of an entry of a dataset's `sources`, and what it says.
 *
 * @module
 */
import { z } from "zod";
import { faultOfDateFormat } from "./date_format.ts";
import { ENCODINGS } from "../csv/encoding.ts";
import { headerName } from "../csv/header.ts";
import { faultOfGlob } from "../glob.ts";

/** Characters that may stand between thousands: the last two are blanks that do not break a line. */
export const THOUSANDS = [".", ",", " ", "'", "\u2019", "\u00a0", "\u202f"] as const;

/** Title lines that a file may have at most. */
const MOST_SKIPPED = 1000;

/**
 * What may be a delimiter or a quote.
 *
 * @internal
 */
export const oneByte = z.string().regex(/^[\t\x20-\x7e]$/, "must be one ASCII character");

const checked = (faultOf: (given: string) => string | null) =>
  z.string().superRefine((given, issues) => {
    const message = faultOf(given);
    if (message !== null) issues.addIssue({ code: "custom", message });
  });

/**
 * An entry of `sources`.
 *
 * @internal
 */
export const sourceSchema = z.strictObject({
  match: checked(faultOfGlob).describe(
    "Glob on the name below the landing prefix; the first that matches counts.",
  ),
  delimiter: oneByte.optional().describe("Left out: that of the configuration's csv."),
  quote: oneByte.optional().describe("Left out: that of the configuration's csv."),
  encoding: z.enum(ENCODINGS).default("utf-8"),
  dateFormat: checked(faultOfDateFormat).optional().describe(
    "%d, %m and %Y with what stands between them; %-d and %-m have no leading zero. Left out: %Y-%m-%d.",
  ),
  decimalComma: z.boolean().default(false).describe("Decimals have a comma in place of the point."),
  thousands: z.enum(THOUSANDS).optional().describe("What may stand between groups of three digits."),
  skipLines: z.int().min(0).max(MOST_SKIPPED).default(0).describe("Lines above the header."),
  header: z.array(z.string()).min(1).optional().describe("The columns of files that have no header."),
  rename: z.record(z.string(), z.string()).default({}).describe(
    "Names of the header, and the columns they are.",
  ),
});

/** How the files of a source are written. */
export type Source = ReturnType<typeof sourceSchema.parse>;
/** The same, but for which files it is and what the dialect says. */
export type FileForm = Omit<Source, "match" | "delimiter" | "quote">;

/** The form of files that no source is for. */
export const DEFAULT_FORM: FileForm = { encoding: "utf-8", decimalComma: false, skipLines: 0, rename: {} };

/** Gives the contract's name of a column for the one that a header has. */
export function renaming({ rename }: FileForm): (name: string) => string {
  const names = new Map(Object.entries(rename).map(([from, to]) => [headerName(from), to]));
  return (name) => names.get(headerName(name)) ?? name;
}
