import { OWN_MODEL_CONFIG, testOwnModel } from "../tasks/own_model_nights.ts";
import { createRemote, Servers } from "./remote_deployment.ts";

let servers: Servers;

Deno.test.beforeAll(async () => void (servers = await Servers.start()));
Deno.test.afterAll(() => servers[Symbol.asyncDispose]());

testOwnModel("S3 and MariaDB", () => createRemote(servers, { config: OWN_MODEL_CONFIG }));
