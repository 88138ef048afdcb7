/**
 * Names that match a pattern: `*` and `?` within a segment, `**` across segments.
 *
 * A pattern without a slash is about the last segment, in whatever folder it is; one with a slash about the whole name.
 * Case does not count. All places of the pattern that a name may have come to are kept at once, so that no pattern takes
 * more time than its length times that of the name.
 *
 * @example
 * ```ts
 * console.assert(compileGlob("*.bak")("2023/05/a.csv.BAK"));
 * console.assert(compileGlob("north/**")("north/2023/a.csv"));
 * console.assert(!compileGlob("north/*.csv")("north/2023/a.csv"));
 * ```
 * @module
 */

/** Characters of a pattern at most: as many as a key has bytes. */
export const MAX_GLOB_CHARACTERS = 1024;

/** A step of a pattern: one character, or something that stands for many. */
type Step =
  | { readonly kind: "character"; readonly character: string }
  /** Any character but a slash. */
  | { readonly kind: "one" }
  /** Any characters but slashes, or none. */
  | { readonly kind: "many" }
  /** Any characters, or none. */
  | { readonly kind: "all" }
  /** Whole segments with their slashes, or none. */
  | { readonly kind: "folders" };

/** What is wrong with a pattern, in words; `null` if nothing is. */
export function faultOfGlob(pattern: string): string | null {
  if (pattern === "") return "must not be empty";
  if (pattern.length > MAX_GLOB_CHARACTERS) return `must have at most ${MAX_GLOB_CHARACTERS} characters`;
  const [special] = /[[\]{}\\]/.exec(pattern) ?? [];
  if (special) return `may not have "${special}": "*", "**" and "?" are what has a meaning`;
  if (pattern.startsWith("!")) return 'may not begin with "!": what does match is named';
  if (pattern.startsWith("/")) return 'may not begin with "/": names begin below the landing prefix';
  return pattern.endsWith("/") ? `must not end in "/": "${pattern}**" is what lies in a folder` : null;
}

/** Gives what tells whether a name matches a pattern; see the module's head. */
export function compileGlob(pattern: string): (name: string) => boolean {
  const steps = stepsOf(pattern.toLowerCase());
  const isWhole = pattern.includes("/");
  return (name) => {
    const lower = name.toLowerCase();
    return matches(steps, isWhole ? lower : lower.slice(lower.lastIndexOf("/") + 1));
  };
}

function stepsOf(pattern: string): Step[] {
  return (pattern.match(/(?<=^|\/)\*\*\/|\*\*+|[^]/gu) ?? []).map((part): Step => {
    if (part === "**/") return { kind: "folders" };
    if (part === "*") return { kind: "many" };
    if (part === "?") return { kind: "one" };
    return part.startsWith("**") ? { kind: "all" } : { kind: "character", character: part };
  });
}

function matches(steps: readonly Step[], name: string): boolean {
  let places = new Set<number>();
  enter(steps, 0, places);
  for (const character of name) {
    const next = new Set<number>();
    for (const place of places) {
      const step = steps[place];
      const isSlash = character === "/";
      if (step === undefined) continue;
      if (step.kind === "character" ? step.character === character : step.kind === "one" && !isSlash) {
        enter(steps, place + 1, next);
      } else if (step.kind === "all" || (step.kind === "many" && !isSlash)) {
        enter(steps, place, next);
      } else if (step.kind === "folders") {
        // What follows begins behind a slash only.
        next.add(place);
        if (isSlash) enter(steps, place + 1, next);
      }
    }
    if (next.size === 0) return false;
    places = next;
  }
  return places.has(steps.length);
}

/** Adds a place, and those behind it that need no character. */
function enter(steps: readonly Step[], from: number, places: Set<number>): void {
  for (let place = from; !places.has(place); place++) {
    places.add(place);
    const kind = steps[place]?.kind;
    if (kind !== "many" && kind !== "all" && kind !== "folders") return;
  }
}
