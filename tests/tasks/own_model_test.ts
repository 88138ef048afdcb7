import { createEmbedded } from "../support/deployment.ts";
import { OWN_MODEL_CONFIG, testOwnModel } from "./own_model_nights.ts";

testOwnModel("embedded", () => createEmbedded(OWN_MODEL_CONFIG));
