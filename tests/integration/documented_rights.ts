/**
 * What the documents in `config/` say that each stage may do, with the names of a test's own bucket, database and
 * accounts in them: what is tested is what is documented.
 *
 * @module
 */
import { join } from "node:path";
import { REPOSITORY } from "../support/task.ts";

/** One thing that a role may do with the bucket. */
export interface Permission {
  /** Sid of the statement that it is in. */
  readonly statement: string;
  /** Whose it is, as in `upload`. */
  readonly role: string;
  /** As in `s3:GetObject`. */
  readonly action: string;
  /** Keys, or for a listing prefixes, as a pattern; empty where it is the whole bucket. */
  readonly on: string;
}

/** What an account may do in the database. */
export interface Grant {
  /** Whose it is, as in `upload`. */
  readonly account: string;
  /** As in `SELECT, UPDATE`. */
  readonly privileges: string;
  /** `*` for all of them. */
  readonly table: string;
}

interface Statement {
  readonly Sid: string;
  readonly Effect: string;
  readonly Principal: { readonly AWS: string };
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: { readonly StringLike: { readonly "s3:prefix": string | readonly string[] } };
}

const BUCKET = "arn:aws:s3:::retail-sales";
const ROLE = "arn:aws:iam::111122223333:role/nightly-marts-";

/** The documented policy of one bucket. */
export class DocumentedPolicy {
  /** Everything that it allows, one by one. */
  readonly permissions: readonly Permission[];
  readonly #document: { readonly Statement: readonly Statement[] };

  private constructor(text: string) {
    this.#document = JSON.parse(text);
    this.permissions = this.#document.Statement.flatMap((statement) => {
      const { Sid, Effect, Principal, Action } = statement;
      if (Effect !== "Allow") throw new RangeError(`${Sid}: only what is allowed can be left out`);
      const role = Principal.AWS.slice(ROLE.length);
      return listOf(Action).flatMap((action) =>
        targetsOf(statement).map((on) => ({ statement: Sid, role, action, on }))
      );
    });
  }

  /** Reads it. */
  static async read(): Promise<DocumentedPolicy> {
    return new DocumentedPolicy(
      await Deno.readTextFile(join(REPOSITORY, "config", "bucket-policy.example.json")),
    );
  }

  /**
   * The document, for a bucket of that name and users in place of the roles.
   *
   * @param userOf `null` for a role that is left out, whole: the server's attributes hold no more than these need.
   * @param leftOut Of its permissions those that are not given: of one statement, for one action.
   */
  text(
    bucket: string,
    userOf: (role: string) => string | null,
    leftOut: readonly Permission[] = [],
  ): string {
    const Statement = this.#document.Statement
      .filter(({ Principal }) => userOf(Principal.AWS.slice(ROLE.length)) !== null)
      .flatMap((statement) =>
        statement.Sid === leftOut[0]?.statement ? without(statement, leftOut) : [statement]
      );
    // Without white space: the server keeps it in an attribute of a folder, which has 4 KiB on some file systems.
    return JSON.stringify({ ...this.#document, Statement }).replaceAll(BUCKET, `arn:aws:s3:::${bucket}`)
      .replaceAll(new RegExp(`"${ROLE}(\\w+)"`, "g"), (_, role) => JSON.stringify(userOf(role)));
  }
}

/** What is left of a statement. */
function without(statement: Statement, leftOut: readonly Permission[]): Statement[] {
  const action = leftOut[0]?.action ?? "";
  const otherActions = listOf(statement.Action).filter((other) => other !== action);
  const otherTargets = targetsOf(statement).filter((other) => leftOut.every(({ on }) => on !== other));
  return [
    ...otherActions.length > 0 ? [{ ...statement, Action: otherActions }] : [],
    ...otherTargets.length > 0 ? [{ ...statement, Action: action, ...aimedAt(statement, otherTargets) }] : [],
  ];
}

function targetsOf({ Resource, Condition }: Statement): string[] {
  return Condition
    ? [...listOf(Condition.StringLike["s3:prefix"])]
    : listOf(Resource).map((resource) => resource.slice(`${BUCKET}/`.length));
}

function aimedAt({ Condition }: Statement, targets: readonly string[]): Partial<Statement> {
  return Condition
    ? { Condition: { StringLike: { "s3:prefix": targets } } }
    : { Resource: targets.map((target) => `${BUCKET}/${target}`) };
}

/** Reads the documented grants. */
export async function readGrants(): Promise<Grant[]> {
  const text = await Deno.readTextFile(join(REPOSITORY, "config", "grants.example.sql"));
  const statements = text.replaceAll(/^--.*$/gm, "").split(";").map((statement) => statement.trim());
  return statements.filter((statement) => statement !== "").map((statement) => {
    const [, privileges, table, account] =
      /^GRANT ([A-Z, ]+) ON `retail`\.`?([^`\s]+)`? TO 'nightly_marts_(\w+)'@'%'$/.exec(statement) ?? [];
    if (privileges === undefined || table === undefined || account === undefined) {
      throw new RangeError(`grants.example.sql: the test does not know how to read "${statement}"`);
    }
    return { account, privileges, table };
  });
}

/** The statement that gives it in another database to another account. */
export function grantText({ privileges, table }: Grant, database: string, account: string): string {
  return `GRANT ${privileges} ON ${database}.${table} TO ${account}@'%'`;
}

function listOf<T>(value: T | readonly T[]): readonly T[] {
  return Array.isArray(value) ? value : [value as T];
}
