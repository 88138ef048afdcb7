/**
 * A MySQL or MariaDB server of a test's own: temporary data, own port, TLS with a certificate of an own authority.
 *
 * Needs `openssl` and what the flavour needs. The server keeps nothing and is not told to be quick about durability: what a test
 * measures is what a default server does.
 *
 * @module
 */
import { join } from "node:path";
import { end, removeAtEnd, signal } from "../support/ending.ts";
import mysql from "mysql2/promise";
import type { Row } from "../support/rows.ts";
import { certify, makeAuthority } from "./authority.ts";
import { freePort } from "./free_port.ts";
import { type Flavour, flavour } from "./mysql_flavour.ts";

/** A user of the server, or of a proxy before it, as the product's configuration would name it. */
export interface Account {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
}

/** A database for one case. */
export interface FreshDatabase extends AsyncDisposable {
  readonly name: string;
  /** May do everything in this database, and nothing elsewhere. */
  readonly account: Account;
  /** Runs statements as the server's administrator, in this database; gives the last one's rows, values as text. */
  sql(...statements: readonly string[]): Promise<Row[]>;
}

/** How long a server may take to start; it takes 0.3 s. */
const START_TIMEOUT_MS = 120_000;

/** A running server. */
export class MysqlServer implements AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** Which server it is. */
  readonly kind: Flavour;
  /** Certificate of the authority that the server's certificate is from; that one is for `localhost` at first. */
  readonly caFile: string;
  readonly #folder: string;
  readonly #process: Deno.ChildProcess;
  readonly #admin: mysql.Pool;
  #databases = 0;

  private constructor(
    folder: string,
    { host, port, kind, process }: { host: string; port: number; kind: Flavour; process: Deno.ChildProcess },
  ) {
    this.#folder = folder;
    this.host = host;
    this.port = port;
    this.kind = kind;
    this.caFile = join(folder, "ca.pem");
    this.#process = process;
    this.#admin = mysql.createPool({
      socketPath: join(folder, "socket"),
      user: "root",
      charset: "utf8mb4_bin",
      rowsAsArray: true,
      dateStrings: true,
      supportBigNumbers: true,
      bigNumberStrings: true,
      connectionLimit: 4,
    });
  }

  /**
   * Installs and starts one; throws where it is not installed, and says how to install it.
   *
   * @param host Address of this machine that it listens on.
   */
  static async start(host = "127.0.0.1"): Promise<MysqlServer> {
    const folder = await Deno.makeTempDir({ prefix: "mysql-" });
    try {
      await makeAuthority(folder);
      await certify(folder, "localhost");
      const data = join(folder, "data");
      const kind = await flavour();
      await kind.initialise(data);
      const port = await freePort(host);
      const [program, args] = kind.command([
        `--datadir=${data}`,
        `--socket=${join(folder, "socket")}`,
        `--port=${port}`,
        `--bind-address=${host}`,
        "--character-set-server=utf8mb4",
        `--ssl-ca=${join(folder, "ca.pem")}`,
        `--ssl-cert=${join(folder, "server.pem")}`,
        `--ssl-key=${join(folder, "server.key")}`,
        `--log-error=${join(folder, "error.log")}`,
      ]);
      const process = new Deno.Command(program, {
        args: [...args],
        stdin: "null",
        stdout: "null",
        stderr: "null",
      }).spawn();
      const server = new MysqlServer(folder, { host, port, kind, process });
      await server.#untilReady();
      return server;
    } catch (error) {
      await Deno.remove(folder, { recursive: true });
      throw error;
    }
  }

  /** Shows another certificate to connections to come, from the same authority. */
  async certifyFor(name: string): Promise<void> {
    await certify(this.#folder, name);
    await this.sql(this.kind.reloadTls);
  }

  /** Runs statements as administrator; gives the last one's rows. */
  async sql(...statements: readonly string[]): Promise<Row[]> {
    return await this.#run(null, statements);
  }

  /** Makes an empty database with an account of its own. */
  async freshDatabase(): Promise<FreshDatabase> {
    const name = `case_${++this.#databases}`;
    const account = { host: this.host, port: this.port, user: name, password: `canary ${name} 'pass"word` };
    await this.sql(
      `CREATE DATABASE ${name}`,
      `CREATE USER ${name}@'%' IDENTIFIED BY ${mysql.escape(account.password)}`,
      `GRANT ALL ON ${name}.* TO ${name}@'%'`,
    );
    return {
      name,
      account,
      sql: (...statements) => this.#run(name, statements),
      [Symbol.asyncDispose]: async () => {
        // What a failed test left open would keep its tables locked.
        await end(async () => {
          const open = (await this.sql("SHOW PROCESSLIST")).filter(([, user]) => user === name);
          // One that has ended meanwhile is not there.
          for (const [id] of open) await this.sql(`KILL ${id}`).catch(() => {});
          await this.sql(`DROP USER ${name}@'%'`, `DROP DATABASE ${name}`);
        });
      },
    };
  }

  /** Ends the server and deletes its data. */
  async [Symbol.asyncDispose](): Promise<void> {
    await end(() => this.#admin.end());
    signal(this.#process, "SIGTERM");
    await this.#process.status;
    await removeAtEnd(this.#folder);
  }

  async #run(database: string | null, statements: readonly string[]): Promise<Row[]> {
    const connection = await this.#admin.getConnection();
    try {
      if (database !== null) await connection.query(`USE ${database}`);
      let rows: Row[] = [];
      for (const statement of statements) {
        const [result] = await connection.query<mysql.RowDataPacket[][]>(statement);
        rows = Array.isArray(result)
          ? result.map((row) => Object.values(row).map((value) => value === null ? null : String(value)))
          : [];
      }
      return rows;
    } finally {
      connection.release();
    }
  }

  async #untilReady(): Promise<void> {
    const deadline = performance.now() + START_TIMEOUT_MS;
    while (true) {
      try {
        await this.sql("SELECT 1");
        return;
      } catch (error) {
        if (performance.now() > deadline) {
          const log = await Deno.readTextFile(join(this.#folder, "error.log")).catch(() => "");
          throw new Error(`${this.kind.name} did not start: ${log.slice(-2000)}`, { cause: error });
        }
        await new Promise((done) => setTimeout(done, 50));
      }
    }
  }
}
