/**
 * A field of a configuration that is secret by itself, wherever its value comes from.
 *
 * @module
 */
import type { z } from "zod";
import { Secret } from "./secret.ts";

/**
 * The text as a {@linkcode Secret}; the field is to be named among the secrets of its backend, too.
 *
 * @internal
 */
export function secretField(
  given: z.ZodString,
): z.ZodPipe<z.ZodString, z.ZodTransform<Secret, string>> {
  return given.transform((value) => new Secret(value));
}
