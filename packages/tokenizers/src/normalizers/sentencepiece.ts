import type { TokenTrie } from "../models/token-trie.ts";
import type { Charsmap } from "./charsmap.ts";
import type { Normalizer } from "./normalizer.ts";

/** What a space is written as inside pieces. */
const SPACE = "\u2581";

/** How a sentencepiece model normalizes. */
export interface SentencePieceRules {
  /** Null where the model has none. */
  readonly charsmap: Charsmap | null;
  /** Symbols that pass unchanged; null where there are none. */
  readonly userDefined: TokenTrie | null;
  /** Whether a space is put before the text, or after it with `spaceAsSuffix`. */
  readonly addDummyPrefix: boolean;
  /** Whether spaces at the ends go, and runs of spaces become one. */
  readonly removeExtraSpaces: boolean;
  readonly escapeSpaces: boolean;
  readonly spaceAsSuffix: boolean;
}

/**
 * Normalizes as sentencepiece does: again and again a user-defined symbol, the longest rule that
 * applies, or a character is taken.
 *
 * Origins are the reference's: a position stands for the place the reader had reached, so that a
 * space that was removed belongs to what stands before it. With `goesOn` the text goes on from one
 * that did not end in a space: nothing is put in front, and a space there stays. O(length).
 *
 * @see `Normalizer::Normalize` in google/sentencepiece (2734490): src/normalizer.cc
 */
export function sentencePieceNormalizer(
  rules: SentencePieceRules,
  goesOn: boolean = false,
): Normalizer {
  const { removeExtraSpaces, spaceAsSuffix } = rules;
  const addDummyPrefix = rules.addDummyPrefix && !goesOn;
  const space = rules.escapeSpaces ? SPACE : " ";
  return (source, withOrigin) => {
    let text = "";
    const origins: number[] = [];
    let at = 0;
    const put = (part: string): void => {
      text += part;
      if (withOrigin) for (let i = 0; i < part.length; i++) origins.push(at);
    };

    if (removeExtraSpaces && !goesOn) {
      while (at < source.length) {
        const [part, length] = takePrefix(source, at, rules);
        if (part !== " ") break;
        at += length;
      }
    }
    if (at === source.length) return { text: "", origin: null };
    if (addDummyPrefix && !spaceAsSuffix) put(space);

    let afterSpace = removeExtraSpaces && !goesOn;
    while (at < source.length) {
      const [whole, length] = takePrefix(source, at, rules);
      const part = afterSpace ? whole.replace(/^ +/u, "") : whole;
      if (part !== "") {
        afterSpace = removeExtraSpaces && part.endsWith(" ");
        put(space === " " ? part : part.replaceAll(" ", space));
      }
      at += length;
    }
    if (removeExtraSpaces) {
      let end = text.length;
      while (end > 0 && text[end - 1] === space) end--;
      if (withOrigin && end < text.length) at = origins[end]!;
      text = text.slice(0, end);
      origins.length = withOrigin ? end : 0;
    }
    if (addDummyPrefix && spaceAsSuffix) put(space);
    if (!withOrigin) return { text, origin: null };
    origins.push(at);
    const starts = Uint32Array.from(origins.slice(0, -1));
    return { text, origin: { starts, ends: Uint32Array.from(origins.slice(1)) } };
  };
}

/** What the text at `at` becomes, and how many units of it that takes. */
export function takePrefix(
  source: string,
  at: number,
  { charsmap, userDefined }: SentencePieceRules,
): readonly [part: string, length: number] {
  if (userDefined !== null) {
    const length = longestKey(userDefined, source, at);
    if (length > 0) return [source.slice(at, at + length), length];
  }
  const rule = charsmap?.longest(source, at) ?? null;
  if (rule !== null) return [rule.replacement, rule.length];
  const length = source.codePointAt(at)! >= 0x10000 ? 2 : 1;
  return [source.slice(at, at + length), length];
}

/** Whether a symbol or rule could begin at `at` and go on beyond the end of `text`. */
export function prefixMayGoOn(
  text: string,
  at: number,
  { charsmap, userDefined }: SentencePieceRules,
): boolean {
  if (charsmap?.mayGoOn(text, at) === true) return true;
  let node = userDefined === null ? -1 : 0;
  for (let i = at; i < text.length && node >= 0; i++) {
    node = userDefined!.step(node, text.charCodeAt(i));
  }
  return node >= 0;
}

/** Length of the longest key that is a prefix of `text` from `at` on; 0 without one. */
export function longestKey(trie: TokenTrie, text: string, at: number): number {
  let node = 0;
  let longest = 0;
  for (let i = at; i < text.length;) {
    node = trie.step(node, text.charCodeAt(i++));
    if (node < 0) break;
    if (trie.valueAt(node) >= 0) longest = i - at;
  }
  return longest;
}
