/**
 * A server of a measurement's own, so that none finds the caches, or has to clean up the rows, of another.
 *
 * @module
 */
import type { Database } from "../../../lib/database/database.ts";
import { openMysqlDatabase } from "../../../lib/database/mysql/database.ts";
import type { Resources } from "../../../lib/duckdb/duckdb.ts";
import { Secret } from "../../../lib/secrets/secret.ts";
import { CUSTOMER_TABLE, SALES_TABLE } from "../../database/fixtures.ts";
import { type FreshDatabase, MysqlServer } from "../../integration/mysql_server.ts";
import type { Job } from "./commit.ts";

/** A database for a measurement. */
export interface Place {
  readonly fresh: FreshDatabase;
  readonly target: Job["target"];
  readonly database: Database;
}

/**
 * Starts a server with a database that the product has prepared.
 *
 * @param stack Ends the server with itself.
 * @param folder For the files of the totals.
 */
export async function openPlace(
  stack: AsyncDisposableStack,
  folder: string,
  resources: Resources,
): Promise<Place> {
  const server = await MysqlServer.start();
  // Interrupted meanwhile; the stack takes nothing any more.
  if (stack.disposed) await server[Symbol.asyncDispose]();
  stack.use(server);
  const fresh = await server.freshDatabase();
  const target = { ...fresh.account, database: fresh.name, workDir: folder, resources };
  const password = new Secret(target.password);
  const database = stack.use(
    openMysqlDatabase({ ...target, password, newId: () => crypto.randomUUID() }),
  );
  await database.prepare();
  await database.prepareTables([CUSTOMER_TABLE, SALES_TABLE]);
  return { fresh, target, database };
}
