import type { PreTokenizer } from "./pre-tokenizer.ts";

/** Pre-tokenizers one after the other, each on every piece of the one before. */
export function preTokenizerSequence(steps: readonly PreTokenizer[]): PreTokenizer {
  const [first, ...rest] = steps;
  if (first === undefined) return passWhole;
  if (rest.length === 0) return first;
  const then = preTokenizerSequence(rest);
  return (text, start, sink) => first(text, start, (piece, at) => then(piece, at, sink));
}

const passWhole: PreTokenizer = (text, start, sink) => {
  if (text.length > 0) sink(text, start, false);
};
