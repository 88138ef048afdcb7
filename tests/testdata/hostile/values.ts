/**
 * Values in every spelling. Each is delivered alone in a file that is read at once, typed where the value may be proven,
 * and in one that is read row by row.
 *
 * @module
 */
import { COLUMNS, fault, GOOD, type HostileCase, plain, read, type Texts } from "./spelling.ts";

/** Columns besides the usual ones, with a value that is good and can be proven. */
const PROBES = { whole: "1", amount: "1.00", units: "1", wide: "1", day: "2023-03-01" };
/** Besides them, by itself: no value of its type can be proven. */
const SHARE = { share: ".5" };
type Probe = keyof typeof PROBES | keyof typeof SHARE;

/** The columns of the contract that these cases need, after the usual ones. */
export const PROBE_COLUMNS = {
  whole: "integer",
  amount: "decimal(10,2)",
  units: "decimal(5,0)",
  wide: "decimal(38,0)",
  day: "date",
} as const;
/** The same for {@linkcode SHARE_VALUES}. */
export const SHARE_COLUMNS = { share: "decimal(38,38)" } as const;

const ZEROS = "0".repeat(60), NINES = "9".repeat(38);

/** What each column makes of which text: the value, or `null` where it is invalid. */
const VALUES: Readonly<Record<Probe, readonly (readonly [string, string | null])[]>> = {
  whole: [
    ["0", "0"],
    ["007", "7"],
    ["+5", "5"],
    ["-5", "-5"],
    ["-0", "0"],
    ["+00", "0"],
    ["-007", "-7"],
    [" 5", "5"],
    ["5\t", "5"],
    [" \t-5 \t", "-5"],
    ["9223372036854775807", "9223372036854775807"],
    ["-9223372036854775808", "-9223372036854775808"],
    [`${ZEROS}9223372036854775807`, "9223372036854775807"],
    ["9223372036854775808", null],
    ["-9223372036854775809", null],
    ["18446744073709551615", null],
    ["9".repeat(5000), null],
    ["1.0", null],
    ["1.", null],
    [".0", null],
    ["1e3", null],
    ["1E0", null],
    ["0x10", null],
    ["0b1", null],
    ["1,000", null],
    ["1_000", null],
    ["1 000", null],
    ["1'000", null],
    ["- 5", null],
    ["+ 5", null],
    ["--5", null],
    ["+-5", null],
    ["5-", null],
    ["-", null],
    ["+", null],
    ["(5)", null],
    ["5%", null],
    ["$5", null],
    ["٥", null],
    ["５", null],
    ["५", null],
    ["²", null],
    ["Ⅴ", null],
    ["−5", null],
    ["\u00a05", null],
    ["5\u2003", null],
    ["5\x0b", null],
    ["5\n", null],
    ["\r5", null],
    ["true", null],
    ["NaN", null],
    ["inf", null],
    ["NULL", null],
    ["'5'", null],
    ["\ufeff5", null],
    ["5\u200b", null],
  ],
  amount: [
    ["0", "0.00"],
    ["2.99", "2.99"],
    ["2.9", "2.90"],
    ["2.990", "2.99"],
    [`2.99${ZEROS}`, "2.99"],
    [".5", "0.50"],
    ["5.", "5.00"],
    ["-.5", "-0.50"],
    ["+.05", "0.05"],
    ["-0.00", "0.00"],
    ["007.10", "7.10"],
    ["-0", "0.00"],
    ["  2.5\t", "2.50"],
    ["99999999.99", "99999999.99"],
    ["-99999999.99", "-99999999.99"],
    [`${ZEROS}99999999.990`, "99999999.99"],
    ["2.999", null],
    ["0.001", null],
    [`0.00${ZEROS}1`, null],
    ["99999999.991", null],
    ["99999999.995", null],
    ["100000000", null],
    ["100000000.00", null],
    ["-100000000", null],
    [NINES + NINES, null],
    ["1e3", null],
    ["1E-2", null],
    ["1.5e0", null],
    ["1,000.00", null],
    ["1,5", null],
    ["1.000,00", null],
    ["1 000.00", null],
    ["1.2.3", null],
    ["1..2", null],
    [".", null],
    ["-.", null],
    ["+", null],
    ["NaN", null],
    ["nan", null],
    ["Infinity", null],
    ["-inf", null],
    ["1.5f", null],
    ["1.5-", null],
    ["€1", null],
    ["1.50 EUR", null],
    ["１.５", null],
    ["1٫5", null],
    ["1. 5", null],
    ["0x1.8", null],
    ["1/2", null],
    ["½", null],
    ["true", null],
  ],
  units: [
    ["99999", "99999"],
    ["-99999", "-99999"],
    ["5.0", "5"],
    ["5.", "5"],
    [".0", "0"],
    ["5.000", "5"],
    ["0099999.0", "99999"],
    ["100000", null],
    ["4.9", null],
    ["4.5", null],
    ["0.5", null],
    [`4.${"9".repeat(40)}`, null],
    ["99999.5", null],
  ],
  share: [
    ["0", `.${"0".repeat(38)}`],
    [".25", `.25${"0".repeat(36)}`],
    [`0.${NINES}`, `.${NINES}`],
    [`-.${NINES}`, `-.${NINES}`],
    [`.${NINES}000`, `.${NINES}`],
    ["1", null],
    ["-1.0", null],
    [`.${NINES}9`, null],
    [`.${"0".repeat(38)}1`, null],
  ],
  wide: [
    [NINES, NINES],
    [`-${NINES}`, `-${NINES}`],
    [`00${NINES}.00`, NINES],
    [`1${"0".repeat(38)}`, null],
    [`${NINES}.5`, null],
    [`${NINES}9`, null],
  ],
  day: [
    ["2024-02-29", "2024-02-29"],
    ["2000-02-29", "2000-02-29"],
    ["0001-01-01", "0001-01-01"],
    ["9999-12-31", "9999-12-31"],
    ["1582-10-10", "1582-10-10"],
    ["2023-04-30", "2023-04-30"],
    [" 2023-12-31", "2023-12-31"],
    ["\t2023-12-31 ", "2023-12-31"],
    ["2023-02-29", null],
    ["1900-02-29", null],
    ["2100-02-29", null],
    ["2024-02-30", null],
    ["2023-04-31", null],
    ["2023-06-31", null],
    ["2023-01-32", null],
    ["2023-01-00", null],
    ["2023-00-01", null],
    ["2023-13-01", null],
    ["0000-01-01", null],
    ["0000-02-29", null],
    ["10000-01-01", null],
    ["-0001-01-01", null],
    ["-2023-03-01", null],
    ["+2023-03-01", null],
    ["02023-03-01", null],
    ["23-03-01", null],
    ["2023-3-1", null],
    ["2023-03-1", null],
    ["2023/03/01", null],
    ["2023.03.01", null],
    ["20230301", null],
    ["01-03-2023", null],
    ["03/01/2023", null],
    ["2023-03-01 00:00:00", null],
    ["2023-03-01T00:00:00Z", null],
    ["2023-03-01Z", null],
    ["2023-03-01 (BC)", null],
    ["2023-03", null],
    ["2023", null],
    ["2023-060", null],
    ["2023-W09-3", null],
    ["March 1, 2023", null],
    ["44986", null],
    ["epoch", null],
    ["today", null],
    ["infinity", null],
    ["-infinity", null],
    ["２０２３-03-01", null],
    ["2023‐03‐01", null],
    ["2023-03-01\n", null],
    ["2023-03-01\u00a0", null],
    ["2023- 3-01", null],
    ["2023-03- 1", null],
  ],
};

function print(text: string): string {
  const shown = text.length > 70 ? `${text.slice(0, 12)}… (${text.length} characters)` : text;
  return JSON.stringify(shown);
}

function spelled(probe: Probe, text: string, value: string | null): HostileCase[] {
  const written = /[,"\r\n]/.test(text) ? `"${text}"` : text;
  const probes: Texts = probe === "share" ? SHARE : PROBES;
  const columns = [...COLUMNS, ...Object.keys(probes)];
  const texts: Texts = { ...GOOD, ...probes, [probe]: written };
  const line = columns.map((column) => texts[column]).join(",");
  const values: Texts = { ...GOOD, ...probes, [probe]: value ?? "" };
  const becomes = value === null
    ? read(fault(2, "invalid_value", probe, line))
    : read({ values: [...columns.map((column) => values[column] ?? null), null], warnings: [] });
  const name = `${print(text)} as ${{ ...PROBE_COLUMNS, ...SHARE_COLUMNS }[probe]} is ${value === null ? "invalid" : print(value)}`;
  return [
    plain(name, `${columns}\n${line}\n`, becomes),
    plain(`${name}, row by row`, `${columns}\r\n${line}\r\n`, becomes),
  ];
}

/** To be delivered with {@linkcode PROBE_COLUMNS} in the contract. */
export const SPELLED_VALUES: readonly HostileCase[] = (Object.keys(PROBES) as Probe[]).flatMap(casesOf);
/** To be delivered with {@linkcode SHARE_COLUMNS} in the contract. */
export const SHARE_VALUES: readonly HostileCase[] = casesOf("share");

function casesOf(probe: Probe): HostileCase[] {
  return VALUES[probe].flatMap(([text, value]) => spelled(probe, text, value));
}
