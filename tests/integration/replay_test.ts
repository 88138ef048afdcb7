import { testReplay } from "../tasks/replay_nights.ts";
import { createRemote, Servers } from "./remote_deployment.ts";

let servers: Servers;

Deno.test.beforeAll(async () => void (servers = await Servers.start()));
Deno.test.afterAll(() => servers?.[Symbol.asyncDispose]());

testReplay("S3 and MariaDB", () => createRemote(servers));
