/**
 * With the permissions that the manifests give, a stage finds its AWS credentials as IRSA and as EKS Pod Identity hand them
 * to a Pod: a token file below `/var/run/secrets`, and an address where it is changed for credentials.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { removeAtEnd } from "../support/ending.ts";
import { runProgram } from "../support/programs.ts";
import { REPOSITORY } from "../support/task.ts";
import { containersOf, nightOf } from "./documents.ts";
import { render } from "./render.ts";

/** What answers for STS, for the agent of Pod Identity, and for the bucket; notes by whose key the bucket was asked. */
function serveAws(keys: string[]): Deno.HttpServer<Deno.NetAddr> {
  const xml = (text: string) => new Response(text, { headers: { "content-type": "text/xml" } });
  return Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    const { pathname } = new URL(request.url);
    const form = new URLSearchParams(await request.text());
    if (form.get("Action") === "AssumeRoleWithWebIdentity") {
      assert.equal(form.get("WebIdentityToken"), "token-of-the-pod");
      return xml(
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>" +
          "<AccessKeyId>FROM-STS</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>session</SessionToken>" +
          "<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>" +
          "</AssumeRoleWithWebIdentityResponse>",
      );
    }
    if (pathname === "/v1/credentials") {
      assert.equal(request.headers.get("authorization"), "token-of-the-pod");
      return Response.json({
        AccessKeyId: "FROM-AGENT",
        SecretAccessKey: "secret",
        Token: "session",
        Expiration: "2099-01-01T00:00:00Z",
      });
    }
    keys.push(/Credential=([\w-]+)\//.exec(request.headers.get("authorization") ?? "")?.[1] ?? "nobody");
    return xml("<ListBucketResult><IsTruncated>false</IsTruncated><KeyCount>0</KeyCount></ListBucketResult>");
  });
}

const CASES = [
  {
    name: "IRSA",
    key: "FROM-STS",
    env: (server: string, token: string) => ({
      AWS_ROLE_ARN: "arn:aws:iam::111122223333:role/nightly-marts",
      AWS_WEB_IDENTITY_TOKEN_FILE: token,
      AWS_ENDPOINT_URL_STS: server,
    }),
  },
  {
    name: "Pod Identity",
    key: "FROM-AGENT",
    env: (server: string, token: string) => ({
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${server}/v1/credentials`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: token,
    }),
  },
] as const;

for (const { name, key, env } of CASES) {
  for (const stage of ["download", "upload", "move"]) {
    Deno.test(`${stage} finds the credentials of ${name} with the permissions of its container`, async () => {
      const keys: string[] = [];
      await using server = serveAws(keys);
      const folder = await Deno.makeTempDir({ prefix: "nightly-marts-aws-" });
      try {
        const host = `localhost:${server.addr.port}`;
        const tokens = join(folder, "tokens");
        await Deno.mkdir(tokens);
        await Deno.writeTextFile(join(tokens, "token"), "token-of-the-pod");
        const script = join(folder, "script.ts");
        await Deno.writeTextFile(script, opensStore(`http://${host}`));
        const { success, text } = await runProgram(
          Deno.execPath(),
          ["run", "--no-check", "--no-prompt", `--config=${REPOSITORY}deno.json`]
            .concat(await permissionsOf(stage, { host, tokens }), script),
          { env: { AWS_REGION: "eu-central-1", ...env(`http://${host}`, join(tokens, "token")) } },
        );
        assert.ok(success, text);
        assert.deepEqual([...new Set(keys)], [key]);
      } finally {
        await removeAtEnd(folder);
      }
    });
  }
}

/** A script that opens the bucket as a stage does, and asks it something. */
function opensStore(endpoint: string): string {
  const store = { bucket: "retail-sales", region: "eu-central-1", endpoint, forcePathStyle: true };
  return `import { openS3Store } from "${REPOSITORY}lib/store/s3/store.ts";
    await using store = await openS3Store(${JSON.stringify(store)});`;
}

/** What the stage's container is given before its script, with other places. */
async function permissionsOf(stage: string, places: { host: string; tokens: string }): Promise<string[]> {
  const documents = await render({ folder: "overlays/production", components: [] });
  const container = containersOf(nightOf(documents)).find(({ name }) => name === stage);
  const { args = [] } = container ?? {};
  return args.slice(0, args.indexOf(`tasks/${stage}.ts`)).map((flag) =>
    flag.replace(/^--allow-net=.*/, `--allow-net=${places.host}`).replace("/var/run/secrets", places.tokens)
      .replace("/app/", REPOSITORY)
  );
}
