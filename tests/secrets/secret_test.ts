import assert from "node:assert/strict";
import { inspect } from "node:util";
import { Secret } from "../../lib/secrets/secret.ts";

const CANARY = "5ecret-Canary";

/** Every way in which a value may come to be text. */
const SHOWN: Readonly<Record<string, (secret: Secret) => string>> = {
  "a template": (secret) => `${secret}`,
  "String()": (secret) => String(secret),
  concatenation: (secret) => "" + secret,
  "JSON.stringify()": (secret) => JSON.stringify({ secret, list: [secret] }),
  "Deno.inspect()": (secret) => Deno.inspect({ secret, list: [secret] }, { depth: 9, showHidden: true }),
  "node's inspect()": (secret) => inspect({ secret, list: [secret] }, { depth: 9, showHidden: true }),
  "an error's message": (secret) => new Error(`refused: ${secret}`, { cause: secret }).stack ?? "",
  "an error's cause": (secret) => Deno.inspect(new Error("refused", { cause: { secret } })),
  "a locale": (secret) => secret.toLocaleString(),
};

for (const [way, show] of Object.entries(SHOWN)) {
  Deno.test(`Secret shows [redacted] and never its value, when it is shown by ${way}`, () => {
    const shown = show(new Secret(CANARY));
    assert.match(shown, /\[redacted\]/);
    assert.ok(!shown.includes(CANARY), shown);
  });
}

Deno.test("Secret gives its value to whoever asks for it, and leaves nothing in copies", () => {
  const secret = new Secret(CANARY);
  assert.equal(secret.reveal(), CANARY);
  assert.ok(
    !JSON.stringify([structuredClone(secret), { ...secret }, Object.entries(secret)]).includes(CANARY),
  );
});
