/**
 * Files that were joined: rows that are the header once more, through the whole check.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Content, countsOf, withContractCheck } from "../support/contract_check.ts";
import { SALES_COLUMNS, salesContract } from "../support/model.ts";

const NAMES = Object.keys(SALES_COLUMNS), HEADER = NAMES.join(",");
const ROW = "1,121,apple,2023-03-01,1,1.50,2,3.00", OTHER = ROW.replace("apple", "pear");
const SWAPPED = HEADER.replace("customer_id", "x").replace("sales_person_id", "customer_id").replace(
  "x",
  "sales_person_id",
);
const file = (...lines: string[]) => lines.map((line) => `${line}\n`).join("");
const QUOTED = NAMES.map((name) => `"${name}"`).join(",");
const SHARE = { maxRejectedShare: 1 };

/** Counts of rows read, accepted and rejected, and how often the header came again; or the line at which the file ends. */
type Outcome = readonly [read: number, accepted: number, rejected: number, headers: number] | number;

const FILES: readonly (readonly [what: string, content: Content, outcome: Outcome])[] = [
  ["the same header", file(HEADER, ROW, HEADER, OTHER), [2, 2, 0, 1]],
  ["three times", file(HEADER, HEADER, ROW, HEADER, HEADER), [1, 1, 0, 3]],
  ["nothing but headers", file(HEADER, HEADER), [0, 0, 0, 1]],
  ["another case and blanks", file(HEADER, ROW, HEADER.toUpperCase().replaceAll(",", " ,\t")), [1, 1, 0, 1]],
  ["quoted", file(HEADER, ROW, QUOTED, OTHER), [2, 2, 0, 1]],
  ["with its byte order mark", `\ufeff${HEADER}\r\n${ROW}\r\n\ufeff${HEADER}\r\n${OTHER}\r\n`, [2, 2, 0, 1]],
  ["quoted, with its mark", file(`\ufeff${QUOTED}`, ROW, `\ufeff${QUOTED}`, OTHER), [2, 2, 0, 1]],
  ["without a last line end", `${file(HEADER, ROW)}${HEADER}`, [1, 1, 0, 1]],
  ["extra columns", file(`${HEADER},Note,`, `${ROW},a,`, `${HEADER},note,`, `${OTHER},b,`), [2, 2, 0, 1]],
  ["among rejects", file(HEADER, "bad", HEADER, ROW), [2, 1, 1, 1]],
  ["far behind", file(HEADER, ...Array(50_000).fill(ROW), HEADER, OTHER), [50_001, 50_001, 0, 1]],
  ["another order", file(HEADER, ROW, SWAPPED, OTHER), 3],
  ["another order, after the same", file(HEADER, HEADER, ROW, "", SWAPPED.toUpperCase(), OTHER), 5],
  ["another order, with its mark", file(HEADER, ROW, `\ufeff${SWAPPED}`, OTHER), 3],
  ["another order, far behind", file(HEADER, ...Array(50_000).fill(ROW), SWAPPED, OTHER), 50_002],
  ["another order, after what is malformed", file(HEADER, `"${ROW}`, SWAPPED), 2],
  ["another order of extra columns", file(`${HEADER},a,b`, `${ROW},1,2`, `${HEADER},b,a`, `${OTHER},2,1`), 3],
  ["a name less", file(HEADER, ROW, HEADER.replace(",price", "")), [2, 1, 1, 0]],
  ["a name twice", file(HEADER, ROW, HEADER.replace("price", "quantity")), [2, 1, 1, 0]],
  ["a name in quotes of quotes", file(HEADER, ROW, HEADER.replace("price", '"""price"""')), [2, 1, 1, 0]],
  ["two marks", file(HEADER, ROW, `\ufeff\ufeff${HEADER}`), [2, 1, 1, 0]],
];

const DIMENSIONS = {
  customer: [{ customer_id: "BIGINT" }, [{ customer_id: 1 }]],
  store: [{ id: "BIGINT" }, [{ id: 121 }]],
  sales_team: [{ id: "BIGINT" }, [{ id: 1 }]],
  product: [{ name: "VARCHAR" }, [{ name: "apple" }, { name: "pear" }]],
} as const;

Deno.test("checkFiles() skips a header that comes again, and ends the file at one in another order", async () => {
  await withContractCheck(DIMENSIONS, async (check) => {
    const contents = Object.fromEntries(FILES.map(([what, content]) => [what, content]));
    const { files } = await check(contents, salesContract(SHARE));
    for (const [what, , outcome] of FILES) {
      const found = files[what];
      if (typeof outcome === "number") {
        assert.deepEqual(
          [found?.reason, found && "line" in found && found.line],
          ["malformed_csv", outcome],
          what,
        );
        assert.deepEqual(countsOf(found), [0, 0, 0], what);
        const isSecond = !what.includes("malformed");
        assert.equal(found?.detail?.includes(`a second header at line ${outcome}`), isSecond, what);
        continue;
      }
      const [read, accepted, rejected, headers] = outcome;
      assert.deepEqual(countsOf(found), [read, accepted, rejected], what);
      assert.equal(found?.warnings.repeated_header ?? 0, headers, what);
    }
  });
});

Deno.test("checkFiles() finds a second header, when it could be an exact row by its values", async () => {
  await withContractCheck(DIMENSIONS, async (check) => {
    const texts = {
      ...salesContract(SHARE),
      columns: { giver: "text", taker: "text" },
      rules: {},
      keys: [],
      lookups: [],
    };
    const found = await check({
      same: file("giver,taker", "a,b", "giver,taker", "c,d"),
      swapped: file("giver,taker", "a,b", "taker,giver", "c,d"),
      // Headers whose columns stand in the same places are read together.
      unlike: file("giver,taker,x", "a,b,1"),
    }, texts);
    assert.deepEqual(countsOf(found.files.same), [2, 2, 0]);
    assert.equal(found.files.same?.warnings.repeated_header, 1);
    assert.equal(found.files.swapped?.reason, "malformed_csv");
    assert.deepEqual(countsOf(found.files.unlike), [1, 1, 0]);

    const number = { ...texts, columns: { id: "integer", name: "text" } };
    const { files } = await check({
      plain: file("id,name,x", "1,a,b", "2,c,d"),
      swapped: file("id,name,7", "1,a,b", "7,name,id", "2,c,d"),
      same: file("id,name,7", "1,a,b", "id,name,7", "2,c,d"),
    }, number);
    assert.deepEqual(countsOf(files.plain), [2, 2, 0]);
    assert.equal(files.swapped?.reason, "malformed_csv");
    assert.deepEqual(countsOf(files.same), [2, 2, 0]);
  });
});
