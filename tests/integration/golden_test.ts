import { testGoldenNights } from "../tasks/golden_nights.ts";
import { createRemote, Servers } from "./remote_deployment.ts";

let servers: Servers;

Deno.test.beforeAll(async () => void (servers = await Servers.start()));
Deno.test.afterAll(() => servers?.[Symbol.asyncDispose]());

testGoldenNights("S3 and MariaDB", () => createRemote(servers));
