/**
 * The night as a whole: when it runs, what its exit codes do, and its stages with what each of them may do.
 *
 * @module
 */
import type { IContainer } from "kubernetes-models/v1/Container";
import { ExitCode } from "../../lib/errors.ts";
import {
  fillIn,
  PERMISSIONS,
  type Permissions,
  type Stage,
  STAGE_NAMES,
  STAGES,
} from "../support/permissions.ts";
import { wordsOf } from "../support/task.ts";
import { containersOf, cronJobOf, type Document, nightOf, valuesOf } from "./documents.ts";

/** Fields of the CronJob, its Job and its Pod that must have exactly this value. */
const FIELDS = {
  concurrencyPolicy: "Forbid",
  backoffLimit: 2,
  podReplacementPolicy: "Failed",
  restartPolicy: "Never",
} as const;

/** What is wrong with when the night runs and how often. */
export function checkSchedule(documents: readonly Document[]): string[] {
  const cronJob = cronJobOf(documents).spec;
  const job = cronJob?.jobTemplate.spec;
  const pod = job?.template.spec;
  const given = { ...cronJob, ...job, ...pod } as Record<string, unknown>;
  const problems = Object.entries(FIELDS).filter(([field, value]) => given[field] !== value)
    .map(([field, value]) => `${field} has to be ${value}`);
  for (const field of ["timeZone", "activeDeadlineSeconds", "terminationGracePeriodSeconds"]) {
    if (!given[field]) problems.push(`${field} is not set`);
  }
  if ((cronJob?.startingDeadlineSeconds ?? 0) < 3600) {
    problems.push("startingDeadlineSeconds is less than an hour");
  }
  // lib/command/main.ts cuts a stop short after 4 s.
  if ((pod?.terminationGracePeriodSeconds ?? 0) < 10) {
    problems.push("terminationGracePeriodSeconds is too short");
  }
  return problems;
}

/** The exit codes after which another Pod is worth a try. */
const RETRIED: readonly number[] = [ExitCode.unavailable, ExitCode.sigint, ExitCode.sigterm];

/** What is wrong with what becomes of a Pod that failed. */
export function checkExitCodes(documents: readonly Document[]): string[] {
  const rules = cronJobOf(documents).spec?.jobTemplate.spec?.podFailurePolicy?.rules ?? [];
  const failing = Object.values(ExitCode).filter((code) => code !== ExitCode.ok && !RETRIED.includes(code));
  const [ignore, fail, ...others] = rules;
  const problems: string[] = [];
  if (
    ignore?.action !== "Ignore" ||
    ignore.onPodConditions?.map(({ type }) => type).join() !== "DisruptionTarget"
  ) {
    problems.push("the first rule has to ignore Pods that were disrupted");
  }
  // Without a container's name it looks at all of them, init containers too.
  if (fail?.action !== "FailJob" || fail.onExitCodes?.operator !== "In" || fail.onExitCodes.containerName) {
    problems.push("the second rule has to fail the Job by any container's exit code");
  }
  if (fail?.onExitCodes?.values.join() !== failing.sort((a, b) => a - b).join()) {
    problems.push(`the Job has to fail on ${failing.join(", ")}, as lib/errors.ts has them`);
  }
  if (others.length > 0) problems.push("there are more rules than two");
  for (const { name, restartPolicy, restartPolicyRules = [] } of containersOf(nightOf(documents))) {
    const codes = restartPolicyRules.flatMap(({ exitCodes }) => exitCodes?.values ?? []);
    if (
      restartPolicyRules.length > 0 &&
      (codes.join() !== `${ExitCode.unavailable}` || restartPolicy !== "Never")
    ) {
      problems.push(`${name} may be started again on ${ExitCode.unavailable} only`);
    }
  }
  return problems;
}

/** What is wrong with the stages, their order and arguments. */
export function checkStages(documents: readonly Document[]): string[] {
  const pod = nightOf(documents);
  const names = containersOf(pod).map(({ name }) => name);
  const problems: string[] = [];
  if (names.join() !== STAGE_NAMES.join() || pod.spec?.containers.length !== 1) {
    problems.push(`the stages have to be ${STAGE_NAMES.join(", ")}, and all but the last init containers`);
  }
  for (const container of containersOf(pod)) {
    const stage = container.name as Stage;
    if (stage in STAGES) {
      const found = [...checkPermissions(stage, container), ...checkArguments(stage, container)];
      problems.push(...found.map((problem) => `${stage}: ${problem}`));
    }
  }
  return problems;
}

/** What the places of the table of permissions are in the Pod; its secrets are files beside the configuration. */
const POD: Parameters<typeof fillIn>[1] = {
  CONFIG: ["/etc/nightly-marts", "/run/secrets/nightly-marts"],
  MODEL: ["/app/config/model.jsonc", "/app/tasks/sql"],
  WORK: ["/work"],
  node_modules: ["/app/node_modules"],
  S3: ["$(STORE_HOSTS)"],
  MYSQL: ["$(DATABASE_HOSTS)"],
  NAMES: ["ETL_*"],
};

/** Where the AWS default chain's tokens are (IRSA and Pod Identity). */
const TOKENS = "/var/run/secrets";
/** Where the compact summary goes: Deno lets nobody who has not all permissions write below `/dev`. */
const TERMINATION_LOG = "/run/termination-log";

function checkPermissions(
  stage: Stage,
  { args = [], volumeMounts = [], ...container }: IContainer,
): string[] {
  const problems: string[] = [];
  const given = args.filter((arg) => /^(--allow-|-[A-Za-z])/.test(arg)).map((arg) => arg.split("=")[0] ?? "");
  const needed = fillIn(PERMISSIONS.remote[stage], POD);
  const kinds = Object.keys(needed).map((kind) => `--allow-${kind}`);
  if (given.toSorted().join() !== kinds.toSorted().join()) {
    problems.push(`the permissions have to be of the kinds ${kinds.join(", ")}`);
  }
  const inProject = wordsOf(stage);
  problems.push(
    ...given.filter((flag) => !inProject.some((word) => word.split("=")[0] === flag))
      .map((flag) => `deno.json does not allow ${flag}`),
  );
  const usesStore = "sys" in needed;
  // Besides what the table has: the default chain's tokens and variables, and the summary for the kubelet.
  const besides: Permissions = {
    read: usesStore ? [TOKENS] : [],
    write: [TERMINATION_LOG],
    env: usesStore ? ["AWS_*"] : [],
  };
  for (const [kind, values] of Object.entries(needed) as [keyof Permissions, readonly string[]][]) {
    const expected = [...values, ...besides[kind] ?? []];
    const found = valuesOf({ ...container, args }, `--allow-${kind}`);
    if (found !== null && found.toSorted().join() !== expected.toSorted().join()) {
      problems.push(`--allow-${kind} has to be for ${expected.join(", ")}`);
    }
  }
  const mounted = volumeMounts.map(({ mountPath }) => mountPath);
  // The rest of what it reads is in the image.
  const volumes = needed.read?.filter((path) => !path.startsWith("/app/")) ?? [];
  if (mounted.toSorted().join() !== volumes.toSorted().join()) {
    problems.push(`what is mounted has to be ${volumes.join(", ")}`);
  }
  if (given.includes("--allow-env") && !args.includes("--ignore-env")) {
    problems.push("--ignore-env is missing: the AWS SDK looks for variables that it may not read");
  }
  return problems;
}

function checkArguments(stage: Stage, container: IContainer): string[] {
  const { args = [], env = [], terminationMessagePath, terminationMessagePolicy } = container;
  const problems: string[] = [];
  const script = args.indexOf(`tasks/${stage}.ts`);
  if (script < 0) return [`tasks/${stage}.ts is not what it runs`];
  const runtime = args.slice(0, script).filter((arg) => !/^--(allow|deny|ignore)-/.test(arg));
  const inProject = wordsOf(stage).filter((word) => word.startsWith("--v8-flags="));
  if (runtime.join() !== inProject.join()) {
    problems.push(`the runtime's flags have to be ${inProject.join(" ") || "none"}`);
  }
  const place = STAGES[stage] ? "--work-dir=/work" : "--config=/etc/nightly-marts/pipeline.jsonc";
  const flags = [place, "--log-format=json", `--termination-log=${TERMINATION_LOG}`];
  if (args.slice(script + 1).join() !== flags.join()) {
    problems.push(`its flags have to be ${flags.join(" ")}`);
  }
  if (terminationMessagePath !== TERMINATION_LOG || terminationMessagePolicy !== "FallbackToLogsOnError") {
    problems.push(`the termination message has to be at ${TERMINATION_LOG}, with the log as fallback`);
  }
  const owner = env.find(({ name }) => name === "ETL_LEASE_OWNER")?.valueFrom?.fieldRef?.fieldPath;
  const expected = STAGES[stage] ? undefined : "metadata.labels['batch.kubernetes.io/controller-uid']";
  if (owner !== expected) problems.push(`the lease's owner has to be ${expected ?? "unknown to it"}`);
  if (STAGES[stage] && env.some(({ name }) => !/^(OTEL|POD)_/.test(name))) {
    problems.push("it may have no environment");
  }
  return problems;
}
