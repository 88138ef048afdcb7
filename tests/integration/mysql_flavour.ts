/**
 * The servers that speak MySQL's protocol, and what they do differently.
 *
 * @module
 */
import { join } from "node:path";
import { runProgram } from "../support/programs.ts";
import { sidPackages, type Unpacked } from "./sid_packages.ts";

/** Names of servers, the default first; the environment variable `TEST_MYSQL` names one. */
export const FLAVOURS = ["mariadb", "mariadb-sid", "mysql"] as const;

/** One of {@linkcode FLAVOURS}. */
export type FlavourName = (typeof FLAVOURS)[number];

/** A server's programs, and its words for what the other servers say differently. */
export interface Flavour {
  readonly name: FlavourName;
  /** Fills a new data directory. */
  initialise(data: string): Promise<void>;
  /** The server's command, with the arguments that every server takes. */
  command(args: readonly string[]): readonly [program: string, args: readonly string[]];
  /** Shows its certificate anew. */
  readonly reloadTls: string;
  /** The global variable of the default isolation. */
  readonly isolation: string;
  /** What the client sends for the statement that is nothing but COMMIT. */
  readonly commitPacket: string;
}

/** The server that the environment asks for. */
export async function flavour(): Promise<Flavour> {
  const name = Deno.env.get("TEST_MYSQL") ?? FLAVOURS[0];
  const found = FLAVOURS.find((known) => known === name);
  if (!found) throw new Error(`TEST_MYSQL is ${name}; it must be one of ${FLAVOURS.join(", ")}`);
  return await MAKERS[found]();
}

const MAKERS: Readonly<Record<FlavourName, () => Promise<Flavour>>> = {
  "mariadb": installedMariadb,
  "mariadb-sid": sidMariadb,
  "mysql": mysql,
};

const MARIADB = {
  reloadTls: "FLUSH SSL",
  isolation: "tx_isolation",
  // COM_QUERY and its text.
  commitPacket: "\x03COMMIT",
} as const;

/** More steps of a recursion than any test takes. */
const RECURSIONS = 10_000_000;
const MARIADB_ARGS = [`--max-recursive-iterations=${RECURSIONS}`];

/** A server refuses to run as root unless it is told to. */
const AS_USER = Deno.uid() === 0 ? ["--user=root"] : [];

/** What the system has installed. */
async function installedMariadb(): Promise<Flavour> {
  const program = await findServer();
  return {
    ...MARIADB,
    name: "mariadb",
    command: (args) => [program, ["--no-defaults", ...AS_USER, ...MARIADB_ARGS, ...args]],
    initialise: (data) =>
      run("mariadb-install-db", [
        "--no-defaults",
        ...AS_USER,
        `--datadir=${data}`,
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
      ]),
  };
}

/** Debian has it in /usr/sbin, which is not in everybody's path. */
async function findServer(): Promise<string> {
  for (const path of ["/usr/sbin/mariadbd", "/usr/local/sbin/mariadbd", "/usr/libexec/mariadbd"]) {
    if (await Deno.stat(path).then((stat) => stat.isFile, () => false)) return path;
  }
  return "mariadbd";
}

/** The tables of a new MariaDB, in the order in which its own set-up script makes them. */
const MARIADB_SCRIPTS = [
  "mariadb_system_tables.sql",
  "mariadb_performance_tables.sql",
  "mariadb_system_tables_data.sql",
  "fill_help_tables.sql",
  "maria_add_gis_sp_bootstrap.sql",
  "mariadb_sys_schema.sql",
];

/** The newest MariaDB of Debian. Its set-up script is a shell script that finds nothing here. */
async function sidMariadb(): Promise<Flavour> {
  const packages = await sidPackages("mariadb-sid", ["mariadb-server-core", "mariadb-client-core"]);
  const share = join(packages.root, "usr/share/mariadb");
  const command = commandIn(packages, "usr/sbin/mariadbd", share);
  return {
    ...MARIADB,
    name: "mariadb-sid",
    command: (args) => command([...MARIADB_ARGS, ...args]),
    async initialise(data) {
      await Deno.mkdir(join(data, "mysql"), { recursive: true });
      const scripts = await Promise.all(MARIADB_SCRIPTS.map((name) => Deno.readTextFile(join(share, name))));
      const sql = ["use mysql;", "SET @auth_root_socket=NULL;", ...scripts].join("\n");
      const [program, args] = command(["--bootstrap", `--datadir=${data}`]);
      await run(program, args, sql);
    },
  };
}

/** The command of a server among unpacked packages, which finds its own files there. */
function commandIn(packages: Unpacked, program: string, share: string): Flavour["command"] {
  return (args) =>
    packages.command(program, [
      "--no-defaults",
      ...AS_USER,
      `--lc-messages-dir=${share}`,
      `--character-sets-dir=${share}/charsets`,
      `--plugin-dir=${packages.root}/usr/lib/mysql/plugin`,
      ...args,
    ]);
}

/** Oracle's MySQL as Debian has it. */
async function mysql(): Promise<Flavour> {
  const packages = await sidPackages("mysql", ["mysql-server-core"]);
  const server = commandIn(packages, "usr/sbin/mysqld", join(packages.root, "usr/share/mysql"));
  // The default of the first is a folder that is not there.
  const command = (args: readonly string[]) => server(["--secure-file-priv=NULL", "--mysqlx=OFF", ...args]);
  return {
    name: "mysql",
    reloadTls: "ALTER INSTANCE RELOAD TLS",
    isolation: "transaction_isolation",
    // The same, with no attributes of the query in between.
    commitPacket: "\x03\x00\x01COMMIT",
    command: (args) => command([`--cte-max-recursion-depth=${RECURSIONS}`, ...args]),
    async initialise(data) {
      const [program, args] = command(["--initialize-insecure", `--datadir=${data}`]);
      await run(program, args);
    },
  };
}

async function run(program: string, args: readonly string[], input = ""): Promise<void> {
  const { success, text } = await runProgram(program, args, { input });
  if (success) return;
  throw new Error(
    text.startsWith("there is no program")
      ? `${program} is not installed; apt-get install -y mariadb-server openssl`
      : `${program} failed: ${text.slice(-2000)}`,
  );
}
