/**
 * The contract check of datasets that are not sales: columns, keys, rules and lookups of any kind and number, and dimensions
 * of any name.
 *
 * @module
 */
import fc from "fast-check";
import assert from "node:assert/strict";
import { rowReasons } from "../../lib/contract/contract.ts";
import { type Contract, contractSchema } from "../../lib/contract/schema.ts";
import { countsOf, type Dimensions, withContractCheck } from "../support/contract_check.ts";

/** A contract of the columns, with keys as a model's dataset has them: `{ column: [dimension, its key] }`. */
function contractOf(
  columns: Readonly<Record<string, string>>,
  { keys = {}, ...given }: {
    readonly keys?: Readonly<Record<string, readonly [dimension: string, key: string]>>;
    readonly rules?: Contract["rules"];
    readonly lookups?: Contract["lookups"];
    readonly maxRejectedShare?: number;
  } = {},
): Contract {
  return contractSchema.parse({
    columns,
    rules: {},
    lookups: [],
    maxRejectedShare: 1,
    keys: Object.entries(keys).map(([column, [dimension, key]]) => ({
      ...{ column, dimension, key },
      isText: columns[column] === "text",
      reason: `unknown_${column}`,
    })),
    ...given,
  });
}

/** A transfer of goods: two keys to one dimension, a text key, and SQL's own words for names. */
const TRANSFERS = contractOf({
  order: "integer",
  from: "integer",
  to: "integer",
  group: "text",
  day: "date",
  weight: "decimal(6,3)",
}, {
  keys: { from: ["table", "select"], to: ["table", "select"], group: ["all", "key"] },
  rules: {
    elsewhere: { check: '"from" <> "to"', severity: "reject" },
    heavy: { check: "weight < 100", severity: "warn" },
  },
  lookups: [
    { warning: "unknown_order", column: "order", dimension: "union", among: "order" },
    { warning: "no_place", column: "to", dimension: "union", among: "place" },
  ],
});

/** Places 1 to 5, 12 and -7; groups with blanks, cases, quotes and delimiters; some orders. */
const PLACES = [1, 2, 3, 4, 5, 12, -7];
const GROUPS = ["ab", "AB", " ab", 'a"b', "a,b", "ä", "1", "01"];
const DIMENSIONS: Dimensions = {
  table: [{ select: "BIGINT" }, PLACES.map((select) => ({ select }))],
  all: [{ key: "VARCHAR" }, GROUPS.map((key) => ({ key }))],
  union: [
    { order: "BIGINT", place: "BIGINT" },
    [{ order: 7, place: 1 }, { order: 7, place: 2 }, { order: null, place: null }, { order: 8, place: 12 }],
  ],
};

const HEADER = "order,from,to,group,day,weight";

/** Rows with what is said of them: nothing, or reason, column and a part of the detail. */
const ROWS: readonly (readonly [string, ...(readonly [string, string | null, string] | [])])[] = [
  ["7,1,2,ab,2023-03-01,1.5"],
  ["9,1,12,AB,2023-03-01,100.000"],
  ["7,-7,2, ab,2023-03-01,99.999"],
  ["7,1,-7,1,2023-03-01,0"],
  ["8,2,1,ä,2023-03-01,-1.5"],
  ["8,2,1,01,2023-03-01,2"],
  ["7,6,2,ab,2023-03-01,1", "unknown_from", "from", "from 6 is not in the dimension table"],
  ["7,1,6,ab,2023-03-01,1", "unknown_to", "to", "to 6 is not in the dimension table"],
  ["7,6,0,zz,2023-03-01,1", "unknown_from", "from", "from 6 is"],
  ["7,1,0,zz,2023-03-01,1", "unknown_to", "to", "to 0 is"],
  ["7,1,2,Ab,2023-03-01,1", "unknown_group", "group", 'group "Ab" is not in the dimension all'],
  ["7,1,2,ab ,2023-03-01,1", "unknown_group", "group", 'group "ab " is not in the dimension all'],
  ["7,1,2,001,2023-03-01,1", "unknown_group", "group", 'group "001" is'],
  ["7,6,6,zz,2023-03-01,1", "rule", null, 'elsewhere: not "from" <> "to"'],
  ["7,1,2, ,2023-03-01,1", "missing_value", "group", "group is empty"],
  ["7,1,2,ab,2023-03-01,1000", "invalid_value", "weight", "decimal(6,3)"],
  ["x,1,2,ab,2023-03-01,1", "invalid_value", "order", '"x"'],
  ["7,1,2,ab,2023-03-01", "field_count", null, "5 fields"],
  [`7,1,2,${"z".repeat(300)},2023-03-01,1`, "unknown_group", "group", `"${"z".repeat(100)}" is`],
];

Deno.test("rowReasons() ends in those of the keys, in their order", () => {
  assert.deepEqual(rowReasons(TRANSFERS.keys), [
    ...["field_count", "missing_value", "invalid_value", "rule"],
    ...["unknown_from", "unknown_to", "unknown_group"],
  ]);
  assert.deepEqual(rowReasons([]), ["field_count", "missing_value", "invalid_value", "rule"]);
});

Deno.test("checkFiles() finds unknown keys by column, when two columns point to one dimension and one is of text", async (test) => {
  const good = "7,1,2,ab,2023-03-01,1";
  const exact = ROWS.filter(([, reason]) => reason === undefined || /^(rule|unknown_.*)$/.test(reason));
  const text = (rows: typeof ROWS) => [HEADER, ...rows.map(([raw]) => raw)].join("\n");
  const forms: Readonly<Record<string, readonly [typeof ROWS, string]>> = {
    "candidate": [exact, text(exact)],
    "split": [ROWS, `${text(ROWS)}\n`],
    "CRLF": [ROWS, `${text(ROWS)}\n`.replaceAll("\n", "\r\n")],
    "with quotes somewhere": [
      [...ROWS, [`7,"1",2,ab,2023-03-01,1`]],
      `${text(ROWS)}\n7,"1",2,ab,2023-03-01,1\n`,
    ],
    "accepted as a whole": [[[good]], `${HEADER}\n${good}\n`],
  };
  await withContractCheck(DIMENSIONS, async (check) => {
    const contents = Object.fromEntries(Object.entries(forms).map(([key, [, content]]) => [key, content]));
    for (const [together, given] of [["together", contents], ["alone", null]] as const) {
      for (const [key, [rows]] of Object.entries(forms)) {
        await test.step(`${key}, ${together}`, async () => {
          const { rejects, files, accepted } = await check(
            given ?? { [key]: contents[key] ?? "" },
            TRANSFERS,
          );
          const expected = rows.flatMap(([raw, reason, column], i) =>
            reason === undefined ? [] : [[i + 2, reason, column, raw]]
          );
          const found = rejects[key] ?? [];
          assert.deepEqual(
            found.map(({ line, reason, column, raw }) => [line, reason, column, raw]),
            expected,
          );
          for (const { line, detail } of found) {
            assert.ok(detail.includes(rows[line - 2]?.[3] ?? "?"), detail);
          }
          const passed = rows.filter(([, reason]) => reason === undefined);
          assert.deepEqual(countsOf(files[key]), [rows.length, passed.length, expected.length]);
          const warnings = key === "accepted as a whole" ? {} : { heavy: 1, unknown_order: 1, no_place: 1 };
          assert.deepEqual(files[key]?.warnings, warnings);
          assert.deepEqual(
            accepted[key]?.map(({ group }) => group).toSorted(),
            passed.map(([raw]) => raw.split(",")[3]).toSorted(),
          );
        });
      }
    }
  });
});

Deno.test("checkFiles() finds text keys that need quotes, when a file has quotes", async () => {
  const rows = ['7,1,2,"a""b",2023-03-01,1', '7,1,2,"a,b",2023-03-01,1', '7,1,2,"a""c",2023-03-01,1'];
  await withContractCheck(DIMENSIONS, async (check) => {
    const { rejects, accepted } = await check({ a: [HEADER, ...rows].join("\n") }, TRANSFERS);
    assert.deepEqual(accepted.a?.map(({ group }) => group), ['a"b', "a,b"]);
    assert.deepEqual(rejects.a?.map(({ line, reason, detail }) => [line, reason, detail]), [
      [4, "unknown_group", 'group "a"c" is not in the dimension all'],
    ]);
  });
});

/** Files of one column each, with a value that passes and one that does not. */
const TYPES = [["integer", "7", "7.0"], ["text", "x", " "], ["date", "2023-03-01", "2023-02-30"], [
  "decimal(2,1)",
  "1.5",
  "1.55",
]] as const;

Deno.test("checkFiles() reads datasets of one column, when there are no keys, no rules and no lookups", async (test) => {
  await withContractCheck({}, async (check) => {
    for (const [type, good, bad] of TYPES) {
      await test.step(type, async () => {
        const contents = {
          candidate: `value\n${good}\n${good}\n`,
          split: `value\n${good}\n${bad}\n${good}`,
          quoted: `value\n"${good}"\n`,
          "header only": "value\n",
          extra: `note,VALUE\nn,${good}\n`,
        };
        const { files, accepted, rejects } = await check(contents, contractOf({ value: type }));
        const counts = Object.fromEntries(Object.entries(files).map(([key, file]) => [key, countsOf(file)]));
        assert.deepEqual(counts, {
          candidate: [2, 2, 0],
          split: [3, 2, 1],
          quoted: [1, 1, 0],
          "header only": [0, 0, 0],
          extra: [1, 1, 0],
        });
        assert.deepEqual(Object.values(files).map(({ warnings }) => warnings), [{}, {}, {}, {}, {}]);
        assert.deepEqual(accepted.split, Array(2).fill({ value: good, additional_column: null }));
        assert.deepEqual(accepted.extra, [{ value: good, additional_column: "n" }]);
        assert.deepEqual(rejects.split?.map(({ line, raw }) => [line, raw]), [[3, bad]]);
      });
    }
  });
});

Deno.test("checkFiles() keeps its own views apart, when a dimension is called as one might be", async (test) => {
  const names = [
    ...["source", "typed", "typed_1", "named", "split", "judged", "written", "dropped", "accepted", "keys"],
    ...["exact_rows", "left_rows", "exact_lines", "doubtful_lines", "key", "s", "t", "l", "r", "file"],
  ];
  for (const name of names) {
    await test.step(name, async () => {
      const columns = { [name]: "integer", code: "text" };
      const contract = contractOf(columns, {
        keys: { [name]: [name, "id"] },
        lookups: [{ warning: "unknown_code", column: "code", dimension: name, among: "code" }],
        maxRejectedShare: 0.5,
      });
      await withContractCheck({
        [name]: [{ id: "BIGINT", code: "VARCHAR" }, [{ id: 1, code: "a" }, { id: 2, code: "b" }]],
      }, async (check) => {
        const header = `${name},code\n`;
        const contents = {
          candidate: `${header}1,a\n2,c\n3,a\n`,
          split: `${header}1,a\n1.0,a\n2,b\n"2",c\n3,a\n`,
          excessive: `${header}1,a\n${"3,a\n".repeat(20)}`,
          withdrawn: `${header}${`1,${"x".repeat(1000)}\n`.repeat(1100)}"2",b\n`,
        };
        const { files, rejects } = await check(contents, contract);
        assert.deepEqual(Object.values(files).map(countsOf), [
          ...[[3, 2, 1], [5, 3, 2], [21, 0, 21], [1101, 1101, 0]],
        ]);
        assert.deepEqual(files.candidate?.warnings, { unknown_code: 1 });
        assert.deepEqual(files.split?.rejects, { invalid_value: 1, [`unknown_${name}`]: 1 });
        assert.deepEqual(rejects.candidate?.map(({ line }) => line), [4]);
        assert.equal(files.excessive?.reason, "too_many_rejects");
      });
    });
  }
});

/** What the transfers' contract makes of a row of exact values, said once more in the plainest way. */
function judgePlainly([, from = "", to = "", group = ""]: readonly string[]): string | null {
  if (Number(from) === Number(to)) return "rule";
  if (!PLACES.includes(Number(from))) return "unknown_from";
  if (!PLACES.includes(Number(to))) return "unknown_to";
  return GROUPS.includes(group) ? null : "unknown_group";
}

Deno.test("checkFiles() finds what a plain reading finds, when keys are of any value and rows are read in any way", async () => {
  const place = fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom(...PLACES) },
    fc.integer({ min: -20, max: 20 }),
  )
    .map(String);
  const group = fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom(...GROUPS.filter((group) => !/[",]/.test(group))) },
    fc.constantFrom("aB", "ab ", "\tab", "2", "ae", "x"),
  );
  const rows = fc.array(
    fc.tuple(fc.constant("7"), place, place, group, fc.constant("2023-03-01"), fc.constant("1")),
    { maxLength: 40 },
  );
  await withContractCheck(DIMENSIONS, async (check) => {
    await fc.assert(
      fc.asyncProperty(fc.array(rows, { minLength: 8, maxLength: 8 }), async (all) => {
        const print: readonly ((fields: readonly string[]) => string)[] = [
          (fields) => `${fields.join(",")}\n`,
          (fields) => `${fields.join(",")}\r\n`,
          (fields) => `${fields.map((field) => `"${field}"`).join(",")}\n`,
          (fields) => `${fields.join(",").replace(",", " ,")}\n`,
        ];
        const contents = Object.fromEntries(all.map((rows, i) => {
          const text = rows.map(print[i % print.length] ?? String).join("");
          return [`${i}`, `${HEADER}\n${text}`];
        }));
        const { rejects, files } = await check(contents, TRANSFERS);
        for (const [i, rows] of all.entries()) {
          const expected = rows.flatMap((fields, line) => {
            const reason = judgePlainly(fields);
            return reason === null ? [] : [[line + 2, reason]];
          });
          const message = contents[i] ?? "";
          assert.deepEqual(rejects[i]?.map(({ line, reason }) => [line, reason]) ?? [], expected, message);
          assert.deepEqual(countsOf(files[i]), [rows.length, rows.length - expected.length, expected.length]);
        }
      }),
      { seed: 7, numRuns: 6, endOnFailure: true },
    );
  });
});
