/**
 * Random deliveries: files of any layout and spelling, with faults of every kind, also several in one file.
 *
 * Everything follows from the seed. A file is made of pieces, so that a failing one can be made smaller.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { gzipSync } from "node:zlib";
import { CORE_COLUMNS } from "../testdata/hostile/spelling.ts";
import type { Settings } from "./delivery.ts";
import { Dice } from "./dice.ts";
import { randomValue } from "./random_values.ts";
import { fits } from "./reference_form.ts";
import { encodeFor, randomSources, type SourceEntry, spellFor, titleLines } from "./sender.ts";
import type { Delivered } from "./reference.ts";

/** How a file is delivered: as it is, compressed in one of the ways that are whole, or broken. */
export type Packaging = "plain" | "gzip" | "members" | "truncated" | "trailing";

/** A file before it is packed. */
export interface RandomFile {
  /** Its bytes in order: what stands before the header, the header, and each row with its line end. */
  readonly pieces: readonly Uint8Array[];
  readonly packaging: Packaging;
}

/** Files by name, for one run. */
export interface RandomDelivery {
  readonly settings: Settings;
  readonly files: ReadonlyMap<string, RandomFile>;
}

/** Column types by name. */
type Columns = Readonly<Record<string, string>>;

/** Delimiters, each with a quote; many of them mean something elsewhere. */
const DIALECTS = [...";' |^ :` \\\" ~' #\" %& \"' =$ '\" (* /? {} <> [] !@ ,\\".split(" "), "\t|", ",\t"];
/** Stands for one of them. */
const DIALECT: Settings["csv"] = {};

/** Runs take these settings in turn. */
const SETTINGS: readonly Settings[] = [
  {},
  { contract: { maxRejectedShare: 0.4, minRejectsForShare: 3 }, csv: { maxColumns: 13 } },
  // So small a row makes every file irregular.
  { contract: { maxRejectedShare: 1 }, csv: { maxRowBytes: 150, maxColumns: 12, maxFileBytes: 700 } },
  { contract: { maxRejectedShare: 0.5 }, csv: DIALECT },
  {
    contract: {
      columns: {
        discount: "decimal(38,38)",
        ...CORE_COLUMNS,
        units: "decimal(5,0)",
        due: "date",
        note: "text",
      },
      rules: {
        whole: { check: "quantity * quantity >= 0", severity: "reject" },
        not_three: { check: "CASE WHEN quantity = 3 THEN NULL ELSE quantity END > 0", severity: "reject" },
        few_pears: { check: "product_name NOT LIKE 'p%' OR quantity BETWEEN 1 AND 5", severity: "reject" },
        recent: { check: "sales_date >= DATE '2023-01-01'", severity: "warn" },
        store_id: { check: "store_id IN (121, 9)", severity: "warn" },
      },
      maxRejectedShare: 0.29,
      minRejectsForShare: 0,
    },
    csv: { delimiter: "\t" },
  },
];

/** Column orders that the files of one run share, so that many are read together. */
const LAYOUTS_PER_RUN = 3;
const MOST_ROWS = 14;
/** How many runs have sources. */
const SOURCES_SHARE = 0.8;
/** Folders of senders. */
const SENDERS = ["s0/", "s0/", "s1/", "s1/y/", "S2/", "s2/y/"];

/** The delivery of a run; `number` counts the runs of a seed from 0. */
export function randomDelivery(seed: number, number: number, fileCount: number): RandomDelivery {
  const dice = new Dice(seed * 1_000_003 + number);
  const plain = settingsOf(number, dice);
  const columns = (plain.contract?.columns ?? CORE_COLUMNS) as Columns;
  const settings: Settings = dice.chance(SOURCES_SHARE)
    ? { ...plain, sources: randomSources(dice, columns, DIALECTS) }
    : plain;
  const layouts = Array.from({ length: LAYOUTS_PER_RUN }, (_, i) => randomLayout(dice, columns, i));
  const files = new Map<string, RandomFile>();
  for (let i = 0; i < fileCount; i++) {
    const earlier = [...files.values()];
    const folder = dice.pick(["", "a/", "b c/", "ä/", ...settings.sources ? SENDERS : []]);
    const stem = `${folder}${settings.sources && dice.chance(0.1) ? "x" : ""}${i}`;
    const source = sourceFor(`${stem}.csv`, settings, dice);
    const pieces = earlier.length > 0 && dice.chance(0.02)
      ? dice.pick(earlier).pieces
      : new FileWriter(dice, settings, columns, source).write(dice.pick(layouts));
    const packaging = dice.chance(0.85) ? "plain" : dice.pick(packagings(pieces, settings));
    const ending = packaging === "plain" ? ".csv" : ".csv.gz";
    files.set(`${stem}${dice.chance(0.1) ? ending.toUpperCase() : ending}`, { pieces, packaging });
  }
  return { settings, files };
}

/** How a file is written: nearly always as the source says that it is of. */
function sourceFor(name: string, { sources = [] }: Settings, dice: Dice): Partial<SourceEntry> {
  if (dice.chance(0.04)) return dice.pick([{}, ...sources]);
  return sources.find(({ match }) => fits(name, match)) ?? {};
}

function settingsOf(number: number, dice: Dice): Settings {
  const settings = SETTINGS[number % SETTINGS.length] ?? {};
  const [delimiter, quote] = dice.pick(DIALECTS);
  return settings.csv === DIALECT ? { ...settings, csv: { delimiter, quote } } : settings;
}

/** A broken archive of too much content is one thing or the other, depending on where it breaks. */
function packagings(pieces: readonly Uint8Array[], { csv }: Settings): readonly Packaging[] {
  const whole = ["gzip", "members"] as const;
  return Buffer.concat(pieces).length > Number(csv?.maxFileBytes ?? Infinity)
    ? whole
    : [...whole, "truncated", "trailing"];
}

/** The file as it is delivered. */
export function pack({ pieces, packaging }: RandomFile): Delivered {
  const content = Buffer.concat(pieces);
  if (packaging === "plain") return { bytes: content, content };
  const whole = gzipSync(content), half = content.length >> 1;
  switch (packaging) {
    case "gzip":
      return { bytes: whole, content };
    case "members":
      return {
        bytes: Buffer.concat([gzipSync(content.subarray(0, half)), gzipSync(content.subarray(half))]),
        content,
      };
    case "truncated":
      return { bytes: whole.subarray(0, 1 + content.length % (whole.length - 1)), content: null };
    case "trailing":
      return { bytes: Buffer.concat([whole, Uint8Array.of(content.length % 3)]), content: null };
  }
}

function randomLayout(dice: Dice, columns: Columns, number: number): string[] {
  const names = Object.keys(columns);
  if (number === 0) return names;
  const extra = dice.shuffle(["", "", "note 2", "Colour", "ß", "x"]).slice(0, dice.between(0, 3));
  return number === 1 ? [...names, ...extra] : dice.shuffle([...names, ...extra]);
}

/** How the values of a file are written. */
interface Style {
  /** `regular`: nothing that would make the file irregular. */
  readonly quoting: "regular" | "needed" | "random" | "all";
  readonly lineEnds: readonly string[];
  /** How many of the rows have something wrong. */
  readonly faultShare: number;
}

/** Characters that make a file irregular. */
const SPECIAL = ["\r", "\n", "\0", "\x01", "\x10", "\x1f"];

/** Writes one file. */
class FileWriter {
  readonly #dice: Dice;
  readonly #columns: Columns;
  readonly #delimiter: string;
  readonly #quote: string;
  readonly #limits: { readonly maxRowBytes: number; readonly maxColumns: number };

  readonly #source: Partial<SourceEntry>;

  constructor(dice: Dice, { csv }: Settings, columns: Columns, source: Partial<SourceEntry>) {
    this.#dice = dice;
    this.#columns = columns;
    this.#source = source;
    this.#delimiter = String(source.delimiter ?? csv?.delimiter ?? ",");
    this.#quote = String(source.quote ?? csv?.quote ?? '"');
    this.#limits = { maxRowBytes: Number(csv?.maxRowBytes ?? 0), maxColumns: Number(csv?.maxColumns ?? 0) };
  }

  write(given: readonly string[]): Uint8Array[] {
    const dice = this.#dice;
    const layout = this.#source.header ?? given;
    const quoting = dice.pick(["regular", "regular", "regular", "needed", "random", "all"] as const);
    const style: Style = {
      quoting,
      lineEnds: quoting === "regular"
        ? ["\n"]
        : dice.pick([["\n"], ["\r\n"], ["\n", "\r\n"], ["\n", "\r\n", "\n\n", "\n\r\n"]]),
      faultShare: dice.pick([0, 0.05, 0.2, 0.7]),
    };
    const isBare = this.#source.header !== undefined;
    const header = isBare ? layout : this.#faultyHeader(layout);
    const pieces = [
      dice.chance(0.15) ? "\ufeff" : "",
      titleLines(dice, this.#source),
      quoting !== "regular" && dice.chance(0.1) ? dice.pick(["\n", "\r\n", "\n\n\r\n"]) : "",
      isBare && !dice.chance(0.05) ? "" : this.#printHeader(header, style) + dice.pick(style.lineEnds),
    ];
    const rowCount = dice.chance(0.05) ? 0 : dice.between(1, MOST_ROWS);
    for (let i = 0; i < rowCount; i++) {
      pieces.push(...this.#rows(header, style).map((row) => row + dice.pick(style.lineEnds)));
    }
    if (dice.chance(0.3)) pieces.push(String(pieces.pop()).replace(/(\r?\n)+$/, ""));
    if (dice.chance(0.02)) pieces.length = dice.between(0, 2);
    if (dice.chance(0.02)) pieces.push(`${this.#quote}${pieces.at(-1)}`.replace(/\r?\n$/, ""));
    return this.#damage(pieces.map((piece) => encodeFor(piece, this.#source)));
  }

  /** The layout, now and then with a fault of the whole header. */
  #faultyHeader(layout: readonly string[]): readonly string[] {
    const dice = this.#dice;
    if (!dice.chance(0.06)) return layout;
    const { maxColumns } = this.#limits;
    return dice.pick([
      [...layout, dice.pick(layout) || "x"],
      layout.toSpliced(dice.between(0, layout.length - 1), 1),
      layout.slice(0, dice.between(1, 3)),
      [...layout, "q", "Q"],
      [...layout, ...Array(Math.max(0, maxColumns - layout.length + dice.between(0, 1))).fill("")],
    ]);
  }

  #printHeader(header: readonly string[], { quoting }: Style): string {
    const dice = this.#dice;
    return header.map((column) => {
      const name = this.#nameOf(column);
      let text = dice.chance(0.15) ? name.toUpperCase() : name;
      if (dice.chance(0.1)) text = dice.pick([` ${text}`, `${text} `, ` ${text}  `]);
      const quoted = quoting === "all" || (quoting !== "regular" && dice.chance(0.1));
      return quoted ? this.#quoteField(text) : text;
    }).join(this.#delimiter);
  }

  /** What the sender calls a column, nearly always. */
  #nameOf(column: string): string {
    const names = Object.entries(this.#source.rename ?? {}).flatMap(([from, to]) =>
      to === column ? [from] : []
    );
    return names.length === 0 || this.#dice.chance(0.03) ? column : this.#dice.pick(names);
  }

  /** A row, or some that go together. */
  #rows(header: readonly string[], style: Style): string[] {
    const dice = this.#dice;
    const good = () => header.map((name) => this.#value(name, 1));
    const print = (fields: readonly string[]) => this.#printRow(fields, style);
    if (!dice.chance(style.faultShare)) return [print(good())];
    const fields = header.map((name) => this.#value(name, 0.9));
    const faults: (() => string[])[] = [
      () => [print(fields)],
      () => [print(fields)],
      () => [print(fields)],
      () => [print(fields.slice(1))],
      () => [print(good().slice(0, -1))],
      () => [print([...good(), dice.pick(["x", "", "1"])])],
      () => [print([...good(), ...Array(dice.between(1, 3)).fill("")])],
      // One too few and one too many: by the count of their delimiters such rows look right.
      () => dice.shuffle([print(good().slice(0, -1)), print([...good(), ""])]),
      () => [print(good().slice(0, -2)), print([...good(), ""]), print(good()), print([...good(), ""])],
      () => [
        dice.pick([" ", "\t", "x", "  \t ", this.#delimiter, this.#delimiter.repeat(header.length - 1)]),
      ],
      () => [this.#secondHeader(header, style)],
      () => [this.#longRow(good(), style)],
      () => style.quoting === "regular" ? [print(fields)] : [this.#openRow(print(good()))],
    ];
    return dice.pick(faults)();
  }

  /** The header once more, as files have it that were joined; now and then in another order. */
  #secondHeader(header: readonly string[], style: Style): string {
    const dice = this.#dice;
    const again = dice.chance(0.1) ? dice.shuffle([...header]) : header;
    return (dice.chance(0.2) ? "\ufeff" : "") + this.#printHeader(again, style);
  }

  /** A row of about the length that is still allowed. */
  #longRow(fields: string[], style: Style): string {
    const { maxRowBytes } = this.#limits;
    if (maxRowBytes === 0) return this.#printRow(fields, style);
    const row = this.#printRow(fields, style);
    return row + "é".repeat(Math.max(0, (maxRowBytes - Buffer.byteLength(row)) >> 1)) +
      "x".repeat(this.#dice.between(0, 2));
  }

  /** A row with something that RFC 4180 leaves open. */
  #openRow(row: string): string {
    const at = this.#dice.between(0, row.length);
    return row.slice(0, at) + this.#dice.pick(["\0", "\r", `x${this.#quote}`, "\0\0"]) + row.slice(at);
  }

  #printRow(fields: readonly string[], { quoting }: Style): string {
    const isSpecial = (character: string) =>
      SPECIAL.includes(character) || character === this.#delimiter || character === this.#quote;
    return fields.map((value) => {
      if (quoting === "regular") return [...value].filter((character) => !isSpecial(character)).join("");
      const needed = [...value].some(isSpecial);
      const quoted = needed || quoting === "all" || (quoting === "random" && this.#dice.chance(0.3));
      return quoted ? this.#quoteField(value) : value;
    }).join(this.#delimiter);
  }

  #quoteField(value: string): string {
    return this.#quote + value.split(this.#quote).join(this.#quote.repeat(2)) + this.#quote;
  }

  #value(name: string, goodShare: number): string {
    const type = this.#columns[name];
    return spellFor(this.#dice, randomValue(this.#dice, { name, type, goodShare }), type, this.#source);
  }

  /** Now and then damages bytes, wherever they are. */
  #damage(pieces: Uint8Array[]): Uint8Array[] {
    const dice = this.#dice;
    const { encoding = "utf-8" } = this.#source;
    // Of an encoding of single bytes only few are none.
    const isSingleByte = !encoding.startsWith("utf-");
    if (!dice.chance(isSingleByte ? 0.15 : 0.08)) return pieces;
    const specials = [
      this.#quote,
      this.#delimiter,
      "\n",
      "\r",
      "\r\n",
      "\0",
      "\x01",
      "\x10",
      "\x1f",
      "\ufeff",
      "",
      "\u0301",
      "1",
    ];
    for (let count = dice.between(1, 3); count > 0; count--) {
      const index = dice.between(0, pieces.length - 1), piece = Buffer.from(pieces[index] ?? []);
      const at = dice.between(0, piece.length);
      const insert = dice.chance(isSingleByte ? 0.4 : 0.1)
        ? Buffer.of(dice.pick(isSingleByte ? [0x80, 0x81, 0x9f, 0xa4] : [0x80, 0xc3, 0xff, 0xed]))
        : Buffer.from(dice.pick(specials));
      pieces[index] = Buffer.concat([piece.subarray(0, at), insert, piece.subarray(at + dice.between(0, 1))]);
    }
    return pieces;
  }
}
