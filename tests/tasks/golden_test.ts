import { testGoldenNights } from "./golden_nights.ts";
import { createEmbedded } from "../support/deployment.ts";

testGoldenNights("embedded", createEmbedded);
