/**
 * The rights that a model needs: grants in MySQL and a bucket policy for S3, one account and one role for each stage, and
 * nothing beyond it. `config/grants.example.sql` and `config/bucket-policy.example.json` are those of the shipped model.
 *
 * @module
 */
import type { Prefixes } from "../config/schema.ts";
import type { Model } from "./model.ts";

/** A statement that grants something in the database. */
interface Grant {
  readonly stage: string;
  readonly privileges: string;
  readonly tables: readonly string[];
}

/** The statements that grant each stage what it needs, in a database of that name. */
export function grantsOf({ dimensions, marts }: Model, database: string): string[] {
  const reporting = Object.entries(marts).flatMap(([name, { table }]) => table ? [name] : []);
  const grants: Grant[] = [
    { stage: "download", privileges: "SELECT", tables: [...Object.keys(dimensions), "pipeline_schema"] },
    { stage: "download", privileges: "SELECT, UPDATE", tables: ["pipeline_lease"] },
    { stage: "download", privileges: "SELECT, INSERT, UPDATE", tables: ["pipeline_run"] },
    {
      stage: "download",
      privileges: "SELECT",
      tables: ["source_file", "pending_move", "replayed_file", "replayed_row", ...reporting],
    },
    { stage: "upload", privileges: "CREATE TEMPORARY TABLES", tables: ["*"] },
    {
      stage: "upload",
      privileges: "SELECT, UPDATE",
      tables: ["pipeline_schema", "pipeline_lease", "pipeline_run"],
    },
    { stage: "upload", privileges: "INSERT", tables: ["source_file"] },
    { stage: "upload", privileges: "SELECT, INSERT, UPDATE", tables: ["pending_move", ...reporting] },
    {
      stage: "move",
      privileges: "SELECT, UPDATE",
      tables: ["pipeline_lease", "pipeline_run", "pending_move"],
    },
    { stage: "cleanup", privileges: "SELECT, UPDATE", tables: ["pipeline_lease"] },
    { stage: "cleanup", privileges: "SELECT", tables: ["pipeline_run", "pending_move"] },
    { stage: "replay", privileges: "CREATE TEMPORARY TABLES", tables: ["*"] },
    { stage: "replay", privileges: "SELECT, UPDATE", tables: ["pipeline_schema", "pipeline_lease"] },
    { stage: "replay", privileges: "SELECT, INSERT, UPDATE", tables: ["pipeline_run", "pending_move"] },
    { stage: "replay", privileges: "SELECT", tables: ["source_file"] },
    { stage: "replay", privileges: "SELECT, INSERT", tables: ["replayed_file", "replayed_row"] },
  ];
  // A dimension may be called `order`.
  const quoted = (name: string) => name === "*" ? name : `\`${name.replaceAll("`", "``")}\``;
  return grants.flatMap(({ stage, privileges, tables }) =>
    tables.map((table) =>
      `GRANT ${privileges} ON ${quoted(database)}.${quoted(table)} TO 'nightly_marts_${stage}'@'%';`
    )
  );
}

/** A statement of a bucket policy. */
export interface Statement {
  /** Names it; begins with the stage. */
  readonly Sid: string;
  /** Nothing is denied. */
  readonly Effect: "Allow";
  /** The stage's role. */
  readonly Principal: { readonly AWS: string };
  /** What the role may do. */
  readonly Action: string | string[];
  /** The bucket, or objects in it. */
  readonly Resource: string | string[];
  /** The prefixes that it may list. */
  readonly Condition?: { readonly StringLike: { readonly "s3:prefix": string[] } };
}

/** The policy of a bucket, as the JSON of S3 has it. */
export interface BucketPolicy {
  /** Version of the policy language. */
  readonly Version: string;
  /** Names the policy. */
  readonly Id: string;
  /** What each role may do. */
  readonly Statement: readonly Statement[];
}

/** The policy that lets the role of each stage do what it needs. */
export function bucketPolicyOf(
  { datasets, marts }: Model,
  { staging, runs }: Pick<Prefixes, "staging" | "runs">,
  { bucket, role }: { readonly bucket: string; readonly role: (stage: string) => string },
): BucketPolicy {
  const feeds = Object.values(datasets);
  const sources = feeds.map(({ source }) => source);
  const processed = feeds.map((feed) => feed.processed);
  const errors = feeds.map(({ error }) => error);
  const replays = sources.map((source) => `${source}replay/`);
  const published = [
    ...feeds.map(({ accepted }) => accepted),
    ...Object.values(marts).flatMap(({ files }) => files ? [files.prefix] : []),
  ];
  const below = (kind: string) => errors.map((error) => `${error}*/${kind}/`);
  const objects = (prefixes: readonly string[]) =>
    prefixes.map((prefix) => `arn:aws:s3:::${bucket}/${prefix}*`);
  const one = (values: string[]) => values.length === 1 ? values[0] ?? "" : values;
  const allow = (
    Sid: string,
    Action: string[],
    resource: string[],
    prefixes?: readonly string[],
  ): Statement => ({
    Sid,
    Effect: "Allow",
    Principal: { AWS: role(/^[A-Z][a-z]+/.exec(Sid)?.[0].toLowerCase() ?? "") },
    Action: one(Action),
    Resource: one(resource),
    ...prefixes ? { Condition: { StringLike: { "s3:prefix": prefixes.map((prefix) => `${prefix}*`) } } } : {},
  });
  const all = [`arn:aws:s3:::${bucket}`];
  const lists = (Sid: string, prefixes: readonly string[]) => allow(Sid, ["s3:ListBucket"], all, prefixes);
  const sweeps = (stage: "Upload" | "Replay") => [
    lists(`${stage}ListsRunsAndStaging`, [runs, staging]),
    allow(`${stage}SweepsStaging`, ["s3:DeleteObject", "s3:AbortMultipartUpload"], objects([staging])),
    allow(`${stage}FindsUploadsThatWereCutOff`, ["s3:ListBucketMultipartUploads"], all),
  ];
  const put = ["s3:PutObject", "s3:GetObject"];
  return {
    Version: "2012-10-17",
    Id: "nightly-marts-one-role-per-stage",
    Statement: [
      lists("DownloadListsDeliveriesAndRuns", [...sources, runs, staging]),
      allow("DownloadReadsDeliveriesAndBinding", ["s3:GetObject"], [
        ...objects(sources),
        `arn:aws:s3:::${bucket}/${runs}binding.json`,
      ]),
      ...sweeps("Upload"),
      allow(
        "UploadStagesPublishesAndRecords",
        put,
        objects([staging, runs, ...published, ...below("reasons"), ...below("rejects"), ...replays]),
      ),
      lists("UploadIsToldWhatIsMissing", [...published, ...errors, ...replays]),
      allow("MoveTakesDeliveries", ["s3:GetObject", "s3:DeleteObject"], objects(sources)),
      allow("MoveFilesThem", put, objects([...processed, ...below("files")])),
      lists("MoveIsToldWhatIsMissing", [...sources, ...processed, ...errors]),
      ...sweeps("Replay"),
      allow(
        "ReplayReadsWhatWasRejected",
        ["s3:GetObject"],
        objects([...processed, ...below("files"), ...below("rejects")]),
      ),
      allow("ReplayStagesPutsBackAndRecords", put, objects([staging, runs, ...replays])),
      lists("ReplayIsToldWhatIsMissing", [...replays, ...processed, ...errors]),
    ],
  };
}
