/**
 * Whether documents are what their kind allows, strictly: each becomes an object literal of the kind's TypeScript type, in
 * which the compiler takes no field that is unknown, no value of another type, and no other word than those of an enum.
 *
 * The types of `kubernetes-models` are generated from the OpenAPI description of Kubernetes.
 *
 * @module
 */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { removeAtEnd } from "../support/ending.ts";
import { REPOSITORY } from "../support/task.ts";
import type { Document } from "./documents.ts";

const OWN_TYPES: Readonly<Record<string, string>> = {
  "monitoring.coreos.com/v1": pathToFileURL(join(REPOSITORY, "tests/k8s/prometheus_rule.ts")).href,
};

/** What is wrong with each of the documents, in one run of the compiler. */
export async function typeProblems(documents: readonly Document[]): Promise<string[][]> {
  const folder = await Deno.makeTempDir({ prefix: "nightly-marts-k8s-" });
  try {
    const file = join(folder, "documents.ts");
    await Deno.writeTextFile(file, documents.map(declaration).join("\n"));
    const { stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["check", "--config", join(REPOSITORY, "deno.json"), file],
      env: { NO_COLOR: "1" },
    }).output();
    return problemsByLine(new TextDecoder().decode(stderr), documents.length);
  } finally {
    await removeAtEnd(folder);
  }
}

/** One line for each document. */
function declaration(document: Document, index: number): string {
  const { apiVersion, kind } = document;
  const module = OWN_TYPES[apiVersion] ?? `kubernetes-models/${apiVersion}/${kind}`;
  return `export const d${index}: import("${module}").I${kind} = ${JSON.stringify(document)};`;
}

/** The compiler ends each problem with its place, `at file:///…/documents.ts:LINE:COLUMN`. */
function problemsByLine(output: string, lineCount: number): string[][] {
  const problems: string[][] = Array.from({ length: lineCount }, () => []);
  let text = "";
  for (const line of output.split("\n")) {
    const [, number] = /^ +at file:.*\/documents\.ts:(\d+):\d+$/.exec(line) ?? [];
    if (number !== undefined) {
      problems[Number(number) - 1]?.push(text);
      text = "";
    } else if (/\[ERROR\]/.test(line)) {
      text = line;
    }
  }
  const found = problems.flat().length;
  if (found === 0 && !/^(Check .*\s*)?$/.test(output.trim())) throw new Error(output);
  return problems;
}
