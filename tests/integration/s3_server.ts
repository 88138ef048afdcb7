/**
 * An S3 server of a test's own: versitygw on a temporary folder, with buckets for one case each.
 *
 * It is built once from its source, which takes some minutes, and kept in a cache folder. What it does with conditions,
 * checksums and versions is what Amazon documents; it keeps objects as files, and so cannot keep every key.
 *
 * @module
 */
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListBucketsCommand,
  ListMultipartUploadsCommand,
  ListObjectVersionsCommand,
  paginateListObjectsV2,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { dirname, join } from "node:path";
import pMap from "p-map";
import { Secret } from "../../lib/secrets/secret.ts";
import type { S3Config } from "../../lib/store/s3/client.ts";
import { removeAtEnd, signal } from "../support/ending.ts";
import { goProgram } from "../support/programs.ts";
import { certify, makeAuthority } from "./authority.ts";
import { freePort } from "./free_port.ts";

/** The server: a version whose builds were seen to work; a newer one has to be tried. */
export const VERSITYGW = "github.com/versity/versitygw/cmd/versitygw@v1.8.0";
/** How long the server may take to start; it takes 0.3 s. */
const START_TIMEOUT_MS = 120_000;
const CREDENTIALS = { accessKeyId: "canary-access-key", secretAccessKey: "canary-secret-key" };

/** A bucket as a configuration file has it. */
export interface BucketConfig {
  readonly bucket: string;
  readonly region: string;
  readonly endpoint: string;
  readonly forcePathStyle: boolean;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

/** The same as the product reads it. */
export function s3ConfigOf({ credentials, ...config }: BucketConfig): S3Config & { endpoint: string } {
  const accessKeyId = new Secret(credentials.accessKeyId);
  return {
    ...config,
    credentials: { accessKeyId, secretAccessKey: new Secret(credentials.secretAccessKey) },
  };
}

/** A bucket for one case. It goes with the server. */
export interface FreshBucket {
  readonly name: string;
  /** As the product's configuration would have it. */
  readonly config: BucketConfig;
  /** Puts an object by a client of its own, as another program would. */
  put(key: string, bytes: Uint8Array): Promise<void>;
  /** The keys under a prefix. */
  keys(prefix: string): Promise<string[]>;
  /** The bytes of an object. */
  get(key: string): Promise<Uint8Array>;
  /** Copies every object into a folder, as a file below it. */
  mirror(folder: string): Promise<void>;
  /** Keeps everything that is in it under a name, with its times; gives what puts that back. */
  save(as: string): Promise<() => Promise<void>>;
  /** Replaces the bucket's policy. */
  setPolicy(policy: string): Promise<void>;
  /** The keys of uploads that were begun and neither completed nor aborted. */
  openUploads(): Promise<string[]>;
  /** Every version and delete marker, as `KEY` or `KEY deleted`. */
  versions(): Promise<string[]>;
}

/** How a server differs from the usual one, on which every request is root's. */
export interface S3ServerOptions {
  /** It can have users besides root. */
  readonly users?: boolean;
  /** Address of this machine that it listens on; left out: 127.0.0.1. */
  readonly host?: string;
  /** It speaks HTTPS, as `localhost`, with a certificate of an authority of its own. */
  readonly tls?: boolean;
}

/** A running server. */
export class S3Server implements AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** With all rights. */
  readonly client: S3Client;
  /** The URL by which clients find the server. */
  readonly endpoint: string;
  /** Certificate of the authority that the server's certificate is from, if it has one. */
  readonly caFile: string;
  readonly #folder: string;
  readonly #process: Deno.ChildProcess;
  #buckets = 0;

  private constructor(
    folder: string,
    { host, port, process, ca }: {
      host: string;
      port: number;
      process: Deno.ChildProcess;
      ca: string | null;
    },
  ) {
    this.#folder = folder;
    this.host = host;
    this.port = port;
    this.endpoint = ca === null ? `http://${host}:${port}` : `https://localhost:${port}`;
    this.caFile = join(folder, "ca.pem");
    this.#process = process;
    this.client = new S3Client({
      ...this.#access(),
      forcePathStyle: true,
      ...ca !== null && { requestHandler: { httpsAgent: { ca } } },
    });
  }

  /** Starts one; builds it where it is missing, and says how to install what that needs. */
  static async start(
    { users = false, host = "127.0.0.1", tls = false }: S3ServerOptions = {},
  ): Promise<S3Server> {
    const program = await findServer();
    const folder = await Deno.makeTempDir({ prefix: "s3-server-" });
    const [data, versions] = [join(folder, "data"), join(folder, "versions")];
    await Deno.mkdir(data);
    await Deno.mkdir(versions);
    if (tls) {
      await makeAuthority(folder);
      await certify(folder, "localhost");
    }
    const accounts = join(folder, "accounts");
    await Deno.mkdir(accounts);
    const ca = tls ? await Deno.readTextFile(join(folder, "ca.pem")) : null;
    const port = await freePort(host);
    const process = new Deno.Command(program, {
      args: ["-p", `${host}:${port}`, "--quiet", "--keep-alive"]
        .concat(users ? ["--iam-dir", accounts] : [])
        .concat(tls ? ["--cert", join(folder, "server.pem"), "--key", join(folder, "server.key")] : [])
        .concat(["posix", "--versioning-dir", versions, data]),
      env: { ROOT_ACCESS_KEY: CREDENTIALS.accessKeyId, ROOT_SECRET_KEY: CREDENTIALS.secretAccessKey },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const server = new S3Server(folder, { host, port, process, ca });
    try {
      await server.#untilReady();
      return server;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Makes a user without any rights; gives its credentials. */
  async createUser(name: string): Promise<{ accessKeyId: string; secretAccessKey: string }> {
    const { accessKeyId, secretAccessKey } = CREDENTIALS;
    const user = { accessKeyId: name, secretAccessKey: `canary-secret-of-${name}` };
    const { success, stderr } = await new Deno.Command(await findServer(), {
      args: ["admin", "--endpoint-url", this.endpoint]
        .concat(["create-user", "--access", user.accessKeyId, "--secret", user.secretAccessKey])
        .concat(["--role", "user"]),
      env: { ADMIN_ACCESS_KEY_ID: accessKeyId, ADMIN_SECRET_ACCESS_KEY: secretAccessKey },
    }).output();
    if (!success) throw new Error(`create-user ${name} failed: ${new TextDecoder().decode(stderr)}`);
    return user;
  }

  /** Makes an empty bucket. */
  async freshBucket({ versioned = false } = {}): Promise<FreshBucket> {
    const Bucket = `case-${++this.#buckets}`;
    await this.client.send(new CreateBucketCommand({ Bucket }));
    if (versioned) {
      const VersioningConfiguration = { Status: "Enabled" } as const;
      await this.client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
    }
    const keys = async (Prefix: string) => {
      const pages = await Array.fromAsync(paginateListObjectsV2({ client: this.client }, { Bucket, Prefix }));
      return pages.flatMap(({ Contents = [] }) => Contents.map(({ Key = "" }) => Key));
    };
    const get = async (Key: string) => {
      const { Body } = await this.client.send(new GetObjectCommand({ Bucket, Key }));
      return await Body!.transformToByteArray();
    };
    return {
      name: Bucket,
      config: { bucket: Bucket, ...this.#access(), forcePathStyle: true },
      put: async (Key, Body) => {
        await this.client.send(new PutObjectCommand({ Bucket, Key, Body, ContentLength: Body.length }));
      },
      keys,
      get,
      mirror: async (folder) => {
        await Deno.remove(folder, { recursive: true });
        await Deno.mkdir(folder);
        await pMap(await keys(""), async (key) => {
          const file = join(folder, key);
          await Deno.mkdir(dirname(file), { recursive: true });
          await Deno.writeFile(file, await get(key));
        }, { concurrency: 8 });
      },
      save: async (as) => {
        const [bucket, saved] = [join(this.#folder, "data", Bucket), join(this.#folder, `${Bucket}-${as}`)];
        await copyFolder(bucket, saved);
        return () => copyFolder(saved, bucket);
      },
      setPolicy: async (Policy) => {
        await this.client.send(new PutBucketPolicyCommand({ Bucket, Policy }));
      },
      openUploads: async () => {
        const { Uploads = [] } = await this.client.send(new ListMultipartUploadsCommand({ Bucket }));
        return Uploads.map(({ Key = "" }) => Key);
      },
      versions: async () => {
        const { Versions = [], DeleteMarkers = [] } = await this.client.send(
          new ListObjectVersionsCommand({ Bucket }),
        );
        const markers = DeleteMarkers.map(({ Key = "" }) => `${Key} deleted`);
        return [...Versions.map(({ Key = "" }) => Key), ...markers].sort();
      },
    };
  }

  /** Ends the server and deletes its data. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.client.destroy();
    signal(this.#process, "SIGTERM");
    await this.#process.status;
    await removeAtEnd(this.#folder);
  }

  #access() {
    return {
      endpoint: this.endpoint,
      region: "us-east-1",
      credentials: { ...CREDENTIALS },
    };
  }

  async #untilReady(): Promise<void> {
    const deadline = performance.now() + START_TIMEOUT_MS;
    while (true) {
      const isReady = await this.client.send(new ListBucketsCommand({})).then(() => true, () => false);
      if (isReady) return;
      if (performance.now() > deadline) {
        throw new Error("versitygw did not start; does the temporary folder's file system have xattrs?");
      }
      await new Promise((done) => setTimeout(done, 50));
    }
  }
}

/** By cp, which keeps the times and the attributes that the server has noted the etags in. */
async function copyFolder(from: string, to: string): Promise<void> {
  await Deno.remove(to, { recursive: true }).catch(() => {});
  const { success, stderr } = await new Deno.Command("cp", { args: ["-a", from, to] }).output();
  if (!success) throw new Error(`cp failed: ${new TextDecoder().decode(stderr)}`);
}

/** Path of the server's program. */
function findServer(): Promise<string> {
  return goProgram("versitygw", VERSITYGW);
}
