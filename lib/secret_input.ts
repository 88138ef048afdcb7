/**
 * Reads a secret from standard input: typed without being shown, or piped in whole. Never an argument, which every
 * process of the machine could read.
 *
 * @module
 */
import { InterruptedError, UsageError } from "./errors.ts";
import { decodeUtf8 } from "./utf8.ts";

const LINE_ENDS = ["\r", "\n"];
const END_OF_INPUT = "\x04";
const INTERRUPT = "\x03";
const BACKSPACES = ["\x7f", "\b"];

/**
 * Asks for a secret, twice where somebody types it; takes all of a pipe but its last line end.
 *
 * @param name What is asked for, as `database.password`.
 * @throws {UsageError} where nothing was given, not UTF-8, or the second time something else.
 * @throws {InterruptedError} on Ctrl-C.
 */
export async function readSecret(name: string): Promise<string> {
  const value = Deno.stdin.isTerminal() ? await askTwice(name) : await readPipe();
  if (value === "") {
    throw new UsageError(
      `Cannot take an empty value for ${name}; type it, or pipe it in: printf %s "$VALUE" | …`,
    );
  }
  return value;
}

async function readPipe(): Promise<string> {
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(await new Response(Deno.stdin.readable).arrayBuffer());
  } catch (cause) {
    throw new UsageError("Cannot read a value from standard input; pipe it in, or type it", { cause });
  }
  const text = decodeUtf8(bytes);
  if (text === null) throw new UsageError(NOT_UTF8);
  return text.replace(/\r?\n$/, "");
}

const NOT_UTF8 =
  "Cannot take a value from standard input that is not UTF-8; encode it, as base64 for instance";

async function askTwice(name: string): Promise<string> {
  const typed = typedCharacters();
  Deno.stdin.setRaw(true);
  try {
    const value = await ask(`${name} (not shown): `, typed);
    if (await ask(`${name}, once more: `, typed) === value) return value;
  } finally {
    Deno.stdin.setRaw(false);
  }
  throw new UsageError(
    `Cannot take a value for ${name}: it was typed differently the second time; try again`,
  );
}

/** What is typed, character by character; a paste of several lines arrives at once. */
async function* typedCharacters(): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(256);
  for (let read; (read = await Deno.stdin.read(buffer)) !== null;) {
    yield* decoder.decode(buffer.subarray(0, read), { stream: true });
  }
}

/** Reads a line without showing it. */
async function ask(prompt: string, typed: AsyncGenerator<string, void>): Promise<string> {
  await Deno.stderr.write(new TextEncoder().encode(prompt));
  let line: string[] = [];
  while (true) {
    const { value: character = END_OF_INPUT } = await typed.next();
    if (character === INTERRUPT) throw new InterruptedError("SIGINT");
    if (LINE_ENDS.includes(character) || character === END_OF_INPUT) break;
    line = BACKSPACES.includes(character) ? line.slice(0, -1) : [...line, character];
  }
  await Deno.stderr.write(new TextEncoder().encode("\n"));
  return line.join("");
}
