import { InferenceError } from "@frugal/core";

/** Where the keys of a landmark cache are rotated to. */
export interface LandmarkPositions {
  /** Of every block's landmark while blocks are chosen, `[blocks]`. */
  readonly landmarks: Int32Array;
  /** Of the first token of every chosen block, in order of the blocks, `[chosen]`. */
  readonly chosen: Int32Array;
}

/**
 * Positions that let a model retrieve from more blocks than it was trained to read.
 *
 * Landmarks of the last `budget` blocks are scored at their true places, older ones as if all were in
 * the one place before those. The chosen blocks are then packed in order, the older ones from that
 * place on and the recent ones from the place after it.
 *
 * @param blocks full blocks in the cache, of `blockSize` tokens each.
 * @param chosen the blocks to attend to, ascending; at most `budget`.
 * @throws {@link InferenceError} `range` for a chosen block that is not there or not ascending, or
 *   for too many of them.
 * @see `llama_mem.py` of the reference code of arXiv:2305.16300
 */
export function landmarkPositions(
  blocks: number,
  blockSize: number,
  budget: number,
  chosen: Uint32Array,
): LandmarkPositions {
  if (chosen.length > budget) {
    throw new InferenceError("range", `chosen: expected at most ${budget}, got ${chosen.length}`);
  }
  const places = Math.min(budget, blocks);
  const start = (blocks - places - 1) * blockSize;
  const slotOf = (block: number): number => Math.max(0, block - (blocks - places) + 1);
  const landmarks = Int32Array.from(
    { length: blocks },
    (_, block) => start + slotOf(block) * blockSize + blockSize - 1,
  );
  const packed = Int32Array.from(chosen, (block, i) => {
    if (block >= blocks || (i > 0 && block <= chosen[i - 1]!)) {
      throw new InferenceError("range", `chosen[${i}]: expected the next block, got ${block}`);
    }
    return start + (i + (slotOf(block) > 0 ? 1 : 0)) * blockSize;
  });
  return { landmarks, chosen: packed };
}
