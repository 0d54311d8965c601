import { AddedTokens, type AddedToken } from "../added-tokens.ts";
import { ByteLevelDecoder } from "../decoders/byte-level.ts";
import { ByteLevelBpe } from "../models/bpe.ts";
import type { TokenizerParts } from "../tokenizer.ts";
import { Vocabulary } from "../vocabulary.ts";
import { readAddedTokens } from "./hf-added-tokens.ts";
import { readBpe } from "./hf-bpe.ts";
import { readCuts } from "./hf-cuts.ts";
import { readNormalizer } from "./hf-normalizer.ts";
import { readPostProcessor } from "./hf-post-processor.ts";
import { readPreTokenizer } from "./hf-pre-tokenizer.ts";
import type { JsonReader } from "./json-reader.ts";

/**
 * Reads a `tokenizer.json`. O(file).
 *
 * @throws {@link InferenceError} `format` or `unsupported`, naming the place in the file.
 * @see huggingface/tokenizers (3ba8ad0): tokenizers/src/tokenizer/serialization.rs
 */
export function readTokenizerJson(file: JsonReader): TokenizerParts {
  const version = file.member("version");
  if (!version.isAbsent) version.choice(["1.0"]);
  refuseTruncation(file.member("truncation"));
  refusePadding(file.member("padding"));

  const model = readBpe(file.member("model"));
  const ids = new Map(model.vocab);
  const added = readAddedTokens(file.member("added_tokens"), ids);
  const normalizer = readNormalizer(file.member("normalizer"));
  const normalizedForm = (token: AddedToken): string =>
    normalizer === null ? token.content : normalizer(token.content, false).text;
  // The reference skips special tokens by what they decode to, so one that normalization changes is
  // not skipped.
  const isSkipped = (token: AddedToken): boolean =>
    token.special && (!token.normalized || normalizedForm(token) === token.content);
  const vocabulary = new Vocabulary(ids, idsOf(added), idsOf(added.filter(isSkipped)));

  const preTokenizer = readPreTokenizer(file.member("pre_tokenizer"));
  const postProcessor = readPostProcessor(file.member("post_processor"), vocabulary.size);
  checkDecoder(file.member("decoder"));
  const rawTokens = matcherOf(added, false, (token) => token.content);
  const normalizedTokens = matcherOf(added, true, normalizedForm);
  const normalize = normalizer && ((text: string) => normalizer(text, false).text);
  return {
    vocabulary,
    rawTokens,
    normalizedTokens,
    cuts: readCuts(file, { rawTokens, normalizedTokens, normalize }),
    normalizer,
    preTokenizer,
    model: new ByteLevelBpe(model),
    postProcessor,
    createDecoder: () => new ByteLevelDecoder(decodedTokens(vocabulary, added, normalizedForm)),
  };
}

function idsOf(tokens: readonly AddedToken[]): ReadonlySet<number> {
  return new Set(tokens.map((token) => token.id));
}

/** Special tokens come first: of two tokens with one text, they win. */
function matcherOf(
  added: readonly AddedToken[],
  normalized: boolean,
  pattern: (token: AddedToken) => string,
): AddedTokens {
  const tokens = added.filter((token) => token.normalized === normalized);
  const ordered = [...tokens.filter((t) => t.special), ...tokens.filter((t) => !t.special)];
  return new AddedTokens(ordered, ordered.map(pattern));
}

/** What each id is decoded from: the token, or for a normalized added one its normalized form. */
function decodedTokens(
  vocabulary: Vocabulary,
  added: readonly AddedToken[],
  normalizedForm: (token: AddedToken) => string,
): (string | undefined)[] {
  const tokens = Array.from({ length: vocabulary.size }, (_, id) => vocabulary.tokenOf(id));
  for (const token of added) if (token.normalized) tokens[token.id] = normalizedForm(token);
  return tokens;
}

function checkDecoder(decoder: JsonReader): void {
  if (decoder.isAbsent) decoder.refuse("a byte-level tokenizer without a ByteLevel decoder");
  const type = decoder.member("type").string();
  if (type !== "ByteLevel") decoder.refuse(`decoder "${type}"`);
}

function refuseTruncation(truncation: JsonReader): void {
  if (!truncation.isAbsent) truncation.refuse("truncation");
}

/** Padding to the longest of a batch does nothing to a single text. */
function refusePadding(padding: JsonReader): void {
  if (padding.isAbsent) return;
  const strategy = padding.member("strategy");
  if (strategy.value !== "BatchLongest") strategy.refuse("padding to a fixed length");
  const multiple = padding.member("pad_to_multiple_of");
  if (!multiple.isAbsent) multiple.refuse("padding to a multiple");
}
