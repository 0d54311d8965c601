import { InferenceError } from "@frugal/core";
import { AddedTokens, type AddedToken } from "../added-tokens.ts";
import { byteAlphabet } from "../byte-alphabet.ts";
import { LocalCuts } from "../cuts/local-cuts.ts";
import { PatternReach } from "../cuts/pattern-reach.ts";
import { patternStep } from "../cuts/pattern-step.ts";
import { ByteLevelDecoder } from "../decoders/byte-level.ts";
import { ByteLevelBpe } from "../models/bpe.ts";
import { PatternMatcher } from "../pre-tokenizers/pattern-matcher.ts";
import { splitPreTokenizer } from "../pre-tokenizers/split.ts";
import { PipelineTokenizer } from "../pipeline-tokenizer.ts";
import type { TokenizerParts } from "../tokenizer-parts.ts";
import { utf8Length, writeUtf8 } from "../utf8.ts";
import { Vocabulary } from "../vocabulary.ts";
import { writePattern } from "./fancy-pattern.ts";
import { translatePattern } from "./oniguruma.ts";
import { guardSpecials, type GuardedTokenizer } from "./special-policy.ts";
import { pairsOfRanks, readRanks } from "./tiktoken-ranks.ts";
import { writeRanks } from "./tiktoken-json.ts";
import { wellKnownRules } from "./well-known-patterns.ts";

/** What {@link fromTiktoken} needs beside the ranks; `tiktokenEncoding` knows the published ones. */
export interface TiktokenOptions {
  /** How text is cut before merging: a regular expression in the dialect of fancy-regex. */
  readonly pattern: string;
  /** Ids of tokens that are not in the ranks. `"<|endoftext|>"` is taken for the end of text. */
  readonly specialTokens?: Readonly<Record<string, number>>;
  /** For messages. */
  readonly name?: string;
}

/**
 * Makes a tokenizer from the contents of a `.tiktoken` file.
 *
 * `toJson` has one merge for each token, that which makes it, and gives the same ids. A special token
 * has its id by being in the vocabulary too, so that with `special: "text"` one that the pattern does
 * not cut is still found there.
 *
 * Ids are ranks. A token is spelled in the byte alphabet of `tokenizer.json` files, where a space is
 * `Ġ`; a special token is spelled as it is. Special tokens in a text are refused unless `encode` is
 * told otherwise, as in the reference.
 *
 * Cost: O(file) and one look-up for every way to cut every token in two.
 *
 * @throws {@link InferenceError} `format` if a line or a special token is wrong, `unsupported` if the
 *   pattern cannot be translated.
 * @see openai/tiktoken (4e71bbe): src/lib.rs
 */
export function fromTiktoken(
  ranks: Uint8Array | string,
  { pattern, specialTokens = {}, name = "tiktoken" }: TiktokenOptions,
): GuardedTokenizer {
  const text = typeof ranks === "string" ? ranks : new TextDecoder("utf-8").decode(ranks);
  const vocab = readRanks(text);
  const ids = new Map(vocab);
  const specials = readSpecials(specialTokens, ids, name);
  const specialIds = new Set(specials.map((token) => token.id));
  const vocabulary = new Vocabulary(ids, specialIds, specialIds);
  const { source, flag } = translatePattern(pattern, `${name} pattern`, "fancy");
  const matcher = new PatternMatcher(source, flag, wellKnownRules(pattern, "fancy"));
  const contents = specials.map((token) => token.content);
  const tokens = {
    rawTokens: new AddedTokens(specials, contents),
    normalizedTokens: new AddedTokens([], []),
  };
  const reach = PatternReach.of(source, flag);
  const steps = reach && [patternStep(matcher, reach, false)];
  const parts: TokenizerParts = {
    vocabulary,
    ...tokens,
    normalizer: null,
    preTokenizer: splitPreTokenizer(matcher, "Removed", true),
    model: new ByteLevelBpe({ vocab, pairs: pairsOfRanks(vocab), ignoreMerges: true }),
    postProcessor: null,
    cuts: steps && new LocalCuts({ ...tokens, normalize: null, steps }),
    createDecoder: () => new ByteLevelDecoder(spellings(vocabulary, specials)),
    toJson: () => writeRanks(vocab, specials, writePattern(pattern, `${name} pattern`)),
  };
  const eosToken = ids.has("<|endoftext|>") ? "<|endoftext|>" : null;
  const config = { eosToken, bosToken: null, padToken: null, chatTemplate: null };
  return guardSpecials(parts, specials, new PipelineTokenizer(parts, config));
}

/** Checks the special tokens and adds them to `ids`. Two may share an id, as in `o200k_harmony`. */
function readSpecials(
  tokens: Readonly<Record<string, number>>,
  ids: Map<string, number>,
  name: string,
): AddedToken[] {
  const ranks = new Set(ids.values());
  return Object.entries(tokens).map(([content, id]) => {
    const fail = (expected: string): never => {
      const got = `${JSON.stringify(content)}: ${JSON.stringify(id)}`;
      throw new InferenceError("format", `${name} specialTokens: expected ${expected}, got ${got}`);
    };
    if (content === "" || ids.has(content)) fail("names that are no tokens of the ranks");
    if (!Number.isInteger(id) || id < 0 || id >= 2 ** 24) fail("ids in [0, 16777216)");
    if (ranks.has(id)) fail("ids that are no ranks");
    ids.set(content, id);
    const flags = { singleWord: false, lstrip: false, rstrip: false, normalized: false };
    return { id, content, ...flags, special: true };
  });
}

/** What each id stands for, in the byte alphabet throughout. */
function spellings(
  vocabulary: Vocabulary,
  specials: readonly AddedToken[],
): (string | undefined)[] {
  const alphabet = byteAlphabet();
  const tokens = Array.from({ length: vocabulary.size }, (_, id) => vocabulary.tokenOf(id));
  for (const { id } of specials) {
    const content = vocabulary.tokenOf(id)!;
    const bytes = new Uint8Array(utf8Length(content));
    writeUtf8(content, bytes);
    tokens[id] = Array.from(bytes, (byte) => alphabet[byte]!).join("");
  }
  return tokens;
}
