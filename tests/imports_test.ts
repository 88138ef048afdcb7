/**
 * The rules of how the modules of `lib/` and `tasks/` may depend on each other and on the outside, checked on their
 * syntax trees. Each rule is shown to fail on a sample that breaks it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join, posix } from "node:path";
import { REPOSITORY } from "./support/task.ts";
import { listFiles } from "./support/tree.ts";

/** The only file that has the process itself: its arguments, its end, and what Node's part of the runtime has of it. */
const PROCESS = "lib/command/process.ts";
/** The only file that has the outside world: environment, clock and chance. */
const WORLD = "lib/command/world.ts";

/** Each driver package with the only files that may import it, which must do so. */
const DRIVERS: Readonly<Record<string, readonly string[]>> = {
  "@aws-sdk/client-s3": ["lib/store/s3/bucket.ts", "lib/store/s3/client.ts"],
  "@duckdb/node-api": ["lib/duckdb/duckdb.ts"],
  mysql2: ["lib/database/mysql/connection.ts"],
};

/** What is a driver package, also where the list above does not know it yet. */
const DRIVER_PACKAGE = /^(?:npm:)?(@duckdb\/[^/@]+|mysql2|@aws-sdk\/[^/@]+)/;

/** Tasks that run the stages of other tasks. */
const STAGE_RUNNERS = ["tasks/pipeline.ts", "tasks/demo.ts"];

/**
 * The floors of `lib/` from the ground up: folders and files of `lib/`. A module may import what lies on a lower floor,
 * and what lies in its own folder.
 */
const FLOORS: readonly (readonly string[])[] = [
  ["errors.ts", "text.ts", "glob.ts", "sql.ts", "column_type.ts", "source_file.ts", "bytes.ts", "backend.ts"],
  ["csv", "duckdb", "secrets", "atomic_file.ts", "authorities.ts", "gzip.ts"],
  ["store", "database", "engine", "output"],
  ["contract"],
  ["config"],
  ["model"],
  ["run"],
  ["report", "telemetry"],
  ["command", "replay", "sample"],
];

/** What only some files may use: expressions and imported names or modules. */
const CONFINED: readonly { use: RegExp; what: string; files: readonly string[] }[] = [
  {
    use: /^((Deno|process)\.(exit|exitCode|args|argv)|node:process)$/,
    what: "the process",
    files: [PROCESS],
  },
  { use: /^(Deno|process)\.env$/, what: "the environment", files: [WORLD] },
  { use: /^console\.\w+$/, what: "the console", files: ["lib/output/terminal.ts"] },
  { use: /^(Date\.now|new Date\(\)|Date\(\))$/, what: "the clock", files: [WORLD] },
  {
    use: /^(Math\.random|(crypto\.)?(randomUUID|randomBytes|randomInt|getRandomValues))$/,
    what: "randomness",
    // The folder store names its temporary files by chance, so that two writers of one key cannot meet; no result
    // depends on the name.
    files: [WORLD, "lib/store/folder/durable.ts"],
  },
];

/** What a module imports and uses. */
interface Module {
  /** Targets of all imports and re-exports, of types and dynamic ones too; relative ones as paths in the repository. */
  readonly imports: readonly string[];
  /** Whether it has nothing of its own, only re-exports. */
  readonly isBarrel: boolean;
  /** Everything that {@linkcode CONFINED} may know: member accesses, calls, `new`, imported names and modules, as text. */
  readonly uses: readonly string[];
}

/** The violations in a set of modules, given as source text by path, such as `lib/errors.ts`. */
function checkModules(sources: ReadonlyMap<string, string>, drivers = DRIVERS): string[] {
  const modules = new Map([...sources].map(([path, source]) => [path, readModule(path, source)]));
  const found: string[] = [];
  for (const [path, { imports, isBarrel, uses }] of modules) {
    for (const target of imports) {
      const driver = driverOf(target);
      if (driver ? !drivers[driver]?.includes(path) : !mayImport(path, target)) {
        found.push(`${path} may not import ${target}`);
      }
    }
    if (isBarrel) found.push(`${path} only re-exports`);
    for (const { use, what, files } of CONFINED) {
      const here = files.includes(path) ? [] : uses.filter((text) => use.test(text));
      found.push(...here.map((text) => `${path} may not use ${what}: ${text}`));
    }
  }
  for (const [driver, files] of Object.entries(drivers)) {
    const idle = files.filter((file) =>
      !modules.get(file)?.imports.some((target) => driverOf(target) === driver)
    );
    found.push(...idle.map((file) => `${file} is listed for ${driver} but does not import it`));
  }
  return [...found, ...findCycles(modules)];
}

function driverOf(target: string): string | undefined {
  return DRIVER_PACKAGE.exec(target)?.[1];
}

/** Packages are free. Else: anything to lib, tasks to the SQL beside them, and only those that run stages to tasks. */
function mayImport(from: string, target: string): boolean {
  if (!/^(lib|tasks|tests|\.\.)\//.test(target) || target.startsWith("lib/")) return true;
  if (!from.startsWith("tasks/") || !target.startsWith("tasks/")) return false;
  return target.startsWith("tasks/sql/") || STAGE_RUNNERS.includes(from);
}

/** Imports between the floors of `lib/` that do not lead down, and files and folders that are on no floor. */
function checkFloors(modules: ReadonlyMap<string, Pick<Module, "imports">>, floors = FLOORS): string[] {
  const roomOf = (path: string) => path.split("/")[1] ?? "";
  const floorOf = (path: string) => floors.findIndex((rooms) => rooms.includes(roomOf(path)));
  const found: string[] = [];
  for (const [path, { imports }] of modules) {
    if (!path.startsWith("lib/")) continue;
    if (floorOf(path) < 0) found.push(`${path} is on no floor`);
    const upward = imports.filter((target) =>
      target.startsWith("lib/") && roomOf(target) !== roomOf(path) && floorOf(target) >= floorOf(path)
    );
    found.push(...upward.map((target) => `${path} may not import ${target}: it is not on a lower floor`));
  }
  return found;
}

/** Each cycle once, as a path that ends where it began. */
function findCycles(modules: ReadonlyMap<string, Module>): string[] {
  const cycles: string[] = [];
  const finished = new Set<string>();
  const visit = (path: string, trail: readonly string[]) => {
    if (trail.includes(path)) {
      cycles.push(`cycle: ${[...trail.slice(trail.indexOf(path)), path].join(" → ")}`);
    } else if (!finished.has(path)) {
      const targets = modules.get(path)?.imports.filter((target) => modules.has(target)) ?? [];
      for (const target of targets) visit(target, [...trail, path]);
      finished.add(path);
    }
  };
  for (const path of modules.keys()) visit(path, []);
  return cycles;
}

/** Reads a module with Deno's own parser, which the linter lends to plugins in tests. */
function readModule(path: string, source: string): Module {
  const imports: string[] = [];
  const uses: string[] = [];
  let isBarrel = false;
  const note = (target: unknown) => {
    if (typeof target !== "string") return;
    imports.push(/^\.\.?\//.test(target) ? posix.join(posix.dirname(path), target) : target);
    uses.push(target);
  };
  const create = ({ sourceCode }: Deno.lint.RuleContext): Deno.lint.LintVisitor => {
    const use = (node: Deno.lint.Node) =>
      void uses.push(
        sourceCode.getText(node).replace(/^(new )?globalThis\./, "$1").replace(/^new Date$/, "$&()"),
      );
    return {
      Program({ body }) {
        const own = body.filter((node) =>
          node.type !== "ImportDeclaration" && node.type !== "ExportAllDeclaration" &&
          (node.type !== "ExportNamedDeclaration" || node.declaration !== null)
        );
        isBarrel = own.length === 0 && body.some((node) => node.type !== "ImportDeclaration");
      },
      ImportDeclaration({ source, specifiers }) {
        note(source.value);
        for (const specifier of specifiers) {
          if (specifier.type === "ImportSpecifier") use(specifier.imported);
        }
      },
      ExportAllDeclaration: ({ source }) => note(source.value),
      ExportNamedDeclaration: ({ source }) => note(source?.value),
      ImportExpression: ({ source }) => note(source.type === "Literal" ? source.value : undefined),
      "TSImportType > TSLiteralType > Literal": ({ value }: Deno.lint.StringLiteral) => note(value),
      MemberExpression: use,
      NewExpression: use,
      CallExpression: use,
    };
  };
  Deno.lint.runPlugin({ name: "imports", rules: { read: { create } } }, path, source);
  return { imports, isBarrel, uses };
}

Deno.test("lib and tasks keep the rules of who may import and use what", async () => {
  const sources = new Map<string, string>();
  for (const folder of ["lib", "tasks"]) {
    for (const file of (await listFiles(join(REPOSITORY, folder))).filter((name) => name.endsWith(".ts"))) {
      sources.set(`${folder}/${file}`, await Deno.readTextFile(join(REPOSITORY, folder, file)));
    }
  }
  assert.ok(sources.has(PROCESS) && sources.has("tasks/pipeline.ts"), "the sources were not found");
  assert.deepEqual(checkModules(sources), []);
  const modules = new Map([...sources].map(([path, source]) => [path, readModule(path, source)]));
  assert.deepEqual(checkFloors(modules), []);
});

Deno.test("checkFloors() complains, when an import leads up or across, or a file is on no floor", () => {
  const modules = (sources: Record<string, string[]>) =>
    new Map(Object.entries(sources).map(([path, imports]) => [path, { imports }]));
  const floors = [["errors.ts"], ["csv", "duckdb"], ["store"]];
  const good = {
    "lib/errors.ts": [],
    "lib/csv/a.ts": ["lib/csv/b.ts", "lib/errors.ts"],
    "lib/store/s3/a.ts": ["lib/csv/a.ts"],
  };
  assert.deepEqual(checkFloors(modules(good), floors), []);
  const bad = {
    "lib/errors.ts": ["lib/csv/a.ts"],
    "lib/csv/a.ts": ["lib/duckdb/a.ts"],
    "lib/cellar/a.ts": [],
    "tasks/a.ts": ["lib/store/s3/a.ts"],
  };
  assert.deepEqual(checkFloors(modules(bad), floors), [
    "lib/errors.ts may not import lib/csv/a.ts: it is not on a lower floor",
    "lib/csv/a.ts may not import lib/duckdb/a.ts: it is not on a lower floor",
    "lib/cellar/a.ts is on no floor",
  ]);
});

/** Modules that break a rule by their paths, with what has to be said about them; nothing where they are good. */
const SAMPLES: readonly { name: string; modules: Record<string, string>; says: string[] }[] = [
  {
    name: "what is allowed",
    modules: {
      "lib/command/process.ts": 'import { argv } from "node:process"; argv; Deno.args; Deno.exit();',
      "lib/command/world.ts": "Deno.env.get('A'); Date.now(); new Date(); crypto.randomUUID();",
      "lib/output/terminal.ts": 'import * as logtape from "@logtape/logtape"; console.error(logtape);',
      "lib/store/folder/durable.ts":
        'import { log } from "../log.ts"; export const name = crypto.randomUUID() + log;',
      "lib/instant.ts":
        "// Date.now() is said in a comment only.\nexport const day = new Date(0), text = 'Deno.env';",
      "tasks/move.ts":
        'import "../lib/output/terminal.ts"; import text from "./sql/a.sql" with { type: "text" }; text;',
      "tasks/pipeline.ts": 'import { move } from "./move.ts"; export { move }; move();',
    },
    says: [],
  },
  {
    name: "lib imports a task",
    modules: { "lib/a.ts": 'const { b } = await import("../tasks/b.ts"); b();' },
    says: ["lib/a.ts may not import tasks/b.ts"],
  },
  {
    name: "lib imports a task's SQL",
    modules: { "lib/a.ts": 'import a from "../tasks/sql/a.sql" with { type: "text" }; a;' },
    says: ["lib/a.ts may not import tasks/sql/a.sql"],
  },
  {
    name: "a task imports a test",
    modules: {
      "tasks/a.ts": 'type Row = import("../tests/support/rows.ts").Row; export const row: Row = [];',
    },
    says: ["tasks/a.ts may not import tests/support/rows.ts"],
  },
  {
    name: "a stage imports a stage",
    modules: {
      "tasks/move.ts": 'import type { upload } from "./upload.ts"; export type Move = typeof upload;',
    },
    says: ["tasks/move.ts may not import tasks/upload.ts"],
  },
  {
    name: "a cycle of re-exports and types",
    modules: {
      "lib/a.ts": 'export { b } from "./b.ts"; export const a = 1;',
      "lib/b.ts": 'import type { c } from "./c/c.ts"; export const b = (x: typeof c) => x;',
      "lib/c/c.ts": 'export * from "../a.ts"; export const c = 1;',
    },
    says: ["cycle: lib/a.ts → lib/b.ts → lib/c/c.ts → lib/a.ts"],
  },
  {
    name: "barrel files",
    modules: {
      "lib/mod.ts": '/** All. */\nexport * from "./a.ts"; export type { B } from "./b.ts";',
      "lib/all.ts": 'import { a } from "./a.ts"; export { a };',
    },
    says: ["lib/mod.ts only re-exports", "lib/all.ts only re-exports"],
  },
  {
    name: "drivers outside their file",
    modules: {
      "lib/a.ts": 'import type { Json } from "@duckdb/node-api"; export type A = Json;',
      "lib/b.ts":
        'import mysql from "mysql2/promise"; import { S3 } from "npm:@aws-sdk/client-s3@3.1.0"; mysql, S3;',
    },
    says: [
      "lib/a.ts may not import @duckdb/node-api",
      "lib/b.ts may not import mysql2/promise",
      "lib/b.ts may not import npm:@aws-sdk/client-s3@3.1.0",
    ],
  },
  {
    name: "the process",
    modules: {
      "lib/a.ts": "export const a = `${Deno.env.get('A')}`; if (Deno.args[0]) globalThis.Deno.exit(1);",
      "tasks/b.ts": 'import { argv } from "node:process"; argv; process.env;',
    },
    says: [
      "lib/a.ts may not use the process: Deno.args",
      "lib/a.ts may not use the process: Deno.exit",
      "lib/a.ts may not use the environment: Deno.env",
      "tasks/b.ts may not use the process: node:process",
      "tasks/b.ts may not use the environment: process.env",
    ],
  },
  {
    name: "the console",
    modules: { "lib/command/main.ts": "export const print = console.log;" },
    says: ["lib/command/main.ts may not use the console: console.log"],
  },
  {
    name: "the clock",
    modules: {
      "lib/output/log.ts": "export const now = Date.now; export const a = [new Date(), new Date, Date()];",
    },
    says: [
      "lib/output/log.ts may not use the clock: Date.now",
      "lib/output/log.ts may not use the clock: new Date()",
      "lib/output/log.ts may not use the clock: new Date()",
      "lib/output/log.ts may not use the clock: Date()",
    ],
  },
  {
    name: "randomness",
    modules: {
      "lib/a.ts":
        'import { randomBytes as make } from "node:crypto"; make(8); Math.random(); crypto.randomUUID();',
    },
    says: [
      "lib/a.ts may not use randomness: randomBytes",
      "lib/a.ts may not use randomness: Math.random",
      "lib/a.ts may not use randomness: crypto.randomUUID",
    ],
  },
];

for (const { name, modules, says } of SAMPLES) {
  Deno.test(`checkModules() ${says.length ? "complains" : "says nothing"}, when it sees ${name}`, () => {
    assert.deepEqual(checkModules(new Map(Object.entries(modules)), {}), says);
  });
}

Deno.test("checkModules() complains, when a file no longer imports the driver it is listed for", () => {
  const drivers = { "@duckdb/node-api": ["lib/duckdb/duckdb.ts"] };
  const good = new Map([["lib/duckdb/duckdb.ts", 'import "@duckdb/node-api";']]);
  assert.deepEqual(checkModules(good, drivers), []);
  const says = ["lib/duckdb/duckdb.ts is listed for @duckdb/node-api but does not import it"];
  assert.deepEqual(checkModules(new Map([["lib/duckdb/duckdb.ts", "export const a = 1;"]]), drivers), says);
  assert.deepEqual(checkModules(new Map(), drivers), says);
});
