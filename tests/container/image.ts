/**
 * The image as `docker build` makes it, on a base image that stands in for the official one: Debian with tini from its
 * packages and the Deno that runs the test, in the places where the official image has them. So no registry is asked
 * for an image.
 *
 * @module
 */
import { join } from "node:path";
import { runProgram } from "../support/programs.ts";
import { REPOSITORY } from "../support/task.ts";
import type { Docker } from "./docker.ts";

/** The image's name in the engine. */
export const IMAGE = "nightly-marts:test";
/** What its labels are given. */
export const LABELS = {
  VERSION: "1.2.3",
  REVISION: "0123abc",
  CREATED: "2023-04-01T02:00:00Z",
  SOURCE: "https://git.example.com/nightly-marts",
};

const BASE_IMAGE = "nightly-marts-base:test";
const SUITE = "bookworm";
/** What the official image has besides Debian's least, and DuckDB needs. */
const PACKAGES = "ca-certificates,libstdc++6,tini,tzdata";
/** What Debian's own images for containers leave out too, and what was downloaded. */
const SUPERFLUOUS = ["usr/share/doc", "usr/share/info", "usr/share/locale", "usr/share/man"]
  .concat(["var/cache/apt", "var/lib/apt/lists"]);

/** Makes the base image and builds the image on it. */
export async function buildImage(docker: Docker): Promise<void> {
  await makeBaseImage(docker);
  const labels = Object.entries(LABELS).flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]);
  const base = ["--build-arg", `BASE_IMAGE=${BASE_IMAGE}`];
  await docker.run("build", "--quiet", "--tag", IMAGE, ...base, ...labels, REPOSITORY);
}

async function makeBaseImage(docker: Docker): Promise<void> {
  const [, version] = /^ARG BASE_IMAGE=denoland\/deno:debian-(\S+)$/m.exec(
    await Deno.readTextFile(join(REPOSITORY, "Dockerfile")),
  ) ?? [];
  if (version !== Deno.version.deno) {
    throw new Error(`The image is for Deno ${version}, this is ${Deno.version.deno}; run it with that one`);
  }
  const debian = await docker.run("import", await findDebian());
  const folder = await Deno.makeTempDir({ prefix: "base-image-" });
  try {
    await Deno.copyFile(Deno.execPath(), join(folder, "deno"));
    await Deno.chmod(join(folder, "deno"), 0o755);
    // The build trusts whom this machine trusts: it may reach the registry through a proxy with its own authority.
    const trusted = Deno.env.get("SSL_CERT_FILE") ?? "/etc/ssl/certs/ca-certificates.crt";
    await Deno.copyFile(trusted, join(folder, "ca-certificates.crt"));
    const recipe = [
      `FROM ${debian}`,
      "COPY deno /usr/bin/deno",
      "COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt",
      "RUN ln -s /usr/bin/tini /tini",
      "ENV DENO_TLS_CA_STORE=system DENO_DIR=/deno-dir/ DENO_INSTALL_ROOT=/usr/local",
    ];
    await Deno.writeTextFile(join(folder, "Dockerfile"), recipe.join("\n"));
    await docker.run("build", "--quiet", "--tag", BASE_IMAGE, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Path of a tarball with Debian, which is made where it is missing and kept in the cache folder. */
async function findDebian(): Promise<string> {
  const cache = Deno.env.get("XDG_CACHE_HOME") || join(Deno.env.get("HOME") ?? "", ".cache");
  const tarball = join(cache, "nightly-marts", `debian-${SUITE}.tar`);
  if (await Deno.stat(tarball).then((stat) => stat.isFile, () => false)) return tarball;
  await Deno.mkdir(join(cache, "nightly-marts"), { recursive: true });
  const folder = await Deno.makeTempDir({ prefix: "debian-" });
  try {
    await run("debootstrap", ["--variant=minbase", `--include=${PACKAGES}`, SUITE, folder]);
    for (const path of SUPERFLUOUS) await Deno.remove(join(folder, path), { recursive: true });
    await run("tar", ["--create", `--file=${tarball}.part`, `--directory=${folder}`, "."]);
    await Deno.rename(`${tarball}.part`, tarball);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  return tarball;
}

async function run(program: string, args: readonly string[]): Promise<void> {
  const { success, text } = await runProgram(program, args);
  if (success) return;
  const install = "apt-get install -y debootstrap debian-archive-keyring";
  throw new Error(`Cannot make the base image, which needs root and ${install}: ${text.slice(-2000)}`);
}
