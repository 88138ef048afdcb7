/**
 * The kinds of stores: all that the rest of the program asks of a kind is in its entry.
 *
 * @module
 */
import type { Backend } from "../backend.ts";
import type { StoreSettings } from "./config.ts";
import { openFolderStore } from "./folder/store.ts";
import type { ObjectStore } from "./store.ts";

/** What a store is opened with, besides its settings. */
export interface StoreSurroundings {
  /** The wall clock. */
  readonly now: () => Date;
  /** Learns the secrets that the store finds by itself, before they are used. */
  readonly learnSecret: (value: string) => void;
  /** Ends what is under way. */
  readonly signal: AbortSignal;
}

/** What the rest of the program has to know of a kind of store. */
export interface StoreBackend<Settings> extends Backend<Settings, StoreSurroundings, ObjectStore> {
  /** Whether it sends HTTP requests, whose URLs tell the names of objects. */
  readonly sendsRequests: boolean;
  /** Variables of the environment in which it finds secrets by itself, with these settings. */
  secretVariables(settings: Settings): readonly string[];
  /** As settings of the same kind, which a run keeps. */
  placeOf(settings: Settings): Settings;
}

/** Environment variables in which the AWS default chain finds secrets (AWS SDKs reference guide, "Settings reference"). */
const AWS_SECRETS = [
  "AWS_ACCESS_KEY_ID",
  "AWS_SECRET_ACCESS_KEY",
  "AWS_SESSION_TOKEN",
  "AWS_CONTAINER_AUTHORIZATION_TOKEN",
];

type Kind = StoreSettings["kind"];

/** The entry of each kind. */
const STORES: { readonly [K in Kind]: StoreBackend<Extract<StoreSettings, { kind: K }>> } = {
  folder: {
    secrets: [],
    paths: ["path"],
    files: [],
    needs: [],
    sendsRequests: false,
    secretVariables: () => [],
    nameOf: ({ path }) => path,
    placeOf: (settings) => settings,
    grantedOn: () => null,
    open: ({ path }, { now }) => openFolderStore(path, () => now().getTime()),
  },
  s3: {
    secrets: ["credentials.accessKeyId", "credentials.secretAccessKey", "credentials.sessionToken"],
    paths: ["caFile"],
    files: ["caFile"],
    // The SDK's default chain looks into the environment for as long as it runs: credentials have an end.
    needs: ["env", "sys", "net"],
    sendsRequests: true,
    secretVariables: ({ credentials }) => credentials === undefined ? AWS_SECRETS : [],
    nameOf: ({ bucket }) => `s3://${bucket}`,
    placeOf: ({ credentials: _, ...place }) => place,
    grantedOn: ({ bucket }) => bucket,
    async open(settings, { learnSecret, signal }) {
      // Loading the SDK takes longer than a small night with a folder.
      const { openS3Store } = await import("./s3/store.ts");
      return await openS3Store(settings, { learnSecret, signal });
    },
  },
};

/** Fields of the settings that are secrets by themselves, of all kinds. */
export const STORE_SECRETS: readonly string[] = Object.values(STORES).flatMap(({ secrets }) => secrets);

/** The entry for these settings. */
export function storeBackend(settings: Pick<StoreSettings, "kind">): StoreBackend<StoreSettings> {
  return STORES[settings.kind];
}

/** Opens the store of these settings. */
export function openStore(settings: StoreSettings, surroundings: StoreSurroundings): Promise<ObjectStore> {
  return storeBackend(settings).open(settings, surroundings);
}
