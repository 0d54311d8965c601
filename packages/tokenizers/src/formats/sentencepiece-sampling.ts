import { InferenceError, type Rng } from "@frugal/core";
import { toWellFormed } from "../character-classes.ts";
import { findBestPaths } from "../models/best-paths.ts";
import { samplePath } from "../models/sample-path.ts";
import { unigramPieces } from "../models/sentencepiece.ts";
import type { ScoredPieces } from "../models/lattice.ts";
import { sentencePieceNormalizer } from "../normalizers/sentencepiece.ts";
import { TokenBuffer } from "../token-buffer.ts";
import type { Tokenizer } from "../tokenizer.ts";
import type { SentencePieceModel } from "./sentencepiece-model.ts";
import type { SentencePieceParts } from "./sentencepiece-parts.ts";

/** Most segmentations at once, as in the reference. */
const MOST = 1024;

/** Ids of one segmentation, and the sum of the log probabilities of its pieces. */
export interface ScoredIds {
  readonly ids: Uint32Array;
  readonly score: number;
}

/** How `SentencePieceTokenizer.sampleEncode` draws. */
export interface SampleOptions {
  /** Inverse temperature, from 0 up: the larger, the more often the best. Papers use 0.1 to 0.5. */
  readonly alpha: number;
  /** Below 0, the default: draw from all segmentations. 0 or 1: the best. Else: from that many best. */
  readonly nbestSize?: number;
  readonly rng: Rng;
  /** Which draw of `rng`: another number gives another sample. Default 0. */
  readonly position?: number;
}

/** A tokenizer of a sentencepiece model, which for unigram models knows more than the best ids. */
export interface SentencePieceTokenizer extends Tokenizer {
  /**
   * The `count` best segmentations, best first, or all if there are fewer; without a template, control
   * pieces being plain text. Sums are in 64 bits: of two that 32 bits do not tell apart, the first need
   * not be what `encode` returns.
   *
   * Cost: O(length × longest piece × count) time, O(length × count) memory.
   *
   * @throws {@link InferenceError} `unsupported` but for unigram models, `range` unless `count` is a
   *   whole number from 1 to 1024.
   */
  nbestEncode(text: string, count: number): ScoredIds[];
  /**
   * A segmentation drawn in proportion to its probability to the power of `alpha`, as training with
   * subword regularization wants it. The same arguments give the same ids.
   *
   * @throws {@link InferenceError} as `nbestEncode`.
   */
  sampleEncode(text: string, options: SampleOptions): Uint32Array;
}

/** Adds what unigram models can do to the tokenizer of any model. */
export function withSampling(
  tokenizer: Tokenizer,
  model: SentencePieceModel,
  parts: SentencePieceParts,
): SentencePieceTokenizer {
  let lattice: ScoredPieces | null = null;
  const normalize = sentencePieceNormalizer(parts.rules);
  const open = (text: string): { source: string; pieces: ScoredPieces } => {
    if (model.algorithm !== "unigram") {
      const message = `model: several segmentations of a ${model.algorithm} model`;
      throw new InferenceError("unsupported", `${message} are not supported`);
    }
    lattice ??= unigramPieces(model, (piece) => Array.from(piece).length);
    return { source: normalize(toWellFormed(text), false).text, pieces: lattice };
  };
  const idsOf = (source: string, ends: ArrayLike<number>): Uint32Array => {
    const out = new TokenBuffer(false);
    parts.model.pushPieces(source, ends, out);
    return out.ids.slice(0, out.length);
  };
  return Object.assign(tokenizer, {
    nbestEncode(text: string, count: number): ScoredIds[] {
      checkCount(count, "count", 1);
      const { source, pieces } = open(text);
      const paths = findBestPaths(source, pieces, count);
      return paths.map(({ ends, score }) => ({ ids: idsOf(source, ends), score }));
    },
    sampleEncode(text: string, options: SampleOptions): Uint32Array {
      const { alpha, nbestSize = -1, rng, position = 0 } = options;
      checkCount(Math.max(0, nbestSize), "nbestSize", 0);
      if (!(alpha >= 0 && alpha < Infinity)) {
        throw new InferenceError("range", `alpha: expected a number from 0 up, got ${alpha}`);
      }
      const { source, pieces } = open(text);
      let index = 0;
      const draw = (): number => rng.uniform(position, 0, index++);
      if (nbestSize < 0) return idsOf(source, samplePath(source, pieces, alpha, draw));
      const paths = findBestPaths(source, pieces, Math.max(1, nbestSize));
      const weights = paths.map(({ score }) => Math.exp(alpha * (score - paths[0]!.score)));
      return idsOf(source, paths[drawIndex(weights, draw())]!.ends);
    },
  });
}

/** An index drawn in proportion to the weights, by `uniform` from (0, 1). */
function drawIndex(weights: readonly number[], uniform: number): number {
  let left = uniform * weights.reduce((sum, weight) => sum + weight, 0);
  const found = weights.findIndex((weight) => (left -= weight) < 0);
  return found < 0 ? 0 : found;
}

function checkCount(value: number, name: string, least: number): void {
  if (Number.isInteger(value) && value >= least && value <= MOST) return;
  const range = `a whole number from ${least} to ${MOST}`;
  throw new InferenceError("range", `${name}: expected ${range}, got ${value}`);
}
