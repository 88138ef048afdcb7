/**
 * What each stage has to be allowed by Deno, and nothing beyond it: the table that the documentation has for people.
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

/** Kinds of permissions, as in `--allow-read`, with the paths, hosts or names of each. */
export type Permissions = Readonly<
  Partial<Record<"read" | "write" | "ffi" | "net" | "env" | "sys", readonly string[]>>
>;

/** By stage, what it has to be allowed; and replay, which is none. */
export type PermissionTable = Readonly<Record<Stage | "replay", Permissions>>;

/** Where replays put things back; upload writes there only where a replay was killed after its commit. */
export const REPLAYED = "sales_data/replay";

const FFI = [join(REPOSITORY, "node_modules")];

/** A folder as store and a DuckDB file as database, under the default prefixes. */
export function embeddedPermissions({ config, store, workDir }: Workspace): PermissionTable {
  const compute = { read: [workDir], write: [workDir], ffi: FFI };
  const writes = (...prefixes: string[]) => [workDir, ...prefixes.map((prefix) => join(store, prefix))];
  const read = [config, store, workDir];
  return {
    download: { read, write: [workDir], ffi: FFI },
    validate: compute,
    "transform-customer": compute,
    "transform-sales": compute,
    upload: {
      read,
      write: writes(
        // Where the store writes a file before it gives it its place.
        ".nightly-marts",
        "_staging",
        "_runs",
        "accepted_sales",
        "customer_data_mart",
        "sales_data_mart",
        "sales_partitioned_data_mart",
        "sales_data_error",
        REPLAYED,
      ),
      ffi: FFI,
    },
    move: {
      read,
      write: writes(".nightly-marts", "sales_data", "sales_data_processed", "sales_data_error"),
      ffi: FFI,
    },
    cleanup: { read: [config, workDir], write: [workDir], ffi: FFI },
    replay: { read, write: writes(".nightly-marts", "_staging", "_runs", REPLAYED), ffi: FFI },
  };
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

/**
 * A bucket and a MySQL, with the bucket's credentials in the configuration. Besides, {@linkcode IGNORED_ENVIRONMENT}:
 * the SDK looks for some twenty variables, and has to find that they are not set.
 */
export function remotePermissions({ config, workDir }: Workspace, places: RemotePlaces): PermissionTable {
  const { s3, mysql, passwordVariable } = places;
  const files = { read: [config, workDir], write: [workDir] };
  const compute = { read: [workDir], write: [workDir], ffi: FFI };
  // Without HOME the SDK asks the system who runs it.
  const remote = { ...files, net: [s3, mysql], env: ["HOME", passwordVariable], sys: ["osRelease"] };
  return {
    download: { ...remote, ffi: FFI },
    validate: compute,
    "transform-customer": compute,
    "transform-sales": compute,
    upload: { ...remote, ffi: FFI },
    move: remote,
    cleanup: { ...files, net: [mysql], env: [passwordVariable] },
    replay: { ...remote, ffi: FFI },
  };
}

/** Variables that are not allowed count as not set. */
export const IGNORED_ENVIRONMENT = "--ignore-env";

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
