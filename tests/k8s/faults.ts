/**
 * Faults that somebody may put into the documents, and what has to be said of each.
 *
 * @module
 */
import type { IContainer } from "kubernetes-models/v1/Container";
import type { IPodSpec } from "kubernetes-models/v1/PodSpec";
import { all, containersOf, cronJobOf, type Document, named, nightOf } from "./documents.ts";

/** A fault. */
export interface Fault {
  /** In words, for the test's name. */
  readonly fault: string;
  /** What is said of it, among else. */
  readonly says: RegExp;
  /** Puts it into the documents of the local overlay with all components. */
  put(documents: Document[]): void;
}

// The faults are what the types forbid, so that they are written to plain objects.
// deno-lint-ignore no-explicit-any
type Loose = any;

const job = (documents: Document[]): Loose => cronJobOf(documents).spec?.jobTemplate.spec;
const pod = (documents: Document[]): IPodSpec & Loose => nightOf(documents).spec;
const stage = (documents: Document[], name: string): IContainer & Loose =>
  containersOf(nightOf(documents)).find((container) => container.name === name);
const server = (documents: Document[], name: string): Loose =>
  named(documents, "Deployment", name)?.spec?.template.spec;

/** Replaces an argument, or leaves it out. */
function swap(container: IContainer & Loose, from: string, to?: string): void {
  const index = container.args.findIndex((arg: string) => arg.startsWith(from));
  container.args.splice(index, 1, ...to === undefined ? [] : [to]);
}

function rewrite(documents: Document[], configMap: RegExp, key: string, from: string, to: string): void {
  const found: Loose = all(documents, "ConfigMap").find(({ metadata }) =>
    configMap.test(metadata?.name ?? "")
  );
  found.data[key] = found.data[key].replace(from, to);
}

/** All of them. */
export const FAULTS: readonly Fault[] = [
  {
    fault: "a field of the CronJob is misspelt",
    says: /concurencyPolicy.* does not exist/,
    put: (documents) => void ((cronJobOf(documents).spec as Loose).concurencyPolicy = "Forbid"),
  },
  {
    fault: "a field of a container is misspelt",
    says: /terminationMesagePolicy.* does not exist/,
    put: (documents) => void (stage(documents, "move").terminationMesagePolicy = "File"),
  },
  {
    fault: "a word that the enum does not have",
    says: /Type '"Forbidden"' is not assignable/,
    put: (documents) => void ((cronJobOf(documents).spec as Loose).concurrencyPolicy = "Forbidden"),
  },
  {
    fault: "text in place of a number",
    says: /Type 'string' is not assignable to type 'number'/,
    put: (documents) => void (job(documents).backoffLimit = "2"),
  },
  {
    fault: "an unquoted yes in the environment",
    says: /Type 'boolean' is not assignable to type 'string'/,
    put: (documents) => void (server(documents, "mariadb").containers[0].env[0].value = true),
  },
  {
    fault: "a field of an alert is misspelt",
    says: /annotation.* does not exist/,
    put: (documents) =>
      void ((all(documents, "PrometheusRule")[0] as Loose).spec.groups[0].rules[2].annotation = {}),
  },
  {
    fault: "a policy's port as a word of another type",
    says: /Type '"tcp"' is not assignable/,
    put: (documents) =>
      void ((all(documents, "NetworkPolicy")[0] as Loose).spec.egress[0].ports[0].protocol = "tcp"),
  },
  {
    fault: "nights may overlap",
    says: /concurrencyPolicy has to be Forbid/,
    put: (documents) => void ((cronJobOf(documents).spec as Loose).concurrencyPolicy = "Allow"),
  },
  {
    fault: "the next Pod does not wait for the one before",
    says: /podReplacementPolicy has to be Failed/,
    put: (documents) => void (job(documents).podReplacementPolicy = "TerminatingOrFailed"),
  },
  {
    fault: "a night may run for ever",
    says: /activeDeadlineSeconds is not set/,
    put: (documents) => void delete job(documents).activeDeadlineSeconds,
  },
  {
    fault: "a failure that a retry cannot mend is retried",
    says: /the Job has to fail on 64, 65, 70, 77, 78/,
    put: (documents) => void job(documents).podFailurePolicy.rules[1].onExitCodes.values.pop(),
  },
  {
    fault: "a killed Pod ends the Job",
    says: /the Job has to fail on 64, 65, 70, 77, 78/,
    put: (documents) => void job(documents).podFailurePolicy.rules[1].onExitCodes.values.push(137),
  },
  {
    fault: "a drained node counts as a failure",
    says: /the first rule has to ignore/,
    put: (documents) => void job(documents).podFailurePolicy.rules.reverse(),
  },
  {
    fault: "exit codes of one container only",
    says: /by any container's exit code/,
    put: (documents) => void (job(documents).podFailurePolicy.rules[1].onExitCodes.containerName = "cleanup"),
  },
  {
    fault: "a stage is started again on a bug",
    says: /move may be started again on 75 only/,
    put: (documents) => void stage(documents, "move").restartPolicyRules[0].exitCodes.values.push(70),
  },
  {
    fault: "two stages are swapped",
    says: /the stages have to be download, validate/,
    put: (documents) => void pod(documents).initContainers.reverse(),
  },
  {
    fault: "a stage is left out",
    says: /the stages have to be download, validate/,
    put: (documents) => void pod(documents).initContainers.splice(2, 1),
  },
  {
    fault: "two stages side by side",
    says: /all but the last init containers/,
    put: (documents) => void pod(documents).containers.unshift(pod(documents).initContainers.pop()),
  },
  {
    fault: "a container runs another stage",
    says: /tasks\/upload.ts is not what it runs/,
    put: (documents) => swap(stage(documents, "upload"), "tasks/", "tasks/move.ts"),
  },
  {
    fault: "a compute stage may use the network",
    says: /validate: the permissions have to be of the kinds/,
    put: (documents) => void stage(documents, "validate").args.unshift("--allow-net"),
  },
  {
    fault: "a stage may do everything",
    says: /download: the permissions have to be of the kinds/,
    put: (documents) => void stage(documents, "download").args.unshift("-A"),
  },
  {
    fault: "a stage lacks a permission",
    says: /upload: the permissions have to be of the kinds/,
    put: (documents) => swap(stage(documents, "upload"), "--allow-ffi"),
  },
  {
    fault: "a stage may read everything",
    says: /upload: --allow-read has to be for/,
    put: (documents) => swap(stage(documents, "upload"), "--allow-read", "--allow-read"),
  },
  {
    fault: "a stage mounts what it has no use for",
    says: /move: what is mounted has to be/,
    put: (documents) => void stage(documents, "move").volumeMounts.push({ name: "work", mountPath: "/more" }),
  },
  {
    fault: "a stage may write its configuration",
    says: /move: --allow-write has to be for/,
    put: (documents) =>
      swap(stage(documents, "move"), "--allow-write", "--allow-write=/work,/etc/nightly-marts"),
  },
  {
    fault: "cleanup may connect to the store",
    says: /cleanup: --allow-net has to be for/,
    put: (documents) => swap(stage(documents, "cleanup"), "--allow-net", "--allow-net=$(STORE_HOSTS)"),
  },
  {
    fault: "variables that may not be read are not ignored",
    says: /download: --ignore-env is missing/,
    put: (documents) => swap(stage(documents, "download"), "--ignore-env"),
  },
  {
    fault: "another heap than deno.json's",
    says: /move: the runtime's flags have to be/,
    put: (documents) => swap(stage(documents, "move"), "--v8-flags", "--v8-flags=--max-old-space-size=64"),
  },
  {
    fault: "the log is for people",
    says: /validate: its flags have to be/,
    put: (documents) => swap(stage(documents, "validate"), "--log-format", "--log-format=text"),
  },
  {
    fault: "a Pod of its own owns the lease",
    says: /the lease's owner has to be metadata.labels/,
    put: (documents) =>
      void (stage(documents, "download").env.find(({ name }: { name: string }) => name === "ETL_LEASE_OWNER")
        .valueFrom
        .fieldRef.fieldPath = "metadata.uid"),
  },
  {
    fault: "a stage may run as root",
    says: /it may run as root/,
    put: (documents) => void delete pod(documents).securityContext.runAsNonRoot,
  },
  {
    fault: "a stage may write to its image",
    says: /cleanup may write to its image/,
    put: (documents) => void delete stage(documents, "cleanup").securityContext.readOnlyRootFilesystem,
  },
  {
    fault: "a server keeps capabilities",
    says: /s3: s3 keeps capabilities/,
    put: (documents) =>
      void (server(documents, "s3").containers[0].securityContext.capabilities.drop = ["NET_RAW"]),
  },
  {
    fault: "the Pod has a token for the API",
    says: /it has a token for the cluster's API/,
    put: (documents) => void delete pod(documents).automountServiceAccountToken,
  },
  {
    fault: "the ServiceAccount is another",
    says: /the ServiceAccount default is missing/,
    put: (documents) => void (pod(documents).serviceAccountName = "default"),
  },
  {
    fault: "a stage has no memory limit",
    says: /validate has no request or no limit for memory/,
    put: (documents) => void delete stage(documents, "validate").resources.limits.memory,
  },
  {
    fault: "a request is above its limit",
    says: /move requests more memory than its limit/,
    put: (documents) => void (stage(documents, "move").resources.requests.memory = "1Gi"),
  },
  {
    fault: "the volume may fill the node",
    says: /the volume work may grow without end/,
    put: (documents) =>
      void (pod(documents).volumes.find((volume: Loose) => volume.name === "work").emptyDir = {}),
  },
  {
    fault: "an image without a version",
    says: /mariadb has no version/,
    put: (documents) => void (server(documents, "mariadb").containers[0].image = "mariadb"),
  },
  {
    fault: "the latest image",
    says: /mariadb:latest has no version/,
    put: (documents) => void (server(documents, "mariadb").containers[0].image = "mariadb:latest"),
  },
  {
    fault: "one stage of another image",
    says: /the stages have to be of one image/,
    put: (documents) => void (stage(documents, "upload").image = "nightly-marts:old"),
  },
  {
    fault: "a mount of a volume that there is not",
    says: /no volume scratch/,
    put: (documents) => void (stage(documents, "validate").volumeMounts[0].name = "scratch"),
  },
  {
    fault: "a volume that nobody mounts",
    says: /nothing mounts the volume scratch/,
    put: (documents) => void pod(documents).volumes.push({ name: "scratch", emptyDir: { sizeLimit: "1Gi" } }),
  },
  {
    fault: "a ConfigMap that there is not",
    says: /of a ConfigMap that is missing/,
    put: (documents) =>
      void documents.splice(documents.findIndex(({ metadata }) => /config/.test(metadata?.name ?? "")), 1),
  },
  {
    fault: "a key that the ConfigMap does not have",
    says: /comes from a ConfigMap that does not have it/,
    put: (documents) =>
      void (stage(documents, "move").env.find(({ name }: { name: string }) => name === "STORE_HOSTS")
        .valueFrom
        .configMapKeyRef.key = "bucket"),
  },
  {
    fault: "a variable that is not set",
    says: /no variable POD_NAME/,
    put: (documents) => void (stage(documents, "upload").env.reverse()),
  },
  {
    fault: "a secret in the environment",
    says: /the secret PASSWORD has to be a file/,
    put: (documents) =>
      void stage(documents, "upload").env.push({
        name: "PASSWORD",
        valueFrom: { secretKeyRef: { name: "nightly-marts-local", key: "database-password" } },
      }),
  },
  {
    fault: "all secrets in the environment",
    says: /it takes all variables of something/,
    put: (documents) =>
      void (stage(documents, "upload").envFrom = [{ secretRef: { name: "nightly-marts-local" } }]),
  },
  {
    fault: "a secret in the repository",
    says: /a secret is in the repository/,
    put: (documents) =>
      void documents.push({ apiVersion: "v1", kind: "Secret", metadata: { name: "s" }, data: {} } as Loose),
  },
  {
    fault: "a secret that everybody may read",
    says: /move-secrets may be read by others/,
    put: (documents) =>
      void (pod(documents).volumes.find((volume: Loose) => volume.name === "move-secrets").secret
        .defaultMode = 0o444),
  },
  {
    fault: "a compute stage has secrets",
    says: /validate has to have its own secrets/,
    put: (documents) =>
      void stage(documents, "validate").volumeMounts.push({ name: "move-secrets", mountPath: "/s" }),
  },
  {
    fault: "a stage has another's secrets",
    says: /upload has to have its own secrets/,
    put: (documents) => void (stage(documents, "upload").volumeMounts[2].name = "download-secrets"),
  },
  {
    fault: "the configuration may be written",
    says: /upload: \/etc\/nightly-marts may be written/,
    put: (documents) => void delete stage(documents, "upload").volumeMounts[1].readOnly,
  },
  {
    fault: "the configuration has a key that there is not",
    says: /workdir/,
    put: (documents) => rewrite(documents, /config/, "pipeline.jsonc", "workDir", "workdir"),
  },
  {
    fault: "a secret in the configuration",
    says: /database.password is in plain text/,
    put: (documents) =>
      rewrite(
        documents,
        /config/,
        "pipeline.jsonc",
        "${file:/run/secrets/nightly-marts/database-password}",
        "hunter2",
      ),
  },
  {
    fault: "a work dir beside the volume",
    says: /the work dir has to be the volume/,
    put: (documents) => rewrite(documents, /config/, "pipeline.jsonc", '"/work"', '"/tmp"'),
  },
  {
    fault: "a database that the stages may not connect to",
    says: /the stages may not connect to mariadb:3306 alone/,
    put: (documents) => rewrite(documents, /hosts/, "database", "mariadb", "mysql"),
  },
  {
    fault: "a bucket that the stages may not connect to",
    says: /the stages may not connect to s3:7070/,
    put: (documents) => rewrite(documents, /hosts/, "store", "s3", "minio"),
  },
  {
    fault: "a policy for other Pods",
    says: /is not for the night's Pod/,
    put: (documents) =>
      void ((all(documents, "NetworkPolicy")[0] as Loose).spec.podSelector.matchLabels = { app: "x" }),
  },
  {
    fault: "the node's metadata can be reached",
    says: /the node's metadata can be reached/,
    put: (documents) =>
      void ((all(documents, "NetworkPolicy")[0] as Loose).spec.egress[0].to = [{
        ipBlock: { cidr: "0.0.0.0/0" },
      }]),
  },
  {
    fault: "a policy that lets everything out",
    says: /a rule lets everything through/,
    put: (documents) => void (all(documents, "NetworkPolicy")[0] as Loose).spec.egress.push({}),
  },
  {
    fault: "somebody may connect",
    says: /somebody may connect to the night's Pod/,
    put: (documents) =>
      void ((named(documents, "NetworkPolicy", "nightly-marts") as Loose).spec.ingress = [{}]),
  },
  {
    fault: "things in two namespaces",
    says: /not everything is in one namespace/,
    put: (documents) => void ((cronJobOf(documents).metadata as Loose).namespace = "default"),
  },
  {
    fault: "a Service without Pods",
    says: /the Service mariadb has no Pods/,
    put: (documents) =>
      void ((named(documents, "Service", "mariadb") as Loose).spec.selector = { app: "mariadb" }),
  },
  {
    fault: "a runbook section that there is not",
    says: /docs\/runbook\.md has no section for it/,
    put: (documents) =>
      void ((all(documents, "PrometheusRule")[0] as Loose).spec.groups[0].rules[2].annotations.runbook_url =
        "docs/runbook.md#elsewhere"),
  },
  {
    fault: "an alert without a severity",
    says: /it has no severity/,
    put: (documents) =>
      void delete (all(documents, "PrometheusRule")[0] as Loose).spec.groups[0].rules[2].labels,
  },
];
