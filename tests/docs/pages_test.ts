/**
 * The rules that every page keeps: its links lead somewhere, the files and tasks that it names are there, and the
 * README leads to it. Each rule is shown to fail on a sample that breaks it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join, posix } from "node:path";
import project from "../../deno.json" with { type: "json" };
import { type Page, parsePage, readPages } from "../support/pages.ts";
import { REPOSITORY } from "../support/task.ts";
import { listFiles } from "../support/tree.ts";

/** A README that nobody reads through helps nobody. */
const README_LINES = 200;
/** The folders of the repository; a code that begins with one is a path. */
const TOP_FOLDERS = ["lib", "tasks", "tests", "config", "docs", "k8s", ".ci"];
/** Names of such files always are paths of the repository. */
const OUR_ENDINGS = /^[\w./-]+\.(ts|sql|py)$/;
/** What stands for a name: a word of capitals, a dash of dots, a star. */
const PLACEHOLDER = /[A-Z]{3,}|…|\*/;

/** What the pages may name. */
interface Repository {
  /** Paths of all files. */
  readonly files: readonly string[];
  readonly tasks: readonly string[];
}

/** The faults of a set of pages, each with its file and line. */
function checkPages(pages: readonly Page[], repository: Repository): string[] {
  const readme = pages.find(({ path }) => path === "README.md");
  const linked = new Set(readme?.links.map(({ text }) => resolve("README.md", text).file));
  return [
    ...pages.flatMap((page) => [
      ...checkLinks(page, pages, repository),
      ...checkCode(page, repository),
      ...checkCommands(page, repository),
    ]),
    ...pages.filter(({ path }) => /^docs\//.test(path) && !linked.has(path))
      .map(({ path }) => `README.md does not lead to ${path}`),
    ...(readme?.lineCount ?? 0) > README_LINES
      ? [`README.md has ${readme?.lineCount} lines, more than ${README_LINES}`]
      : [],
  ];
}

/** A link's file, relative to the repository, and what stands behind its `#`. */
function resolve(from: string, link: string): { file: string; anchor: string | undefined } {
  const [target = "", anchor] = link.split("#");
  const file = target === "" ? from : posix.join(posix.dirname(from), target);
  return { file: file.replace(/\/$/, ""), anchor };
}

function checkLinks(page: Page, pages: readonly Page[], { files }: Repository): string[] {
  return page.links.filter(({ text }) => !/^https?:/.test(text)).flatMap(({ line, text }) => {
    const { file, anchor } = resolve(page.path, text);
    if (!isThere(file, files)) return [`${page.path}:${line}: ${text} leads nowhere`];
    const target = pages.find(({ path }) => path === file);
    return anchor === undefined || target?.anchors.has(anchor)
      ? []
      : [`${page.path}:${line}: ${text} leads to no heading`];
  });
}

function checkCode(page: Page, { files }: Repository): string[] {
  return page.code.filter(({ text }) => isOurPath(text) && !isThere(text.replace(/\/$/, ""), files))
    .map(({ line, text }) => `${page.path}:${line}: there is no file ${text}`);
}

function isOurPath(code: string): boolean {
  if (/[\s"'$]/.test(code) || PLACEHOLDER.test(code)) return false;
  const [top = "", ...rest] = code.split("/");
  return rest.length > 0 && TOP_FOLDERS.includes(top) || OUR_ENDINGS.test(code);
}

/** Whether it is a file or a folder. */
function isThere(path: string, files: readonly string[]): boolean {
  return path === "." || files.some((file) => file === path || file.startsWith(`${path}/`));
}

/** Commands in blocks for a shell, and those within the text. */
function checkCommands(page: Page, { tasks }: Repository): string[] {
  const texts = [
    ...page.blocks.filter(({ language }) => language === "sh").flatMap(({ line, text }) =>
      text.split("\n").map((command, index) => ({ line: line + 1 + index, text: command }))
    ),
    ...page.code,
  ];
  return texts.flatMap(({ line, text }) =>
    [...text.matchAll(/\bdeno(?:@[\d.]+)? task ([\w:-]+)/g)]
      .filter(([, name = ""]) => !PLACEHOLDER.test(name) && !tasks.includes(name))
      .map(([, name]) => `${page.path}:${line}: there is no task ${name}`)
  );
}

async function readRepository(): Promise<Repository> {
  const files: string[] = [];
  for await (const { name, isFile } of Deno.readDir(REPOSITORY)) if (isFile) files.push(name);
  for (const top of TOP_FOLDERS) {
    files.push(...(await listFiles(join(REPOSITORY, top))).map((name) => `${top}/${name}`));
  }
  return { files, tasks: Object.keys(project.tasks) };
}

function readText(path: string): Promise<string> {
  return Deno.readTextFile(join(REPOSITORY, path));
}

Deno.test("all pages lead somewhere and name what is there, and the README leads to those in docs/", async () => {
  const repository = await readRepository();
  const paths = repository.files.filter((file) =>
    file.endsWith(".md") && !file.startsWith("tests/testdata/")
  );
  const pages = await Promise.all(paths.map(async (path) => parsePage(path, await readText(path))));
  assert.ok(paths.includes("README.md") && paths.length > 10, "the pages were not found");
  assert.deepEqual(checkPages(pages, repository), []);
});

Deno.test("pages and headings that the program, its manifests and examples name are there", async () => {
  const { files } = await readRepository();
  const pages = await readPages();
  const naming = files.filter((file) => /^(lib|tasks|config|k8s|Dockerfile)/.test(file));
  let count = 0;
  for (const file of naming) {
    for (
      const [name, path, anchor] of (await readText(file)).matchAll(/\b(docs\/[\w-]+\.md)(?:#([\w-]+))?/g)
    ) {
      const page = pages.find((page) => page.path === path);
      assert.ok(page && (anchor === undefined || page.anchors.has(anchor)), `${file}: there is no ${name}`);
      count++;
    }
  }
  assert.ok(count >= 10, "the names were not found");
});

Deno.test("the architecture page shows every room of lib/", async () => {
  const page = parsePage("docs/architecture.md", await readText("docs/architecture.md"));
  const picture = page.blocks.find(({ language }) => language === "text")?.text ?? "";
  const shown = picture.match(/\b[a-z_0-9]+(\/|\.ts)/g) ?? [];
  const rooms = new Set<string>(["tasks/", "sql/"]);
  for await (const { name, isDirectory } of Deno.readDir(join(REPOSITORY, "lib"))) {
    rooms.add(isDirectory ? `${name}/` : name);
  }
  assert.deepEqual([...new Set(shown)].sort(), [...rooms].sort());
});

/** Pages that break a rule, with what has to be said about them; nothing if they are good. */
const SAMPLES: readonly { name: string; pages: Record<string, string>; says: string[] }[] = [
  {
    name: "what is allowed",
    pages: {
      "README.md":
        "# A\n\n[b](docs/b.md#two-words), [A](#a), [folder](lib/), [web](https://example.com/x#y)\n" +
        "`lib/errors.ts`, `tests/`, `deno task ok`, `tasks/sql/NAME.sql`, `my.jsonc`, `etc/pipeline.jsonc`\n",
      "docs/b.md": "## Two words\n\n## Two words\n\n[again](b.md#two-words-1), [up](../lib/errors.ts)\n\n" +
        "```sh\n# a comment\nnpx -y deno@2.9.6 task ok && deno task test:k8s\n```\n\n" +
        "```text\n[not](a-link.md), `lib/nothing.ts`\n```\n",
    },
    says: [],
  },
  {
    name: "links that lead nowhere",
    pages: { "README.md": "# A\n\n[gone](docs/gone.md) and [up](../outside.md)\n[empty](#b)\n" },
    says: [
      "README.md:3: docs/gone.md leads nowhere",
      "README.md:3: ../outside.md leads nowhere",
      "README.md:4: #b leads to no heading",
    ],
  },
  {
    name: "an anchor of another page that is only in a block there",
    pages: { "README.md": "[b](docs/b.md#c)\n", "docs/b.md": "# B\n\n```sh\n# C\n```\n" },
    says: ["README.md:1: docs/b.md#c leads to no heading"],
  },
  {
    name: "files that are not there",
    pages: { "README.md": "`canary_test.ts` and `tests/secrets/canary_test.ts`\n`k8s/base/` `k8s/best/`\n" },
    says: [
      "README.md:1: there is no file canary_test.ts",
      "README.md:1: there is no file tests/secrets/canary_test.ts",
      "README.md:2: there is no file k8s/best/",
    ],
  },
  {
    name: "tasks that are not there",
    pages: { "README.md": "`deno task okay`\n\n```sh\ndeno task ok\nnpx -y deno@2.9.6 task tset --x\n```\n" },
    says: ["README.md:5: there is no task tset", "README.md:1: there is no task okay"],
  },
  {
    name: "a page that the README does not lead to",
    pages: { "README.md": "# A\n", "docs/b.md": "[c](c.md)\n", "docs/c.md": "# C\n" },
    says: ["README.md does not lead to docs/b.md", "README.md does not lead to docs/c.md"],
  },
  {
    name: "a README that is too long",
    pages: { "README.md": "a\n".repeat(201) },
    says: ["README.md has 201 lines, more than 200"],
  },
];

for (const { name, pages, says } of SAMPLES) {
  Deno.test(`checkPages() ${says.length ? "complains" : "says nothing"}, when it sees ${name}`, () => {
    const repository = {
      files: ["lib/errors.ts", "tests/imports_test.ts", "k8s/base/cronjob.yaml", ...Object.keys(pages)],
      tasks: ["ok", "test:k8s"],
    };
    const parsed = Object.entries(pages).map(([path, source]) => parsePage(path, source));
    assert.deepEqual(checkPages(parsed, repository), says);
  });
}

Deno.test("parsePage() refuses a block without an end", () => {
  assert.throws(() => parsePage("docs/b.md", "a\n\n```sh\nls\n"), /docs\/b\.md:3: the block has no end/);
});
