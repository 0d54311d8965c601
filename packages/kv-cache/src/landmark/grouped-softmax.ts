import { InferenceError } from "@frugal/core";

/**
 * Attention weights in which landmark tokens speak for their blocks.
 *
 * Stage one: a softmax over the landmarks of earlier blocks and the tokens of the current section.
 * Stage two: the weight of a landmark is handed to the ordinary tokens of its block, by a softmax
 * among them. A landmark of an earlier block has no weight of its own. Sums to 1.
 *
 * _Shapes_: `scores`, `blocks`, `landmarks` `[n]`; `blocks[i]` is the block of token `i`, equal for
 * the tokens of a block, and `current` that of the query: its tokens, a landmark among them too,
 * are the current section. Accumulates in float64.
 *
 * @throws {@link InferenceError} `shape` for lists of different lengths; `range` for an earlier
 *   block without exactly one landmark or without an ordinary token.
 * @see Landmark Attention (Mohtashami and Jaggi, 2023), arXiv:2305.16300
 */
export function groupedLandmarkSoftmax(
  scores: ArrayLike<number>,
  blocks: ArrayLike<number>,
  landmarks: ArrayLike<number>,
  current: number,
): Float64Array {
  const n = scores.length;
  if (blocks.length !== n || landmarks.length !== n) {
    throw new InferenceError(
      "shape",
      `blocks and landmarks: expected ${n} entries, got ${blocks.length} and ${landmarks.length}`,
    );
  }
  const weights = new Float64Array(n);
  const first: number[] = [];
  const ordinary = new Map<number, number[]>();
  const landmarkOf = new Map<number, number>();
  for (let i = 0; i < n; i++) {
    const block = blocks[i]!;
    if (block === current) {
      first.push(i);
    } else if (landmarks[i]) {
      if (landmarkOf.has(block)) throw wrongBlock(block, "more");
      landmarkOf.set(block, i);
      first.push(i);
    } else {
      const tokens = ordinary.get(block);
      if (tokens === undefined) ordinary.set(block, [i]);
      else tokens.push(i);
    }
  }
  softmaxOf(scores, first, 1, weights);
  for (const [block, tokens] of ordinary) {
    const landmark = landmarkOf.get(block);
    if (landmark === undefined) throw wrongBlock(block, "none");
    softmaxOf(scores, tokens, weights[landmark]!, weights);
    weights[landmark] = 0;
    landmarkOf.delete(block);
  }
  for (const block of landmarkOf.keys()) throw wrongBlock(block, "one but no other token");
  return weights;
}

/** The softmax of some scores, times `mass`. */
function softmaxOf(
  scores: ArrayLike<number>,
  indices: readonly number[],
  mass: number,
  out: Float64Array,
): void {
  let max = -Infinity;
  for (const i of indices) if (scores[i]! > max) max = scores[i]!;
  if (max === -Infinity) return;
  let sum = 0;
  for (const i of indices) sum += out[i] = Math.exp(scores[i]! - max);
  for (const i of indices) out[i] = (out[i]! / sum) * mass;
}

function wrongBlock(block: number, got: string): InferenceError {
  return new InferenceError("range", `block ${block}: expected one landmark, got ${got}`);
}
