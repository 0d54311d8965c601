import { AddedTokens, type AddedToken } from "../added-tokens.ts";
import { sentencePieceDecoder } from "../decoders/sentencepiece.ts";
import { SentencePieceCuts, isCuttable } from "../cuts/sentencepiece-cuts.ts";
import { sentencePieceNormalizer } from "../normalizers/sentencepiece.ts";
import { PipelineTokenizer } from "../pipeline-tokenizer.ts";
import { PostProcessor } from "../post-processors/post-processor.ts";
import { templateStep, type TemplatePiece, type Templates } from "../post-processors/template.ts";
import { Vocabulary } from "../vocabulary.ts";
import { writeSentencePieceJson } from "./sentencepiece-json.ts";
import { readSentencePieceModel, type SentencePieceModel } from "./sentencepiece-model.ts";
import { withSampling, type SentencePieceTokenizer } from "./sentencepiece-sampling.ts";
import { buildSentencePiece } from "./sentencepiece-parts.ts";

/** What a sentencepiece model leaves open. */
export interface SentencePieceOptions {
  /** Put the first piece, `<s>`, before the text. Default `false`, as in the reference. */
  readonly addBos?: boolean;
  /** Put the last piece, `</s>`, after the text. Default `false`, as in the reference. */
  readonly addEos?: boolean;
  /**
   * Look for control pieces such as `<s>` in the text, unless `special` is `"text"`. Default
   * `false`: the reference never does.
   */
  readonly parseControl?: boolean;
}

/**
 * Makes a tokenizer from a sentencepiece `.model` file: unigram, byte-pair, character or word.
 *
 * Ids, normalized text and decoded text are those of the reference. Ranges are too, but for pieces of
 * bytes, each of which covers the whole character, as everywhere in this package.
 *
 * `toJson` writes what sentencepiece and `tokenizer.json` have in common: see
 * {@link writeSentencePieceJson}.
 *
 * Cost: O(file).
 *
 * @throws {@link InferenceError} `format`, with the place, if the file is not what it should be;
 *   `unsupported` if it asks for denormalization.
 * @see google/sentencepiece (2734490): src/sentencepiece_processor.cc
 */
export function fromSentencePiece(
  file: Uint8Array,
  options: SentencePieceOptions = {},
): SentencePieceTokenizer {
  return sentencePieceTokenizer(readSentencePieceModel(file), options);
}

/** The tokenizer of a model that has been read. */
export function sentencePieceTokenizer(
  model: SentencePieceModel,
  { addBos = false, addEos = false, parseControl = false }: SentencePieceOptions,
): SentencePieceTokenizer {
  const parts = buildSentencePiece(model);
  const { ids, rules, model: segmenter } = parts;
  const idsOf = (...types: readonly string[]): number[] =>
    model.pieces.flatMap(({ type }, id) => (types.includes(type) ? [id] : []));
  const special = new Set(idsOf("control", "unknown"));
  const control = idsOf("control");
  const added = parseControl ? control.map((id) => controlToken(id, model.pieces[id]!.piece)) : [];
  const rawTokens = new AddedTokens(
    added,
    added.map(({ content }) => content),
  );
  const named = (piece: string): string | null => (ids.has(piece) ? piece : null);
  const frame = (wanted: boolean, piece: string): TemplatePiece[] =>
    wanted && ids.has(piece) ? [{ ids: [ids.get(piece)!], typeId: 0 }] : [];
  const templates = templatesOf(frame(addBos, model.bosPiece), frame(addEos, model.eosPiece));
  const tokenizer = new PipelineTokenizer(
    {
      kind: "text",
      vocabulary: new Vocabulary(ids, new Set(added.map(({ id }) => id)), special),
      rawTokens,
      normalizedTokens: new AddedTokens([], []),
      normalizer: sentencePieceNormalizer(rules),
      preTokenizer: null,
      model: segmenter,
      needsOrigin: false,
      cuts: isCuttable(model) ? new SentencePieceCuts(model, parts, rawTokens) : null,
      postProcessor: new PostProcessor([templateStep(templates, "sentencepiece model")]),
      createDecoder: () => sentencePieceDecoder(model),
      toJson: () => writeSentencePieceJson(model, templates),
    },
    {
      eosToken: named(model.eosPiece),
      bosToken: named(model.bosPiece),
      padToken: named(model.padPiece),
      chatTemplate: null,
    },
  );
  return withSampling(tokenizer, model, parts);
}

/** The texts with fixed tokens around each. */
function templatesOf(before: readonly TemplatePiece[], after: readonly TemplatePiece[]): Templates {
  const around = (sequence: 0 | 1): TemplatePiece[] => [
    ...before,
    { sequence, typeId: sequence },
    ...after,
  ];
  return { single: around(0), pair: [...around(0), ...around(1)] };
}

function controlToken(id: number, content: string): AddedToken {
  const flags = { singleWord: false, lstrip: false, rstrip: false, normalized: false };
  return { id, content, ...flags, special: true };
}
