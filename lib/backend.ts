/**
 * What the rest of the program has to know of a kind of store or database: one entry for each, in `store/open.ts` and
 * `database/open.ts`. To ask for the kind anywhere else would be to forget a place when there is another one.
 *
 * The settings' schema is not in it but in the `config.ts` beside it, which makes a union of all kinds.
 *
 * @module
 */

/** A right of the process that a backend may need. */
export type Right = "env" | "sys" | "net";

/** A kind of backend: its settings, what it is opened with besides them, and what is opened. */
export interface Backend<Settings, Surroundings, Opened> {
  /** Fields that are secrets by themselves, below the settings: `credentials.accessKeyId`. */
  readonly secrets: readonly string[];
  /** Fields that are paths, relative to the configuration file. */
  readonly paths: readonly string[];
  /** Those of the paths that name a file which must be there. */
  readonly files: readonly string[];
  /** The rights that it uses; a process may give up the others. */
  readonly needs: readonly Right[];
  /** Its name for people, without accounts. */
  nameOf(settings: Settings): string;
  /** The settings that say where it is, without those that say who asks: each stage may have an account of its own. */
  placeOf(settings: Settings): unknown;
  /** What accounts are granted rights on, a database or a bucket; `null` if there are no accounts. */
  grantedOn(settings: Settings): string | null;
  /** Opens it; its driver is loaded now. */
  open(settings: Settings, surroundings: Surroundings): Promise<Opened>;
}
