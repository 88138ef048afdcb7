/**
 * Reads a secret from standard input: typed without being shown, or piped in whole. It is never an argument, which every
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
/** A pause of this length ends a paste. */
const PASTE_PAUSE_MS = 100;

/**
 * Asks for a secret: twice if somebody types it; a pipe is taken whole but for its last line end.
 *
 * @param name What is asked for, such as `database.password`.
 * @throws {UsageError} if the value is empty or not UTF-8, has typed control characters, or is another the second time.
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
    // What is left of a paste would be a command to the shell, which shows it and keeps it in its history.
    await keyboard.discard();
    Deno.stdin.setRaw(false);
  }
}

/** What somebody types, character by character. A paste arrives in pieces of any size, which may cut a character. */
class Keyboard {
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });
  #typed: string[] = [];

  /** Waits for the next character; {@linkcode END_OF_INPUT} if there will be none. */
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

  /** Reads and forgets what was pasted beyond the answers. */
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

/** Shows a prompt and reads a line without showing that. */
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
