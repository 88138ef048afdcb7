/**
 * The pipeline with a driver that tells the database's password, in the way that `LEAK` names.
 *
 * @module
 */
import process from "node:process";
import { main } from "../../lib/command/main.ts";
import { ConfigError, UnavailableError } from "../../lib/errors.ts";
import { openLines } from "../../lib/output/lines.ts";
import { openLog } from "../../lib/output/log.ts";
import { PersonalFields } from "../../lib/output/personal.ts";
import { Redactor } from "../../lib/secrets/redactor.ts";
import { NO_TELEMETRY } from "../../lib/telemetry/telemetry.ts";
import { openTerminal } from "../../lib/output/terminal.ts";
import { pipeline } from "../../tasks/pipeline.ts";

const how = Deno.env.get("LEAK") ?? "";

/** The ways; each is given the password. */
export const LEAKS: Readonly<Record<string, (password: string) => unknown>> = {
  "an expected failure": (password) => {
    throw new UnavailableError("database_unavailable", `Cannot connect with ${password}`);
  },
  "the cause of an expected failure": (password) => {
    const cause = new Error(`refused: "${password}"`, { cause: new Error(password) });
    throw new ConfigError("database_missing", "Cannot connect", { cause });
  },
  "a URL": (password) => {
    throw new UnavailableError("x", `Cannot reach mysql://etl:${encodeURIComponent(password)}@h/d`);
  },
  "a bug": (password) => {
    throw Object.assign(new TypeError(`cannot read ${password}`, { cause: { password } }), { password });
  },
  "a stack trace": (password) => {
    const error = new Error("no message");
    error.stack = `Error: no message\n    at connect (${password}:1:1)`;
    throw error;
  },
  "no error at all": (password) => {
    throw { password, toString: () => `thrown ${password}` };
  },
  "a promise that nobody waits for": (password) => {
    Promise.reject(new Error(`refused ${password}`));
    return new Promise((done) => setTimeout(done, 10_000));
  },
  "a timer": (password) => {
    setTimeout(() => {
      throw new Error(`refused ${password}`);
    });
    return new Promise((done) => setTimeout(done, 10_000));
  },
  "the console of a library": (password) => {
    // deno-lint-ignore no-console
    console.info(`connecting with ${password}`, { password });
    // deno-lint-ignore no-console
    console.error(new Error(`refused ${password}`));
    throw new UnavailableError("database_unavailable", "an expected failure");
  },
  "a warning of the runtime": async (password) => {
    process.emitWarning(`deprecated ${password}`);
    await new Promise((done) => setTimeout(done, 50));
    throw new UnavailableError("database_unavailable", "an expected failure");
  },
  "the log": async (password) => {
    const redactor = new Redactor();
    const position = { runId: null, stage: "download", attempt: null };
    const lines = openLines(openTerminal(redactor), {
      format: "text",
      position,
      within: NO_TELEMETRY.within,
      now: () => new Date(),
    });
    const log = await openLog(lines, { threshold: "debug", personal: new PersonalFields() });
    // By their names: this log does not know the value.
    log.debug("connecting as {user} with {password}", { user: "etl", password });
    log.debug("options {options}", { options: { nested: [{ apiKey: password }], authorization: password } });
    redactor.add(password);
    log.debug("options {options}, failed with {error}", {
      options: { url: `mysql://etl:${encodeURIComponent(password)}@h` },
      error: new Error("refused", { cause: new Error(password) }),
    });
    throw new UnavailableError("x", "Cannot connect");
  },
};

if (import.meta.main) {
  await main(
    { name: "pipeline", description: "A pipeline that tells secrets.", options: [], run: pipeline },
    {
      async openDatabase(config) {
        if (config.kind === "mysql") await LEAKS[how]?.(config.password.reveal());
        throw new Error("nothing was told");
      },
    },
  );
}
