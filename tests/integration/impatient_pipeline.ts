/**
 * The pipeline with shorter deadlines than in production: what the network campaign starts.
 *
 * @module
 */
import { main } from "../../lib/command/main.ts";
import { openS3Store } from "../../lib/store/s3/store.ts";
import { pipeline } from "../../tasks/pipeline.ts";

const S3_LIMITS = { connectTimeoutMs: 1000, silenceTimeoutMs: 2000, maxAttempts: 3, maxResumes: 2 };

if (import.meta.main) {
  await main({
    name: "pipeline",
    description: "Runs all stages of a night and does not wait for long.",
    options: ["dry-run"],
    releaseLease: true,
    run: pipeline,
  }, {
    openStore(config, options) {
      if (config.kind !== "s3") throw new RangeError(`on ${config.kind} there is no network`);
      return openS3Store(config, { ...options, limits: S3_LIMITS });
    },
  });
}
