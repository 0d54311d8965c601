import { InferenceError } from "@frugal/core";
import { translatePattern } from "./oniguruma.ts";

/**
 * Writes a pattern of tiktoken's dialect so that it means the same in that of `tokenizer.json` files:
 * `X{1,3}+`, possessive there and a repetition here, becomes an atomic group, and the anchors of the
 * text `\A` and `\z`. O(length).
 *
 * @throws {@link InferenceError} `unsupported` if it has something else that the two read differently,
 *   such as `\w`.
 */
export function writePattern(pattern: string, place: string): string {
  const written = rewrite(pattern);
  const read = (dialect: "fancy" | "oniguruma"): string =>
    translatePattern(written, place, dialect).source;
  if (!hasNestedSets(pattern) && read("fancy") === read("oniguruma")) return written;
  const got = JSON.stringify(pattern);
  throw new InferenceError("unsupported", `${place}: ${got} in a tokenizer.json is not supported`);
}

/** An escape, a set without sets in it, a counted repetition with what follows, or a character. */
const PART =
  /\\[pPx]\{[^}]*\}|\\.|\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^[\]\\])*\]|(\{\d+(?:,\d*)?\})(\+?)|[^]/gsu;

function rewrite(pattern: string): string {
  let out = "";
  /** Where the last atom begins in `out`, and where each open group does. */
  let atom = 0;
  const open: number[] = [];
  for (const [part, count, plus] of pattern.matchAll(PART)) {
    if (count !== undefined) {
      out += count;
      if (plus === "+") out = `${out.slice(0, atom)}(?>${out.slice(atom)})`;
    } else if (/^[*+?]$/.test(part)) out += part;
    else if (part === ")") {
      atom = open.pop() ?? 0;
      out += part;
    } else {
      if (part === "(") open.push(out.length);
      atom = out.length;
      out += part === "^" ? "\\A" : part === "$" ? "\\z" : part;
    }
  }
  return out;
}

function hasNestedSets(pattern: string): boolean {
  return Array.from(pattern.matchAll(PART), ([part]) => part).includes("[");
}
