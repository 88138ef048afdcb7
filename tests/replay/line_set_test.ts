import fc from "fast-check";
import assert from "node:assert/strict";
import { LineSet } from "../../lib/replay/line_set.ts";

Deno.test("add() says of each line whether it is new, as a Set would", () => {
  const line = fc.oneof(
    fc.integer({ min: 1, max: 40 }),
    fc.integer({ min: 65_500, max: 65_600 }),
    fc.constantFrom(2 ** 31, 2 ** 32 + 1, 2 ** 40),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 200 }), (lines) => {
      const set = new LineSet(), expected = new Set<number>();
      for (const each of lines) {
        assert.equal(set.add(each), !expected.has(each), `line ${each}`);
        expected.add(each);
      }
    }),
  );
});
