/**
 * The settings of a database as the configuration file has them: its keys, defaults and limits.
 *
 * @module
 */
import { isIP } from "node:net";
import { z } from "zod";
import { secretField } from "../secrets/field.ts";
import { usesTls } from "./mysql/tls.ts";

const text = z.string().min(1);

const duckdb = z.strictObject({
  kind: z.literal("duckdb"),
  path: text.describe("DuckDB file, relative to this file."),
});

const mysql = z.strictObject({
  kind: z.literal("mysql"),
  host: text,
  port: z.int().min(1).max(65535).default(3306),
  database: text,
  user: text,
  password: secretField(z.string()),
  tls: z.strictObject({ mode: z.enum(["required", "off"]), caFile: text.optional() }).optional()
    .describe("Left out: required, except for loopback hosts: off."),
}).refine(({ host, tls }) => !usesTls(host, tls?.mode) || isIP(host) === 0, {
  path: ["host"],
  // The driver checks names only, and would take any certificate of a known authority for that of an address.
  error: "must be a name, not an address, for TLS to check the certificate",
});

/**
 * The settings' shape.
 *
 * @internal
 */
export const databaseSchema = z.discriminatedUnion("kind", [duckdb, mysql]);

/** The settings of any kind of database, with every default filled in. */
export type DatabaseSettings = ReturnType<typeof databaseSchema.parse>;
