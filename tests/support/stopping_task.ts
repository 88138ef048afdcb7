/**
 * A command that an error or a signal ends while something goes wrong with the ending too, in the way that `STOP` names.
 *
 * @module
 */
import { openStore } from "../../lib/store/open.ts";
import { openDatabase } from "../../lib/database/open.ts";
import { main } from "../../lib/command/main.ts";
import type { Session } from "../../lib/command/session.ts";
import { DataError } from "../../lib/errors.ts";
import type { DownloadContext } from "../../lib/run/context.ts";

/** The line on stderr that says that a signal may come. */
export const READY = "[ready]";

/** What the stage does; none of them comes to its end. */
const STAGES: Readonly<Record<string, (context: DownloadContext) => Promise<never>>> = {
  async "an error"({ acquireLease, database }) {
    await database.prepare();
    await acquireLease();
    await using _ = resource("a file");
    throw new DataError("first", "the first error");
  },
  async "a lease that cannot be given back"({ acquireLease, database, signal }) {
    await database.prepare();
    await acquireLease();
    await new Promise((done) => {
      signal.addEventListener("abort", done);
      say(READY);
    });
    throw signal.reason;
  },
  "a stage that does not hear the signal"() {
    say(READY);
    return new Promise(() => setTimeout(() => {}, 60_000));
  },
};

function resource(what: string): AsyncDisposable {
  return { [Symbol.asyncDispose]: () => Promise.reject(new DataError("later", `${what} cannot be closed`)) };
}

function say(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${text}\n`));
}

if (import.meta.main) {
  const how = Deno.env.get("STOP") ?? "";
  const stage = STAGES[how];
  if (!stage) throw new RangeError(`there is no way "${how}"`);
  await main({
    name: "download",
    description: "Does not come to its end.",
    options: [],
    run: (session: Session) => session.download(stage),
  }, {
    async openStore(settings, options) {
      const store = await openStore(settings, options);
      return how === "an error" ? Object.assign(store, resource("the store")) : store;
    },
    async openDatabase(settings, options) {
      const database = await openDatabase(settings, options);
      if (how === "an error") return Object.assign(database, resource("the database"));
      return Object.assign(database, { releaseLease: () => new Promise<void>(() => {}) });
    },
  });
}
