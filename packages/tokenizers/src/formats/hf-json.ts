import { AddedTokens, type AddedToken } from "../added-tokens.ts";
import { ByteLevelDecoder } from "../decoders/byte-level.ts";
import { ChainDecoder } from "../decoders/chain.ts";
import type { ByteStages, TextStages, TokenizerParts } from "../tokenizer-parts.ts";
import type { PostProcessor } from "../post-processors/post-processor.ts";
import { Vocabulary } from "../vocabulary.ts";
import { readAddedTokens, writeAddedTokens, type TokensBeside } from "./hf-added-tokens.ts";
import { readCuts } from "./hf-cuts.ts";
import { readDecoder } from "./hf-decoder.ts";
import { readPadding, readTruncation } from "./hf-lengths.ts";
import { readModel, type ModelFile } from "./hf-model.ts";
import { readNormalizer } from "./hf-normalizer.ts";
import { readPostProcessor } from "./hf-post-processor.ts";
import { looksAtStart, readBytePreTokenizer, readPreTokenizer } from "./hf-pre-tokenizer.ts";
import type { JsonReader } from "./json-reader.ts";

/**
 * Reads a `tokenizer.json`, with the added tokens that files beside it name. O(file).
 *
 * @throws {@link InferenceError} `format` or `unsupported`, naming the place in the file.
 * @see huggingface/tokenizers (3ba8ad0): tokenizers/src/tokenizer/serialization.rs
 */
export function readTokenizerJson(file: JsonReader, beside: TokensBeside): TokenizerParts {
  const version = file.member("version");
  if (!version.isAbsent) version.choice(["1.0"]);

  const model = readModel(file.member("model"));
  const ids = new Map(model.ids);
  const added = readAddedTokens(file.member("added_tokens"), ids, model.size, beside);
  const normalizer = readNormalizer(file.member("normalizer"));
  const normalizedForm = (token: AddedToken): string =>
    normalizer === null ? token.content : normalizer(token.content, false).text;
  // The reference skips special tokens by what they decode to, so one that normalization changes is
  // not skipped.
  const isSkipped = (token: AddedToken): boolean =>
    token.special && (!token.normalized || normalizedForm(token) === token.content);
  const vocabulary = new Vocabulary(ids, idsOf(added), idsOf(added.filter(isSkipped)));

  const postProcessor = readPostProcessor(file.member("post_processor"), vocabulary.size);
  const rawTokens = matcherOf(added, false, (token) => token.content);
  const normalizedTokens = matcherOf(added, true, normalizedForm);
  const normalize = normalizer && ((text: string) => normalizer(text, false).text);
  const steps = readDecoder(file.member("decoder"));
  const decoded = (): (string | undefined)[] => decodedTokens(vocabulary, added, normalizedForm);
  return {
    ...readStages(file, model),
    vocabulary,
    rawTokens,
    normalizedTokens,
    cuts: keepsText(postProcessor)
      ? readCuts(file, {
          rawTokens,
          normalizedTokens,
          normalize,
          createModel: model.createModel,
          createReach: model.createReach ?? null,
        })
      : null,
    normalizer,
    postProcessor,
    truncation: readTruncation(file.member("truncation")),
    padding: readPadding(file.member("padding")),
    createDecoder: () =>
      steps === null ? new ByteLevelDecoder(decoded()) : new ChainDecoder(decoded(), steps),
    toJson: createWriter(file, model, added),
  };
}

/** Whether a text comes once in what a post-processor makes of it, with added tokens or without. */
function keepsText(postProcessor: PostProcessor | null): boolean {
  const counts = [false, true].map((addSpecialTokens) => {
    const pieces = postProcessor?.layoutOf(false, addSpecialTokens).pieces;
    return pieces?.filter((piece) => "sequence" in piece).length ?? 1;
  });
  return counts.every((count) => count === 1);
}

/** Pre-tokenizer and model, over bytes where that gives the same. */
function readStages(file: JsonReader, model: ModelFile): ByteStages | TextStages {
  const reader = file.member("pre_tokenizer");
  if (model.createByteModel !== null) {
    const preTokenizer = readBytePreTokenizer(reader);
    if (preTokenizer !== null) return { preTokenizer, model: model.createByteModel() };
  }
  return {
    kind: "text",
    preTokenizer: readPreTokenizer(reader),
    model: model.createModel(),
    needsOrigin: looksAtStart(reader),
  };
}

/** Makes the file anew from its small parts, which are kept as they are, and the model. */
function createWriter(
  file: JsonReader,
  model: ModelFile,
  added: readonly AddedToken[],
): () => object {
  const { truncation, padding, normalizer, pre_tokenizer, post_processor, decoder } = file.object();
  const parts = { truncation, padding, normalizer, pre_tokenizer, post_processor, decoder };
  const present = Object.entries(parts).map(([name, part]) => [name, part ?? null] as const);
  return () => ({
    version: "1.0",
    added_tokens: writeAddedTokens(added),
    ...Object.fromEntries(present),
    model: model.toJson(),
  });
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
