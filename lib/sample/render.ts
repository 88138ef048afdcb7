/**
 * A sample's report for people.
 *
 * @module
 */
import type { Column } from "./head.ts";
import type { SampleReport, SampleResult } from "./sample.ts";
import { shown } from "../csv/words.ts";
import { rowsText, visible } from "../text.ts";

/** The report as several lines. */
export function renderSample(report: SampleReport): string {
  const { file, dataset, source, dialect, columns, result, suggestion, notes } = report;
  const { delimiter, quote, encoding } = dialect;
  const by = source === null ? "the default form" : `the source ${source}`;
  const lines = [
    `${visible(file)}, as ${dataset} in ${visible(by)}`,
    "",
    `Dialect   fields by ${markText(delimiter)}, quotes ${markText(quote)}, ${encoding}`,
    `Columns   ${columnsText(columns)}`,
    `Result    ${resultText(result)}`,
    ...rejectLines(result),
    ...notes.map((note) => `Note      ${visible(note)}`),
  ];
  if (suggestion) {
    lines.push(
      "",
      `This entry of "sources" in the model's dataset ${dataset} would take ${
        rowsText(suggestion.result.rowsGood)
      }:`,
      "",
      visibleJson(suggestion.source),
      "",
      `Columns   ${columnsText(suggestion.columns)}`,
      `Result    ${resultText(suggestion.result)}`,
      ...rejectLines(suggestion.result),
      ...suggestion.notes.map((note) => `Note      ${visible(note)}`),
      'See that "match" fits the sender\'s other files, and no others.',
    );
  }
  lines.push("", "Keys and lookups were not looked at: their dimensions are in the database.");
  return lines.join("\n") + "\n";
}

function markText(mark: string): string {
  return mark === "\t" ? "tabs" : `\`${mark}\``;
}

function columnsText(columns: readonly Column[]): string {
  const missing = columns.filter(({ index }) => index === null).map(({ column }) => column);
  const found = columns.filter(({ index }) => index !== null).map(({ column, name, index }) =>
    name === null
      ? `${column} (field ${(index ?? 0) + 1})`
      : name === column
      ? column
      : `${column} (${shown(name)})`
  );
  return [
    ...found.length > 0 ? [`found ${found.join(", ")}`] : [],
    ...missing.length > 0 ? [`lacking ${missing.join(", ")}`] : [],
  ].join("; ");
}

function resultText({ status, reason, detail, rowsRead, rowsGood }: SampleResult): string {
  const rows = `${rowsText(rowsGood)} of ${rowsText(rowsRead)} good`;
  if (status === "accepted") return `accepted, ${rows}`;
  return `rejected as ${reason}: ${visible(detail ?? "")}${rowsRead > 0 ? `; ${rows}` : ""}`;
}

function rejectLines({ first, rejects }: SampleResult): string[] {
  const counts = Object.entries(rejects).map(([reason, count]) => `${reason} ${count}`);
  if (counts.length === 0) return [];
  return [
    `Rejects   ${counts.join(", ")}; the first are`,
    ...first.flatMap(({ line, reason, detail, raw }) => [
      `  line ${line}  ${reason}: ${shown(detail, 200)}`,
      `    ${shown(raw)}`,
    ]),
  ];
}

/** JSON that may be pasted: what no eye sees is an escape in it. */
function visibleJson(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(
    /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
