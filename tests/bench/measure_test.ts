import assert from "node:assert/strict";
import { measure } from "./measure.ts";

const MIB = 1024 * 1024;
const ALLOCATE = `const held = new Uint8Array(150 * ${MIB}).fill(1);`;
/** Holds it until the process that measures has read from the kernel a hundred times more: a few samples. */
const WAIT = `
  const reads = () => Number(/syscr: (\\d+)/.exec(Deno.readTextFileSync("/proc/" + Deno.env.get("MEASURING") + "/io"))[1]);
  for (const enough = reads() + 100; reads() < enough;) await new Promise((done) => setTimeout(done, 5));
  held.at(0);`;

/** What takes memory, with the least and the most of it in MiB. */
const SCRIPTS = [
  {
    name: "one process",
    script: `Deno.env.set("MEASURING", Deno.ppid); ${ALLOCATE} ${WAIT}`,
    leastMib: 150,
    mostMib: 300,
  },
  {
    name: "a process and the child of its child",
    script:
      `${ALLOCATE} await new Deno.Command("sh", { args: ["-c", '"$0" eval "$1"; true', Deno.execPath(), ${
        JSON.stringify(ALLOCATE + WAIT)
      }], env: { MEASURING: String(Deno.ppid) } }).output(); held.at(0);`,
    leastMib: 300,
    mostMib: 600,
  },
];

for (const { name, script, leastMib, mostMib } of SCRIPTS) {
  Deno.test({
    name: `measure() finds the peak of the memory, when it is held by ${name}`,
    ignore: Deno.build.os !== "linux",
    async fn() {
      const { exitCode, peakBytes, cpuMs, stderr } = await measure([Deno.execPath(), "eval", script], ".");
      assert.equal(exitCode, 0, stderr);
      const peakMib = Number(peakBytes) / MIB;
      assert.ok(peakMib > leastMib && peakMib < mostMib, `${peakMib} MiB`);
      assert.ok(Number(cpuMs) > 0, `${cpuMs} ms of processor time`);
    },
  });
}

Deno.test("measure() gives time, output and exit code, when the command fails", async () => {
  const script = "echo out; echo err >&2; sleep 0.3; exit 3";
  const { exitCode, stdout, stderr, durationMs } = await measure(["sh", "-c", script], ".");
  assert.deepEqual({ exitCode, stdout, stderr }, { exitCode: 3, stdout: "out\n", stderr: "err\n" });
  assert.ok(durationMs >= 300, `${durationMs} ms`);
});
