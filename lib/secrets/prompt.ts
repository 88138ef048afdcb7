/**
 * Reads a secret from standard input: typed without being shown, or piped in whole. Never an argument, which every
 * process of the machine could read.
 *
 * @module
 */
import { InterruptedError, UsageError } from "../errors.ts";
import { decodeUtf8 } from "../text.ts";

const LINE_ENDS = ["\r", "\n"];
const END_OF_INPUT = "\x04";
const INTERRUPT = "\x03";
const BACKSPACES = ["\x7f", "\b"];
/** Nothing more of a paste comes after a pause of this length. */
const PASTE_PAUSE_MS = 100;

/**
 * Asks for a secret, twice where somebody types it; takes all of a pipe but its last line end.
 *
 * @param name What is asked for, as `database.password`.
 * @throws {UsageError} where nothing was given, not UTF-8, typed control characters, or the second time another value.
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
  const keyboard = new Keyboard();
  Deno.stdin.setRaw(true);
  try {
    const value = await ask(`${name} (not shown): `, keyboard);
    if (await ask(`${name}, once more: `, keyboard) === value) return value;
    throw new UsageError(
      `Cannot take a value for ${name}: it was typed differently the second time; try again`,
    );
  } finally {
    // Else the shell would take it for a command, show it, and keep it in its history.
    await keyboard.discard();
    Deno.stdin.setRaw(false);
  }
}

/** What is typed, character by character; a paste arrives in pieces of any size. */
class Keyboard {
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });
  #typed: string[] = [];

  /** The next character; the end of input where there is none. */
  async next(): Promise<string> {
    while (this.#typed.length === 0) {
      const bytes = await readTyped();
      if (bytes === null) return END_OF_INPUT;
      try {
        this.#typed = [...this.#decoder.decode(bytes, { stream: true })];
      } catch {
        throw new UsageError(NOT_UTF8);
      }
    }
    return this.#typed.shift() ?? END_OF_INPUT;
  }

  /** Takes away what was pasted beyond the answers. */
  async discard(): Promise<void> {
    const pause = () => new Promise<null>((done) => setTimeout(done, PASTE_PAUSE_MS, null));
    while (await Promise.race([readTyped().catch(() => null), pause()]) !== null);
  }
}

async function readTyped(): Promise<Uint8Array | null> {
  const buffer = new Uint8Array(256);
  const size = await Deno.stdin.read(buffer);
  return size === null ? null : buffer.subarray(0, size);
}

/** Reads a line without showing it. */
async function ask(prompt: string, keyboard: Keyboard): Promise<string> {
  await Deno.stderr.write(new TextEncoder().encode(prompt));
  try {
    for (let line: string[] = [];;) {
      const character = await keyboard.next();
      if (LINE_ENDS.includes(character) || character === END_OF_INPUT) return line.join("");
      if (character === INTERRUPT) throw new InterruptedError("SIGINT");
      if (BACKSPACES.includes(character)) {
        line = line.slice(0, -1);
      } else if (/\p{Cc}/u.test(character)) {
        throw new UsageError(
          "Cannot take a value with control characters, as arrow keys and tabs give them; " +
            "type it without them, or pipe it in",
        );
      } else {
        line.push(character);
      }
    }
  } finally {
    await Deno.stderr.write(new TextEncoder().encode("\n"));
  }
}
