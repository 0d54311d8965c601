import { InferenceError, topIndices } from "@frugal/core";

import { expectLength, expectNumber, expectNumbers } from "../expect.ts";
import type { CellGrid } from "../tiles/unpad.ts";

/**
 * A-CLIP: the blocks of two by two patches that the class token attends to most, as patches to enter an
 * encoder with: `floor(blocks · ratio) + 1` of the blocks, at most all, for instance 25 of 49 for a
 * half. Ties go to the lower index.
 *
 * @param attention of the class token to each patch, averaged over layers and heads, in raster order;
 *   of an earlier run, of a smaller encoder, or of the frame before.
 * @param grid patches; an even number on both sides.
 * @param ratio part of the blocks, in [0, 1].
 * @returns the patches of the blocks, ascending; they keep their positions.
 * @throws {@link InferenceError} `shape` or `range` for what does not fit.
 * @see A-CLIP (Yang et al.), arXiv:2212.08653; microsoft/A-CLIP, `models.py`;
 *   `docs/algorithms/attentive-blocks.md`
 */
export function attentiveBlocks(
  attention: Float32Array,
  { rows, cols }: CellGrid,
  ratio: number,
): Uint32Array {
  if (rows % 2 !== 0 || cols % 2 !== 0) {
    throw new InferenceError("range", `grid: expected even sides, got ${rows} by ${cols}`);
  }
  expectLength("attention", attention, rows * cols);
  expectNumbers("attention", attention);
  expectNumber("ratio", ratio, 0, 1);
  const across = cols / 2;
  const sums = new Float64Array((rows / 2) * across);
  const blockOf = (patch: number): number =>
    (Math.floor(patch / cols) >> 1) * across + ((patch % cols) >> 1);
  for (let patch = 0; patch < attention.length; patch++) {
    sums[blockOf(patch)]! += attention[patch]!;
  }
  const isKept = new Uint8Array(sums.length);
  const count = Math.floor(sums.length * ratio) + 1;
  for (const block of topIndices(sums, 0, sums.length, count)) isKept[block] = 1;
  return Uint32Array.from(attention.keys()).filter((patch) => isKept[blockOf(patch)] === 1);
}
