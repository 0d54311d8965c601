import type { Block, ImageRows, LanguageModel, LayerStage, Matrix, StageView } from "@frugal/core";
import {
  type AttentionHook,
  createReferenceTransformer,
  randomWeights,
  type ReferenceConfig,
  seededRandom,
} from "@frugal/testkit";

import { createStagedModel, stagedRanges } from "../../src/index.ts";

/** Random weights, as a staged model and as whole ones. */
export interface StagedPair {
  staged(stages: readonly LayerStage[]): LanguageModel;
  /** All layers; `seen(layer)` are the slots that rows may attend to there, all where it is null. */
  masked(seen: (layer: number) => ((slot: number) => boolean) | null): LanguageModel;
  whole(): LanguageModel;
}

export function stagedPair(seed: number, config: ReferenceConfig): StagedPair {
  const weights = { config, tensors: randomWeights(config, seed) };
  return {
    staged(stages) {
      const ranges = stagedRanges(config.layers, stages).map(({ layers, scores }) =>
        createReferenceTransformer(weights, { layers, ...(scores && { scores }) }),
      );
      return createStagedModel(ranges, stages);
    },
    masked(seen) {
      const hook = (): AttentionHook => ({
        select({ layer, length }) {
          const sees = seen(layer);
          if (sees === null) return null;
          return Uint32Array.from({ length }, (_, slot) => slot).filter((slot) => sees(slot));
        },
        keep: () => {},
        fork: hook,
      });
      // One row at a time: rows of the same chunk would always see each other.
      return createReferenceTransformer(weights, { chunkRows: 1, attention: hook });
    },
    whole: () => createReferenceTransformer(weights),
  };
}

/** A stage that keeps these of the images' rows. */
export function keeping(layer: number, keep: (view: StageView) => readonly number[]): LayerStage {
  return { layer, reads: null, decide: (view) => ({ keep: Uint32Array.from(keep(view)) }) };
}

/** An image of random states between random tokens, as embeddings of one block. */
export interface Prompt {
  readonly block: Block & { readonly embeddings: Matrix; readonly images: readonly ImageRows[] };
  readonly images: ImageRows;
}

/** `before` rows of text, `image` rows of an image, `after` rows of text. */
export function promptOf(
  seed: number,
  width: number,
  [before, image, after]: readonly [number, number, number],
): Prompt {
  const rows = before + image + after;
  const random = seededRandom(seed);
  const data = Float32Array.from({ length: rows * width }, () => 4 * random.next() - 2);
  const images = { from: before, to: before + image };
  return { block: { embeddings: { data, rows, cols: width }, images: [images] }, images };
}

/** Rows `[from, to)` of a block of embeddings, with the images that lie in them. */
export function sliceOf({ embeddings, images }: Prompt["block"], from: number, to: number): Block {
  const { data, cols } = embeddings;
  const inside = images
    .filter((image) => image.from < to && image.to > from)
    .map((image) => ({
      from: Math.max(image.from, from) - from,
      to: Math.min(image.to, to) - from,
    }));
  return {
    embeddings: { data: data.subarray(from * cols, to * cols), rows: to - from, cols },
    ...(inside.length > 0 && { images: inside }),
  };
}
