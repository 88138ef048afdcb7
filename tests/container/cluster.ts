/**
 * What stands in for a cluster: the engine with the image, a network, and on this machine both servers. Pods reach them
 * by name, the database with TLS and a certificate of its own authority.
 *
 * @module
 */
import { join } from "node:path";
import { createRemote, type RemoteDeployment, Servers } from "../integration/remote_deployment.ts";
import { nightOf } from "../k8s/documents.ts";
import { render } from "../k8s/render.ts";
import { Docker } from "./docker.ts";
import { buildImage } from "./image.ts";
import type { Cluster, PodSpec } from "./pod.ts";

/** The servers' names in the network. */
const S3 = "s3", MARIADB = "mariadb";
/** Where the manifests mount the secrets, and the configuration. */
const SECRETS = "/run/secrets/nightly-marts", CONFIG = "/etc/nightly-marts";

/** The engine, the network and both servers, which deployments share. */
export class TestCluster implements AsyncDisposable {
  readonly docker: Docker;
  readonly servers: Servers;
  readonly #spec: PodSpec;
  readonly #network: string;
  readonly #opened: AsyncDisposableStack;

  private constructor(
    docker: Docker,
    servers: Servers,
    spec: PodSpec,
    network: string,
    opened: AsyncDisposableStack,
  ) {
    this.docker = docker;
    this.servers = servers;
    this.#spec = spec;
    this.#network = network;
    this.#opened = opened;
  }

  /** Starts the engine where none runs, builds the image, starts the servers. */
  static async start(): Promise<TestCluster> {
    await using opened = new AsyncDisposableStack();
    const docker = opened.use(await Docker.open());
    await buildImage(docker);
    const network = `nightly-marts-${crypto.randomUUID()}`;
    await docker.run("network", "create", network);
    opened.defer(async () => void await docker.run("network", "rm", network));
    // This machine's own address in the network.
    const gateway = "--format={{(index .IPAM.Config 0).Gateway}}";
    const host = await docker.run("network", "inspect", gateway, network);
    const servers = opened.use(await Servers.start({ host }));
    await servers.mariadb.certifyFor(MARIADB);
    // That it has all of this is checked by deno task test:k8s.
    const spec = nightOf(await render({ folder: "base", components: [] })).spec as PodSpec;
    return new TestCluster(docker, servers, spec, network, opened.move());
  }

  /** Makes an empty bucket and database, and what Pods need to reach them. */
  async deploy(): Promise<ContainerDeployment> {
    const { s3, mariadb } = this.servers;
    const deployment = await createRemote(this.servers);
    const { bucket: { config: { credentials, ...bucket } }, mariadb: { name, account } } = deployment;
    const [config, secrets] = [join(deployment.folder, "etc"), join(deployment.folder, "secrets")];
    await writeFiles(config, {
      "database-ca.pem": await Deno.readTextFile(mariadb.caFile),
      "pipeline.jsonc": JSON.stringify({
        store: {
          kind: "s3",
          ...bucket,
          endpoint: `http://${S3}:${s3.port}`,
          credentials: {
            accessKeyId: `\${file:${SECRETS}/s3-access-key}`,
            secretAccessKey: `\${file:${SECRETS}/s3-secret-key}`,
          },
        },
        database: {
          kind: "mysql",
          host: MARIADB,
          port: mariadb.port,
          database: name,
          user: `\${file:${SECRETS}/database-user}`,
          password: `\${file:${SECRETS}/database-password}`,
          tls: { mode: "required", caFile: `${CONFIG}/database-ca.pem` },
        },
        workDir: "/work",
        lease: { ttlSeconds: 3600 },
      }),
    });
    await writeFiles(secrets, {
      "s3-access-key": credentials.accessKeyId,
      "s3-secret-key": credentials.secretAccessKey,
      "database-user": account.user,
      "database-password": account.password,
    });
    const mounted = this.#spec.volumes.filter(({ emptyDir }) => !emptyDir)
      .map(({ name }) => [name, name === "config" ? config : secrets]);
    return {
      ...deployment,
      cluster: {
        docker: this.docker,
        spec: this.#spec,
        network: this.#network,
        hosts: { [S3]: s3.host, [MARIADB]: mariadb.host },
        references: {
          "metadata.labels['batch.kubernetes.io/controller-uid']": crypto.randomUUID(),
          "nightly-marts-hosts/store": `${S3}:${s3.port}`,
          "nightly-marts-hosts/database": `${MARIADB}:${mariadb.port}`,
        },
        folders: Object.fromEntries(mounted),
      },
    };
  }

  /** Ends the servers and the network, and the engine where it is the test's own. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened[Symbol.asyncDispose]();
  }
}

/** A deployment, and what Pods are given to run on it. */
export interface ContainerDeployment extends RemoteDeployment {
  readonly cluster: Cluster;
}

/** A folder of files that the user of a container may read. */
async function writeFiles(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  await Deno.mkdir(folder);
  await Deno.chmod(folder, 0o755);
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(join(folder, name), text);
    await Deno.chmod(join(folder, name), 0o644);
  }
}
