import type { AddedToken } from "../added-tokens.ts";
import { definingMerges } from "./defining-merges.ts";
import { writeAddedTokens } from "./hf-added-tokens.ts";

/** The `tokenizer.json` of ranks. `vocab` is in the byte alphabet, `pattern` in Oniguruma's dialect. */
export function writeRanks(
  vocab: ReadonlyMap<string, number>,
  specials: readonly AddedToken[],
  pattern: string,
): object {
  const scores = new Map(Array.from(vocab, ([token, rank]) => [token, -rank]));
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true };
  const cut = { type: "Split", pattern: { Regex: pattern }, behavior: "Removed", invert: true };
  // An id beside an added token does not count, one in the vocabulary does.
  const ids = specials.map(({ content, id }) => [content, id] as const);
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: writeAddedTokens(specials),
    normalizer: null,
    pre_tokenizer: { type: "Sequence", pretokenizers: [cut, { ...byteLevel, use_regex: false }] },
    post_processor: null,
    decoder: { ...byteLevel, use_regex: true },
    model: {
      type: "BPE",
      vocab: Object.fromEntries([...vocab, ...ids]),
      merges: definingMerges(scores),
      ignore_merges: true,
    },
  };
}
