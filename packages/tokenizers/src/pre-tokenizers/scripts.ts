import { SCRIPTS } from "../script-table.ts";
import type { PreTokenizer } from "./pre-tokenizer.ts";

/**
 * Cuts where the script changes. Spaces and characters without a script cut nothing, and what stands
 * before the first character with a script is dropped, as in the reference. O(length).
 *
 * @see `UnicodeScripts` in huggingface/tokenizers (3ba8ad0):
 *   tokenizers/src/pre_tokenizers/unicode_scripts/pre_tokenizer.rs
 */
export function scriptsPreTokenizer(): PreTokenizer {
  const starts: number[] = [];
  const scripts: number[] = [];
  for (const run of SCRIPTS.split(" ")) {
    const [gap, script] = run.split(".");
    starts.push((starts.at(-1) ?? 0) + Number.parseInt(gap!, 36));
    scripts.push(Number.parseInt(script!, 36));
  }
  const scriptOf = (codePoint: number): number => {
    let low = 0;
    let high = starts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (starts[middle]! <= codePoint) low = middle;
      else high = middle;
    }
    return scripts[low]!;
  };
  return (text, start, sink) => {
    let from = -1;
    let last = 0;
    for (let i = 0; i < text.length;) {
      const codePoint = text.codePointAt(i)!;
      const script = scriptOf(codePoint);
      if (script !== 0 && script !== last) {
        if (from >= 0) sink(text.slice(from, i), start + from, false);
        from = i;
        last = script;
      }
      i += codePoint >= 0x10000 ? 2 : 1;
    }
    if (from >= 0) sink(text.slice(from), start + from, false);
  };
}
