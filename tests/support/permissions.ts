/**
 * What each stage has to be allowed by Deno, and nothing beyond it: the one table that `deno.json`, the Kubernetes
 * manifests and the documentation are checked against. That each part of it is needed, and all of it enough, is shown by
 * `tests/tasks/permissions_test.ts` and `tests/integration/permissions_test.ts`.
 *
 * DuckDB reads and writes past these permissions, with what `ffi` loads; it locks itself to the run's folder, and the
 * database's stages to the work dir and the database file.
 *
 * @module
 */
import { join } from "node:path";
import { REPOSITORY } from "./task.ts";
import type { Workspace } from "./workspace.ts";

/** The stages in their order, with whether one needs nothing but the work dir. */
export const STAGES = {
  download: false,
  validate: true,
  "transform-customer": true,
  "transform-sales": true,
  upload: false,
  move: false,
  cleanup: false,
} as const;

/** The name of a stage. */
export type Stage = keyof typeof STAGES;
/** The stages in their order. */
export const STAGE_NAMES = Object.keys(STAGES) as Stage[];

/** What has a row in the table: the stages, and replay, which is none. */
export type Role = Stage | "replay";
/** All roles, in the order of the documentation. */
export const ROLES: readonly Role[] = [...STAGE_NAMES, "replay"];

/** Kinds of permissions, as in `--allow-read`, with the paths, hosts or names of each. */
export type Permissions = Readonly<
  Partial<Record<"read" | "write" | "net" | "env" | "sys" | "ffi", readonly string[]>>
>;

/** What each role has to be allowed. */
export type PermissionTable = Readonly<Record<Role, Permissions>>;

/** Where replays put things back; upload writes there only if a replay was killed after its commit. */
export const REPLAYED = "sales_data/replay";

/** What a value of {@linkcode PERMISSIONS} begins with if it is another one in each deployment. */
export type Place =
  /** Paths: the configuration file, the model with its queries, the folder store, the work dir, the program's packages. */
  | "CONFIG"
  | "MODEL"
  | "STORE"
  | "WORK"
  | "node_modules"
  /** The hosts of the bucket and of the database. */
  | "S3"
  | "MYSQL"
  /** The variables that the configuration names in `${…}`. */
  | "NAMES";

const COMPUTE: Permissions = { read: ["WORK"], write: ["WORK"], ffi: ["node_modules"] };
/** What all that use the folder store read. */
const READ = ["CONFIG", "STORE", "WORK"];
/** What all that use a bucket and a MySQL are allowed. Without HOME the SDK asks the system who runs it. */
const REMOTE: Permissions = {
  read: ["CONFIG", "WORK"],
  write: ["WORK"],
  net: ["S3", "MYSQL"],
  env: ["HOME", "NAMES"],
  sys: ["osRelease"],
};
/** Paths of the folder store, under the default prefixes; in `.nightly-marts` a file is written before it gets its place. */
const inStore = (...paths: string[]) => paths.map((path) => `STORE/${path}`);

/** The table, by kind of deployment. */
export const PERMISSIONS: Readonly<Record<"embedded" | "remote", PermissionTable>> = {
  /** A folder as store and a DuckDB file as database. */
  embedded: {
    download: { read: [...READ, "MODEL"], write: ["WORK"], ffi: ["node_modules"] },
    validate: COMPUTE,
    "transform-customer": COMPUTE,
    "transform-sales": COMPUTE,
    upload: {
      read: READ,
      write: [
        "WORK",
        ...inStore(".nightly-marts", "_staging", "_runs", "accepted_sales", "customer_data_mart"),
        ...inStore("sales_data_mart", "sales_partitioned_data_mart", "sales_data_error", REPLAYED),
      ],
      ffi: ["node_modules"],
    },
    move: {
      read: READ,
      write: [
        "WORK",
        ...inStore(".nightly-marts", "sales_data", "sales_data_processed", "sales_data_error"),
      ],
      ffi: ["node_modules"],
    },
    cleanup: { read: ["CONFIG", "WORK"], write: ["WORK"], ffi: ["node_modules"] },
    replay: {
      read: [...READ, "MODEL"],
      write: ["WORK", ...inStore(".nightly-marts", "_staging", "_runs", REPLAYED)],
      ffi: ["node_modules"],
    },
  },
  /**
   * A bucket and a MySQL, with the bucket's credentials in the configuration. Besides, {@linkcode IGNORED_ENVIRONMENT}:
   * the SDK looks for some twenty variables, and has to find that they are not set.
   */
  remote: {
    download: { ...REMOTE, read: ["CONFIG", "MODEL", "WORK"], ffi: ["node_modules"] },
    validate: COMPUTE,
    "transform-customer": COMPUTE,
    "transform-sales": COMPUTE,
    upload: { ...REMOTE, ffi: ["node_modules"] },
    move: REMOTE,
    cleanup: { read: ["CONFIG", "WORK"], write: ["WORK"], net: ["MYSQL"], env: ["NAMES"] },
    replay: { ...REMOTE, read: ["CONFIG", "MODEL", "WORK"], ffi: ["node_modules"] },
  },
};

/** Variables that are not allowed count as not set. */
export const IGNORED_ENVIRONMENT = "--ignore-env";

/** The permissions with a deployment's own values: every place that a value is or begins with becomes what it is there. */
export function fillIn(
  permissions: Permissions,
  places: Readonly<Partial<Record<Place, readonly string[]>>>,
): Permissions {
  const fill = (value: string): readonly string[] => {
    const [place = "", ...rest] = value.split("/");
    const found = Object.entries(places).find(([name]) => name === place)?.[1];
    return found?.map((path) => [path, ...rest].join("/")) ?? [value];
  };
  const kinds = Object.entries(permissions) as [keyof Permissions, readonly string[]][];
  return Object.fromEntries(kinds.map(([kind, values]) => [kind, values.flatMap(fill)]));
}

function fillInAll(table: PermissionTable, places: Parameters<typeof fillIn>[1]): PermissionTable {
  const rows = ROLES.map((role) => [role, fillIn(table[role], places)]);
  return Object.fromEntries(rows);
}

/** The shipped model: the file, and the folder of its queries. */
export const MODEL = [join(REPOSITORY, "config", "model.jsonc"), join(REPOSITORY, "tasks", "sql")];

/** What is the program's own: its packages, and the shipped model. */
const PROGRAM = { node_modules: [join(REPOSITORY, "node_modules")], MODEL };

/** The permissions in a workspace with a folder as store and a DuckDB file as database. */
export function embeddedPermissions({ config, store, workDir }: Workspace): PermissionTable {
  return fillInAll(PERMISSIONS.embedded, {
    CONFIG: [config],
    STORE: [store],
    WORK: [workDir],
    ...PROGRAM,
  });
}

/** Where a bucket and a MySQL are. */
export interface RemotePlaces {
  /** `HOST:PORT` of the S3 server. */
  readonly s3: string;
  /** `HOST:PORT` of the database server. */
  readonly mysql: string;
  /** The variable that the configuration takes the database's password from. */
  readonly passwordVariable: string;
}

/** The permissions in a workspace whose store is a bucket and whose database is a MySQL. */
export function remotePermissions(
  { config, workDir }: Workspace,
  { s3, mysql, passwordVariable }: RemotePlaces,
): PermissionTable {
  return fillInAll(PERMISSIONS.remote, {
    CONFIG: [config],
    WORK: [workDir],
    S3: [s3],
    MYSQL: [mysql],
    NAMES: [passwordVariable],
    ...PROGRAM,
  });
}

/** The kinds that a role needs in one deployment or the other. */
export function kindsOf(role: Role): (keyof Permissions)[] {
  return Object.keys({ ...PERMISSIONS.embedded[role], ...PERMISSIONS.remote[role] }) as (keyof Permissions)[];
}

/** The permissions in the words of the documentation: `read CONFIG, WORK; write WORK`. */
export function renderPermissions(permissions: Permissions): string {
  return Object.entries(permissions).map(([kind, values]) => `${kind} ${values.join(", ")}`).join("; ");
}

/** The flags that give these permissions. */
export function flagsOf(permissions: Permissions): string[] {
  return Object.entries(permissions)
    .filter(([, values]) => values.length > 0).map(([kind, values]) => `--allow-${kind}=${values.join(",")}`);
}

/** A permission's kind and one of its values, and the permissions without it. */
export interface LeftOut {
  readonly kind: keyof Permissions;
  readonly value: string;
  readonly permissions: Permissions;
}

/** Every value of every permission left out by itself. */
export function leaveOutEach(permissions: Permissions): LeftOut[] {
  const kinds = Object.entries(permissions) as [keyof Permissions, readonly string[]][];
  return kinds.flatMap(([kind, values]) =>
    values.map((value) => ({
      kind,
      value,
      permissions: { ...permissions, [kind]: values.filter((other) => other !== value) },
    }))
  );
}
