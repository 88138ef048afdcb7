/**
 * The contract that a source file must hold: its columns with their types, and the reasons for which a row does not pass.
 *
 * @module
 */

/** Names that accepted rows have besides the contract's columns. */
export const ADDED_COLUMNS = ["additional_column", "source_key"] as const;

/** Why a row is rejected, in the order in which the reasons are looked for. */
export function rowReasons(keys: readonly { readonly reason: string }[]): string[] {
  return ["field_count", "missing_value", "invalid_value", "rule", ...keys.map(({ reason }) => reason)];
}

/** The warning that counts rows that are the header again, and are skipped. */
export const REPEATED_HEADER = "repeated_header";
