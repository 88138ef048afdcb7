/**
 * `deno task test:mutations`: deliberate faults of the validation, one after the other in a copy of the repository, each
 * of which the hostile suite must catch.
 *
 * Exits with 1 where one is not caught, where the text that it replaces does not stand in its file exactly once, or
 * where the suite fails without any fault.
 *
 * @module
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { print, say } from "../support/output.ts";
import { REPOSITORY } from "../support/task.ts";

/** A deliberate fault: a text of a file and what takes its place. */
interface Mutation {
  /** What the product does with it. */
  readonly what: string;
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly search: string;
  readonly replacement: string;
}

const MUTATIONS: readonly Mutation[] = [
  // Values.
  {
    what: "blanks are a value",
    file: "lib/contract/judge_sql.ts",
    search: "? `trim(${text}, ${BLANKS}) = ''`",
    replacement: "? `${text} = ''`",
  },
  {
    what: "blanks are a number that is invalid",
    file: "lib/contract/judge_sql.ts",
    search: "IS NULL AND trim(${text}, ${BLANKS}) = ''`",
    replacement: "IS NULL AND ${text} = ''`",
  },
  {
    what: "text of blanks is accepted",
    file: "lib/csv/spelling.ts",
    search: "for (const state of [begin, blanks]) this.#on(state, BLANKS, blanks);",
    replacement: "",
  },
  {
    what: "the year 10000 is a date",
    file: "lib/contract/judge_sql.ts",
    search: " AND length(${text}) = 10 THEN",
    replacement: " THEN",
  },
  {
    what: "the year 0 exists",
    file: "lib/contract/judge_sql.ts",
    search: " AND ${trimmed} >= DATE '0001-01-01' THEN",
    replacement: " THEN",
  },
  {
    what: "whole numbers may have a fraction of zeros",
    file: "lib/contract/judge_sql.ts",
    search: '"[ \\\\t]*[+-]?[0-9]+[ \\\\t]*"',
    replacement: '"[ \\\\t]*[+-]?[0-9]+([.]0*)?[ \\\\t]*"',
  },
  {
    what: "decimals are rounded",
    file: "lib/contract/judge_sql.ts",
    search: "`([0-9]{1,${scale}}0*)`",
    replacement: '"([0-9]+)"',
  },
  {
    what: "values are cast as they come",
    file: "lib/contract/judge_sql.ts",
    search: "CASE WHEN CAST(${cast} AS VARCHAR) = ${text} THEN ${cast}\n",
    replacement: "CASE WHEN ${cast} IS NOT NULL THEN ${cast}\n",
  },
  // Rules, keys, warnings and extra columns.
  {
    what: "a rule that gives NULL is kept",
    file: "lib/contract/rules.ts",
    search: "coalesce(TRY((${check})), FALSE)",
    replacement: "coalesce(TRY((${check})), TRUE)",
  },
  {
    what: "unknown keys are looked for from the last to the first",
    file: "lib/contract/judge_sql.ts",
    search: "contract.keys.entries()) {",
    replacement: "[...contract.keys.entries()].toReversed()) {",
  },
  {
    what: "products are compared without case",
    file: "lib/contract/accepted_sql.ts",
    search: 'ON ${ACCEPTED}.${identifier(column)} = "@lookup${i}"."@known"',
    replacement: 'ON lower(${ACCEPTED}.${identifier(column)}) = lower("@lookup${i}"."@known")',
  },
  {
    what: "empty values of extra columns are joined too",
    file: "lib/contract/row_sql.ts",
    search: "extra.map((index) => `nullif(${field(index)}, '')`)",
    replacement: "extra.map((index) => `coalesce(${field(index)}, '')`)",
  },
  // Headers.
  {
    what: "blanks around names count",
    file: "lib/csv/header.ts",
    search: 'name.replace(/^[ \\t]+|[ \\t]+$/g, "").toLowerCase()',
    replacement: "name.toLowerCase()",
  },
  {
    what: "every kind of blank around names is cut off",
    file: "lib/csv/header.ts",
    search: 'name.replace(/^[ \\t]+|[ \\t]+$/g, "").toLowerCase()',
    replacement: "name.trim().toLowerCase()",
  },
  {
    what: "empty names are duplicates",
    file: "lib/contract/header.ts",
    search: 'name !== "" && names.indexOf(name) !== i',
    replacement: "names.indexOf(name) !== i",
  },
  {
    what: "as many columns as allowed are too many",
    file: "lib/contract/header.ts",
    search: "if (header.length > maxColumns) {",
    replacement: "if (header.length >= maxColumns) {",
  },
  {
    what: "an unreadable row comes before the header's faults",
    file: "lib/csv/split.ts",
    search: 'if ("fault" in begun) this.#fault = begun.fault;\n    else ',
    replacement: 'if (!("fault" in begun)) ',
  },
  {
    what: "a header that comes again is a row",
    file: "lib/csv/second_header.ts",
    search: 'return "header";',
    replacement: 'return "row";',
  },
  {
    what: "a header that comes again in another order is a row",
    file: "lib/csv/second_header.ts",
    search: '? "other order" : "row"',
    replacement: '? "row" : "row"',
  },
  // Lines.
  {
    what: "rows of nothing but delimiters are rows",
    file: "lib/csv/row.ts",
    search: "return line.length === 0 || fieldCount > 1;",
    replacement: "return line.length === 0;",
  },
  {
    what: "blank lines do not count as lines",
    file: "lib/csv/split.ts",
    search: "if (isBlankLine(content, this.#delimiter)) return this.#skipTo(next, line + 1);",
    replacement: "if (isBlankLine(content, this.#delimiter)) return this.#skipTo(next, line);",
  },
  {
    what: "a row has its last line",
    file: "lib/csv/split.ts",
    search: "this.#target.doubtful.add(this.#line, row);",
    replacement: "this.#target.doubtful.add(line, row);",
  },
  {
    what: "line ends in quotes are all LF",
    file: "lib/csv/row.ts",
    search: "this.#quoted += content.slice(at) + end;",
    replacement: 'this.#quoted += content.slice(at) + "\\n";',
  },
  {
    what: "raw text has no line ends",
    file: "lib/csv/row.ts",
    search: "        this.#raw += end;\n",
    replacement: "",
  },
  {
    what: "blank lines are rows",
    file: "lib/csv/split.ts",
    search: "if (isBlankLine(content, this.#delimiter)) return",
    replacement: "if (content.length < 0) return",
  },
  {
    what: "a row with a lone CR is exact",
    file: "lib/csv/marks.ts",
    search: 'readonly string[] = ["\\r", ',
    replacement: "readonly string[] = [",
  },
  // What a scan proves.
  {
    what: "decimals with one digit too many are exact",
    file: "lib/csv/spelling.ts",
    search: "this.#digits([point], scale)",
    replacement: "this.#digits([point], scale + 1)",
  },
  {
    what: "a date of the year 0 is exact",
    file: "lib/csv/spelling.ts",
    search: "year === 0 ? DOUBTFUL : isLeapYear(year)",
    replacement: "isLeapYear(year)",
  },
  {
    what: "a row with a field too many is exact",
    file: "lib/csv/spelling.ts",
    search: "for (const state of [begin, seen]) this.#on(state, end, next);",
    replacement: "for (const state of [begin, seen]) this.#on(state, end, next), this.#on(state, ',', seen);",
  },
  {
    what: "a last line without its end is not counted in candidates",
    file: "lib/csv/proof.ts",
    search: "rowCount + (rowStart < position ? 1 : 0)",
    replacement: "rowCount",
  },
  {
    what: "keys of candidates are not looked up",
    file: "lib/contract/accepted.ts",
    search: "if (Number(found?.unknown_count) === 0)",
    replacement: "if (found)",
  },
  {
    what: "rows of withdrawn candidates stay",
    file: "lib/contract/check.ts",
    search: 'await dropFiles(withdrawn, typed, context.results("typed-exact"), context)',
    replacement: "typed",
  },
  // Encodings.
  {
    what: "a BOM is part of the header",
    file: "lib/csv/split.ts",
    search: "isEmpty && chunk.indexOf(BOM) === 0 ? chunk.subarray(BOM.length) : chunk",
    replacement: "chunk",
  },
  {
    what: "all bytes are UTF-8",
    file: "lib/csv/chunks.ts",
    search: "if (!isUtf8(chunk)) return",
    replacement: "if (chunk.length < 0) return",
  },
  {
    what: "a character across what is read at a time is cut",
    file: "lib/csv/chunks.ts",
    search: "return length > back ? filled - back : filled;",
    replacement: "return filled;",
  },
  // Quotes and fields.
  {
    what: "a doubled quote is none",
    file: "lib/csv/row.ts",
    search: "        this.#quoted += quote;\n",
    replacement: "",
  },
  {
    what: "separators in text are not escaped",
    file: "lib/csv/row_writer.ts",
    search: "ESCAPES[String.fromCharCode(byte)]?.charCodeAt(0) ?? 0,",
    replacement: "byte > 13 ? 0 : ESCAPES[String.fromCharCode(byte)]?.charCodeAt(0) ?? 0,",
  },
  {
    what: "a quote that stays open is closed by the end of the file",
    file: "lib/csv/split.ts",
    search:
      'if (isCut) return this.#giveUp("a quote that is opened here is not closed before the file ends");',
    replacement: "if (isCut) return this.#skipTo(next, line + 1);",
  },
  {
    what: "the 30th of February is exact",
    file: "lib/csv/spelling.ts",
    search: "month === 2 && isLeap ? 29 : DAY_COUNTS[month]",
    replacement: "month === 2 ? 30 : DAY_COUNTS[month]",
  },
  {
    what: "every line is exact",
    file: "lib/csv/spelling.ts",
    search: "if (moves.get(LF) !== ROW_START) moves.set(LF, afterDoubt);",
    replacement: "if (moves.get(LF) !== ROW_START) moves.set(LF, ROW_START);",
  },
  {
    what: "lines are not counted over exact rows",
    file: "lib/csv/split.ts",
    search: "    this.#line += exact.rowCount - before;\n",
    replacement: "",
  },
  {
    what: "a row that is exact in part is copied",
    file: "lib/csv/row_writer.ts",
    search: "      from = read;\n      this.#end(written);\n",
    replacement: "      from = read;\n      this.#end(written - 1);\n",
  },
  {
    what: "the CR of a line end stays",
    file: "lib/csv/row_writer.ts",
    search: "      if (bytes[written - 2] === CR) bytes[written-- - 2] = LF;\n",
    replacement: "",
  },
  {
    what: "rules are not asked of exact rows of split files",
    file: "lib/contract/typed_sql.ts",
    search: '["TRUE", ...passedRules(contract), ...keys]',
    replacement: '["TRUE", ...keys]',
  },
  {
    what: "every key is known to the scan",
    file: "lib/csv/key_bits.ts",
    search: "(bits[at >>> 3]! & (128 >>> (at & 7))) !== 0",
    replacement: "true",
  },
  {
    what: "the scan takes a key for its neighbour",
    file: "lib/csv/key_bits.ts",
    search: "const at = number - least;",
    replacement: "const at = number - least + 1;",
  },
  {
    what: "keys that the scan does not know are not looked up",
    file: "lib/contract/typed_sql.ts",
    search: "contract.keys.filter(({ column }) => !known.has(column)).map(",
    replacement: "contract.keys.filter(() => false).map(",
  },
  {
    what: "exact rows that are not accepted are lost",
    file: "lib/contract/batch.ts",
    search: 'lines.push(copiedLinesSql("@exact_lines", "@left_rows", csv.delimiter));',
    replacement: "",
  },
  {
    what: "raw text is put together by commas",
    file: "lib/contract/judge_sql.ts",
    search: "${literal(delimiter)})`",
    replacement: "',')`",
  },
  // Limits.
  {
    what: "a row as long as allowed is too long",
    file: "lib/csv/split.ts",
    search: "if (sizeBytes > maxRowBytes) return",
    replacement: "if (sizeBytes >= maxRowBytes) return",
  },
  {
    what: "an exact row may be too long",
    file: "lib/csv/row_writer.ts",
    search: "marks[read - 1] !== EXACT || read - 1 - from > this.#maxRowBytes",
    replacement: "marks[read - 1] !== EXACT",
  },
  {
    what: "a share just reached is too much",
    file: "lib/contract/tally.ts",
    search: "rowsRejected / rowsRead <= maxRejectedShare",
    replacement: "rowsRejected / rowsRead < maxRejectedShare",
  },
  {
    what: "the share is taken as a product",
    file: "lib/contract/tally.ts",
    search: "rowsRejected / rowsRead <= maxRejectedShare",
    replacement: "rowsRejected <= maxRejectedShare * rowsRead",
  },
  {
    what: "the least number of rejects is not enough",
    file: "lib/contract/tally.ts",
    search: "rowsRejected < minRejectsForShare",
    replacement: "rowsRejected <= minRejectsForShare",
  },
  {
    what: "an archive as large as allowed is too large",
    file: "lib/run/download_file.ts",
    search: "if (sizeBytes > order.maxFileBytes)",
    replacement: "if (sizeBytes >= order.maxFileBytes)",
  },
  // Deliveries.
  {
    what: "bytes after an archive are not looked at",
    file: "lib/gzip.ts",
    search: "if (unpacking.bytesWritten < sizeBytes)",
    replacement: "if (sizeBytes < 0)",
  },
  {
    what: "content that was rejected is not judged again",
    file: "tasks/validate.ts",
    search: 'if (original?.status !== "accepted" || original.rowsRead === 0) continue;',
    replacement: "if (!original || original.rowsRead === 0) continue;",
  },
  {
    what: "files without rows are duplicates",
    file: "tasks/validate.ts",
    search: " || original.rowsRead === 0) continue;",
    replacement: ") continue;",
  },
  {
    what: "accepted rows of a file with too many rejects stay",
    file: "lib/contract/check.ts",
    search: "tally.hasAccepted(file) && decided",
    replacement: "!tally.hasAccepted(file) && decided",
  },
  {
    what: "an apostrophe in front of raw text is taken for the one that guards it",
    file: "tasks/sql/rejects.sql",
    search: "chr(13), '''')",
    replacement: "chr(13))",
  },
  {
    what: "endings that are left alone are compared with case",
    file: "lib/run/landing.ts",
    search: "test(lower)) return",
    replacement: "test(name)) return",
  },
  // Forms of senders.
  {
    what: "a sender's dates may be of the default form too",
    file: "lib/contract/spelled.ts",
    search: "THEN ${isDate ? dateSql(trimmed, form) : numberSql(trimmed, type, form)} END`",
    replacement:
      "THEN ${isDate ? dateSql(trimmed, form) : numberSql(trimmed, type, form)} ELSE ${trimmed} END`",
  },
  {
    what: "a sender's month is the day",
    file: "lib/contract/spelled.ts",
    search: "${1 + parts.indexOf(name)})`",
    replacement: "${1 + parts.indexOf(name === 'Y' ? name : name === 'm' ? 'd' : 'm')})`",
  },
  {
    what: "a sender's thousands are in groups of any size",
    file: "lib/contract/spelled.ts",
    search: "(${between}[0-9]{3})+)`",
    replacement: "(${between}[0-9]+)+)`",
  },
  {
    what: "a sender's first group may begin with 0",
    file: "lib/contract/spelled.ts",
    search: "|[1-9][0-9]{0,2}(",
    replacement: "|[0-9]{1,3}(",
  },
  {
    what: "a sender's decimal point is one beside the comma",
    file: "lib/contract/spelled.ts",
    search: 'const mark = decimalComma ? "," : "[.]";',
    replacement: 'const mark = decimalComma ? "[,.]" : "[.]";',
  },
  {
    what: "a sender's skipped lines do not count",
    file: "lib/csv/split.ts",
    search: "this.#skipLines--, this.#line++)",
    replacement: "this.#skipLines--)",
  },
  {
    what: "a sender's first row is the header although one is declared",
    file: "lib/csv/split.ts",
    search: "return this.#beginDeclared() || this.#takeHeader(",
    replacement: "return this.#takeHeader(",
  },
  {
    what: "a sender's undefined bytes are control characters",
    file: "lib/csv/encoding.ts",
    search: 'if (encoding !== "windows-1252") return byte >= 0x80',
    replacement: 'if (encoding !== "windows-1252") return byte >= 0xff',
  },
  {
    what: "a sender's last pattern counts",
    file: "lib/run/forms.ts",
    search: "return all.find(",
    replacement: "return all.findLast(",
  },
  {
    what: "a sender's names are compared with case",
    file: "lib/contract/form.ts",
    search: "names.get(headerName(name)) ??",
    replacement: "names.get(name) ??",
  },
];

/** Random files after the corpus: a delivery with each of the settings. */
const RANDOM_FILES = 2000;
/** Characters of a difference that are printed. */
const SHOWN = 160;
/** What the copy consists of; the packages are shared. */
const COPIED = ["deno.json", "deno.lock", "config", "lib", "tasks", "tests"];

/** A copy of the repository whose files can be changed. */
class Copy implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async create(): Promise<Copy> {
    const folder = await Deno.makeTempDir({ prefix: "mutations-" });
    const args = ["-R", ...COPIED.map((name) => join(REPOSITORY, name)), folder];
    const { success } = await new Deno.Command("cp", { args }).output();
    if (!success) throw new Error(`Cannot copy ${REPOSITORY} to ${folder}`);
    await Deno.symlink(join(REPOSITORY, "node_modules"), join(folder, "node_modules"));
    const copy = new Copy(folder);
    // The packages lie outside of the copy.
    for (const file of ["deno.json", "tasks/deno_flags.txt"]) {
      await copy.change(file, (text) => text.replaceAll("--allow-ffi=./node_modules", "--allow-ffi"));
    }
    return copy;
  }

  /** Changes a file; gives what takes the change back. */
  async change(file: string, change: (text: string) => string): Promise<() => Promise<void>> {
    const path = join(this.#folder, file), before = await Deno.readTextFile(path);
    await Deno.writeTextFile(path, change(before));
    return () => Deno.writeTextFile(path, before);
  }

  /** Runs the hostile suite up to the first delivery with differences. */
  async test(): Promise<{ readonly differenceCount: number; readonly first: string }> {
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["task", "test:hostile", "--brief", "--files", String(RANDOM_FILES)],
      cwd: this.#folder,
    }).output();
    const lines = new TextDecoder().decode(stdout).trimEnd().split("\n");
    const count = /^(\d+) differences$/.exec(lines.at(-1) ?? "")?.[1];
    if (count === undefined) {
      throw new Error(`The hostile suite did not come to its end: ${new TextDecoder().decode(stderr)}`);
    }
    return { differenceCount: Number(count), first: lines[0] ?? "" };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** Applies a mutation, whose text must be there exactly once, and says whether it is caught. */
async function isCaught(copy: Copy, { what, file, search, replacement }: Mutation): Promise<boolean> {
  const undo = await copy.change(file, (text) => {
    const [before, after, ...more] = text.split(search);
    if (before === undefined || after === undefined || more.length > 0) {
      throw new RangeError(`Cannot mutate ${file} so that ${what}: ${search} is not in it exactly once`);
    }
    return before + replacement + after;
  });
  const { differenceCount, first } = await copy.test();
  print(differenceCount > 0 ? `caught: ${what}: ${first.slice(0, SHOWN)}` : `NOT CAUGHT: ${what}`);
  await undo();
  return differenceCount > 0;
}

/** Applies the mutations that have the text in their description; whether all are caught. */
async function run(only: string): Promise<boolean> {
  await using copy = await Copy.create();
  const { differenceCount, first } = await copy.test();
  if (differenceCount > 0) {
    print(`The hostile suite fails without a fault: ${first}`);
    return false;
  }
  say("the hostile suite passes without a fault");
  const chosen = MUTATIONS.filter(({ what }) => what.includes(only));
  let caughtCount = 0;
  for (const mutation of chosen) if (await isCaught(copy, mutation)) caughtCount++;
  print(`${caughtCount} of ${chosen.length} faults caught`);
  return caughtCount === chosen.length;
}

const { values: given } = parseArgs({ options: { only: { type: "string", default: "" } } });
if (!await run(given.only)) Deno.exit(1);
