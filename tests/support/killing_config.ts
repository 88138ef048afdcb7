/**
 * The config task that kills itself at the file operation whose number is in `KILL_AT`, from 0; says its name before.
 *
 * @module
 */
const killAt = Number(Deno.env.get("KILL_AT"));
let operationCount = 0;

/** Puts a check before every call of a function of the runtime. */
function watch<T extends object, K extends keyof T>(owner: T, name: K): void {
  const original = owner[name] as (...args: unknown[]) => unknown;
  owner[name] = function (this: unknown, ...args: unknown[]) {
    if (operationCount++ === killAt) {
      Deno.stderr.writeSync(new TextEncoder().encode(`killed before ${String(name)}\n`));
      Deno.kill(Deno.pid, "SIGKILL");
    }
    return original.apply(this, args);
  } as T[K];
}

for (
  const name of ["open", "makeTempFile", "chmod", "chown", "rename", "stat", "realPath", "readFile"] as const
) {
  watch(Deno, name);
}
for (const name of ["write", "sync", "close", "stat", "tryLock"] as const) watch(Deno.FsFile.prototype, name);

const { mainOf } = await import("../../lib/command/toolbox.ts");
const { actions } = await import("../../tasks/config.ts");
await mainOf({ name: "config", description: "Config that is killed.", actions });
