/**
 * The commit of one run, in a process of its own so that its memory can be measured. Prints how long it took.
 *
 * @module
 */
import { type MysqlDatabaseOptions, openMysqlDatabase } from "../../../lib/database/mysql/database.ts";
import type { Commit } from "../../../lib/database/records.ts";
import { Secret } from "../../../lib/secrets/secret.ts";

/** What the process is to do, as the JSON file that it is started with. */
export interface Job {
  readonly target: Omit<MysqlDatabaseOptions, "password" | "newId" | "signal"> & {
    readonly password: string;
  };
  readonly commit: Commit;
}

if (import.meta.main) {
  const [file = ""] = Deno.args;
  const { target, commit }: Job = JSON.parse(await Deno.readTextFile(file));
  await using database = openMysqlDatabase({
    ...target,
    password: new Secret(target.password),
    newId: () => crypto.randomUUID(),
  });
  const startedMs = performance.now();
  await database.commit(commit);
  const commitMs = performance.now() - startedMs;
  await new Blob([JSON.stringify({ commitMs })]).stream().pipeTo(Deno.stdout.writable);
}
