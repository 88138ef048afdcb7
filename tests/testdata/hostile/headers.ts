/**
 * Headers: names in every spelling, order and number, and the extra columns.
 *
 * @module
 */
import { COLUMNS, fault, file, HEADER, type HostileCase, plain, read, readWithHeaders, rejected, row, sale } from "./spelling.ts";

const BAD = row({ quantity: "0" });
const bad = (line: number, raw = BAD) => fault(line, "rule", "quantity_positive", raw);

/** A header that is as good as the usual one, for rows in the usual order. */
function same(name: string, header: string): HostileCase {
  return plain(name, `${header}\n${row()}\n${BAD}\n`, read(sale(), bad(3)));
}

/** A header that is good for rows in another order. */
function ordered(name: string, columns: readonly string[]): HostileCase {
  return plain(
    name,
    `${columns.join(",")}\n${row({}, columns)}\n${row({ quantity: "0" }, columns)}\n`,
    read(
      sale(),
      bad(3, row({ quantity: "0" }, columns)),
    ),
  );
}

function lacking(name: string, header: string, columns: readonly string[]): HostileCase {
  return plain(name, `${header}\n${row()}\n`, rejected("missing_columns", { columns }));
}

function doubled(name: string, header: string, ...columns: readonly string[]): HostileCase {
  return plain(name, `${header}\n${row()}\n`, rejected("duplicate_column", { columns }));
}

/** Rows with extra columns around the price, each with what these become. */
function extra(
  name: string,
  header: string,
  ...rows: readonly (readonly [string, string | null])[]
): HostileCase {
  const text = [header, ...rows.map(([line]) => line)].join("\n");
  return plain(
    name,
    text,
    read(...rows.map(([, joined]) => sale({}, joined === null ? {} : { extra: joined }))),
  );
}

const FIRST = HEADER.split(",price")[0], LAST = "price,quantity,total_cost";
const PLAIN = row().split(",1.50")[0], REST = "1.50,2,3.00";
const NAMES = { extra: `${FIRST},note,${LAST}`, two: `x,${FIRST},y,${LAST},z` };

/** To be delivered with the default settings. */
export const HEADERS: readonly HostileCase[] = [
  same("names in capitals are the same", HEADER.toUpperCase()),
  same(
    "names in mixed cases are the same",
    HEADER.replace(/_(.)/g, (_, letter) => `_${letter.toUpperCase()}`),
  ),
  same("blanks around names are cut off", HEADER.replaceAll(",", " , ")),
  same("tabs around names are cut off", `\t${HEADER.replaceAll(",", "\t,\t \t")} `),
  same("quoted names are the same", HEADER.replace(/\w+/g, '"$&"')),
  same("blanks in the quotes of a name are cut off", HEADER.replace(/\w+/g, '" $&\t"')),
  ordered("columns in reverse are found", COLUMNS.toReversed()),
  ordered("columns in the order of the alphabet are found", COLUMNS.toSorted()),
  ordered("the first column moved to the end is found", [...COLUMNS.slice(1), "customer_id"]),
  lacking("a column that is missing is named", HEADER.replace(",price", ""), ["price"]),
  lacking(
    "columns that are missing are named in contract order",
    "total_cost,sales_date",
    COLUMNS.filter((name) => !/total|date/.test(name)),
  ),
  lacking("a row in place of the header lacks all columns", row({ sales_person_id: "7" }), COLUMNS),
  lacking("another delimiter lacks all columns", HEADER.replaceAll(",", ";"), COLUMNS),
  lacking("another delimiter, a tab, lacks all columns", HEADER.replaceAll(",", "\t"), COLUMNS),
  plain(
    "a delimiter alone is no header, and the row below it is",
    `,\n${row({ sales_person_id: "7" })}\n`,
    rejected("missing_columns", { columns: COLUMNS }),
  ),
  lacking("a no-break space is part of a name", HEADER.replace("price", "\u00a0price"), ["price"]),
  lacking("a zero width space is part of a name", HEADER.replace("price", "price\u200b"), ["price"]),
  lacking("a blank within a name is part of it", HEADER.replace("sales_date", "sales date"), ["sales_date"]),
  lacking("a hyphen is no underscore", HEADER.replace("sales_date", "sales-date"), ["sales_date"]),
  lacking("a letter that looks the same is another", HEADER.replace("price", "рrice"), ["price"]),
  lacking("a wide letter is another", HEADER.replace("price", "ｐrice"), ["price"]),
  lacking("a long s, whose capital is S, is another letter", HEADER.replace("store_id", "ſtore_id"), [
    "store_id",
  ]),
  lacking("a dotted capital I is another letter", HEADER.replace("PRICE", "").replace("price", "PRİCE"), [
    "price",
  ]),
  lacking("a line end in a quoted name is part of it", HEADER.replace("price", '"price\n"'), ["price"]),
  lacking("a doubled quote in a quoted name is part of it", HEADER.replace("price", '"pri""ce"'), ["price"]),
  lacking("apostrophes are part of a name", HEADER.replace("price", "'price'"), ["price"]),
  doubled("a column that is there twice is named", `${HEADER},price`, "price"),
  doubled("a column in another case is there twice", `${HEADER},Price`, "price"),
  doubled("a column with blanks around is there twice", `${HEADER}, price\t`, "price"),
  doubled("a quoted column is there twice", `"price",${HEADER}`, "price"),
  doubled("a column that is there three times is named once", `${HEADER},price,PRICE`, "price"),
  doubled("columns that are there twice are named", `${HEADER},quantity,store_id`, "quantity", "store_id"),
  doubled("an extra column that is there twice is named", `x,${HEADER},X`, "x"),
  doubled(
    "an extra column beside a contract column that are there twice are named",
    `note,${HEADER},Note,price`,
    "note",
    "price",
  ),
  doubled("a duplicate comes before a missing column", "price,price", "price"),
  doubled("an extra column with an umlaut in another case is there twice", `ä,${HEADER},Ä`, "ä"),
  plain("empty names are no duplicates", `,${HEADER}, ,\t,""\n,${row()},,,\n`, read(sale())),
  plain(
    "a header of 2,000 columns is read",
    `${HEADER}${",".repeat(1992)}\n${row()}${",".repeat(1992)}\n`,
    read(sale()),
  ),
  plain(
    "a header of 2,001 columns is too wide",
    `${HEADER}${",".repeat(1993)}\n`,
    rejected("too_many_columns"),
  ),
  plain(
    "too many columns come before duplicates and missing ones",
    `${"x,".repeat(2000)}\n`,
    rejected("too_many_columns"),
  ),
  plain("a header after blank lines counts them", `\n\n${HEADER}\n${BAD}\n`, read(bad(4))),
  plain(
    "a header after rows of nothing but delimiters counts them",
    `\ufeff,,,\r\n"",""\r\n \t,\r\n${HEADER}\n,,\n${BAD}\n`,
    read(bad(6)),
  ),
  plain("rows of nothing but delimiters are an empty file", ',,,\n"",""\n , \r\n,,,', rejected("empty_file")),
  plain(
    "a header that comes again is no row",
    file(row(), HEADER, BAD),
    readWithHeaders(1, sale(), bad(4)),
  ),
  plain(
    "a header that comes again with its mark, blanks and quotes is no row",
    file(row(), `\ufeff"${HEADER.replaceAll(",", ' "," ')}"`, BAD),
    readWithHeaders(1, sale(), bad(4)),
  ),
  plain(
    "a header that comes again in another order ends the file",
    file(row(), BAD, COLUMNS.toReversed().join(","), row()),
    rejected("malformed_csv", { line: 4 }),
  ),
  plain(
    "a header that comes again without a column is a row",
    file(row(), HEADER.replace(",price", "")),
    read(sale(), fault(3, "field_count", "", HEADER.replace(",price", ""))),
  ),
  plain(
    "a long name is an extra column",
    `${HEADER},${"long".repeat(10_000)}\n${row()},x\n`,
    read(sale({}, { extra: "x" })),
  ),

  extra("an extra column's value is kept", NAMES.extra, [`${PLAIN},red,${REST}`, "red"]),
  extra("an extra column without a value is NULL", NAMES.extra, [`${PLAIN},,${REST}`, null]),
  extra("an extra column's blanks are a value", NAMES.extra, [`${PLAIN}, ,${REST}`, " "]),
  extra("an extra column's value is kept with its blanks", NAMES.extra, [
    `${PLAIN}, red\t,${REST}`,
    " red\t",
  ]),
  extra("an extra column's quoted value is its text", NAMES.extra, [
    `${PLAIN},"a, ""b""\n",${REST}`,
    'a, "b"\n',
  ]),
  extra("an extra column's empty quoted value is none", NAMES.extra, [`${PLAIN},"",${REST}`, null]),
  extra(
    "values of extra columns are joined in header order, the empty ones left out",
    NAMES.two,
    [`1,${PLAIN},2,${REST},3`, "1, 2, 3"],
    [`1,${PLAIN},,${REST},3`, "1, 3"],
    [`,${PLAIN},2,${REST},`, "2"],
    [`,${PLAIN},,${REST},`, null],
  ),
  extra("columns without a name are extra ones", `${HEADER},,`, [`${row()},a,b`, "a, b"], [
    `${row()},,b`,
    "b",
  ]),
  extra(
    "extra columns may have names that the marts use",
    `${HEADER},additional_column,source_key,filename,line,raw,@0,@f`,
    [
      `${row()},1,2,3,4,5,6,7`,
      "1, 2, 3, 4, 5, 6, 7",
    ],
  ),
  extra("an extra column may hold a BOM, a formula or a NULL", `x,y,z,${HEADER}`, [
    `\ufeff,=1+1,NULL,${row()}`,
    "\ufeff, =1+1, NULL",
  ]),
  plain(
    "extra columns stand in the raw text as delivered",
    `x,${HEADER}\n red ,${BAD}\n`,
    read(bad(2, ` red ,${BAD}`)),
  ),
];
