/**
 * A deployment on a bucket of a real S3 server and a database of a real MariaDB server.
 *
 * @module
 */
import { join } from "node:path";
import type { Deployment } from "../support/deployment.ts";
import { listFiles } from "../support/tree.ts";
import { createWorkspace } from "../support/workspace.ts";
import { loadDimensions, mirrorDatabase } from "./mysql_mirror.ts";
import { type FreshDatabase, MysqlServer } from "./mysql_server.ts";
import { type FreshBucket, S3Server, type S3ServerOptions } from "./s3_server.ts";

/** The servers that deployments share. */
export class Servers implements AsyncDisposable {
  private constructor(readonly s3: S3Server, readonly mariadb: MysqlServer) {}

  /** Starts both. */
  static async start(options: S3ServerOptions = {}): Promise<Servers> {
    const s3 = await S3Server.start(options);
    try {
      return new Servers(s3, await MysqlServer.start(options.host));
    } catch (error) {
      await s3[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Ends both. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.s3[Symbol.asyncDispose]();
    await this.mariadb[Symbol.asyncDispose]();
  }
}

/** A deployment, and what stands behind it. */
export interface RemoteDeployment extends Deployment {
  readonly bucket: FreshBucket;
  readonly mariadb: FreshDatabase;
}

/** How a deployment differs from the usual one. */
export interface RemoteOptions {
  /** Where the pipeline finds the S3 server, in place of itself: a proxy. */
  readonly endpoint?: string;
  /** Where it finds the database server. */
  readonly databasePort?: number;
  /** Keys of the configuration. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Keys of its store. */
  readonly store?: Readonly<Record<string, unknown>>;
}

/** Makes an empty bucket and an empty database, and a configuration for them. */
export async function createRemote(servers: Servers, options: RemoteOptions = {}): Promise<RemoteDeployment> {
  const bucket = await servers.s3.freshBucket();
  const mariadb = await servers.mariadb.freshDatabase();
  const { host, port, user, password } = mariadb.account;
  const { endpoint = bucket.config.endpoint, databasePort = port } = options;
  const workspace = await createWorkspace({
    store: { kind: "s3", ...bucket.config, endpoint, ...options.store },
    database: { kind: "mysql", host, port: databasePort, user, password, database: mariadb.name },
    ...options.config,
  });
  return {
    ...workspace,
    bucket,
    mariadb,
    loadDimensions: (folder) => loadDimensions(mariadb, folder),
    async deliver(folder, prefix = "sales_data") {
      for (const name of (await listFiles(folder)).sort()) {
        await bucket.put(`${prefix}/${name}`, await Deno.readFile(join(folder, name)));
      }
    },
    sql: async (...statements) => void await mariadb.sql(...statements),
    async refresh() {
      await bucket.mirror(workspace.store);
      await mirrorDatabase(mariadb, workspace.database);
    },
    async [Symbol.asyncDispose]() {
      await workspace[Symbol.asyncDispose]();
      await mariadb[Symbol.asyncDispose]();
    },
  };
}
