/**
 * The root-to-leaf path to use where only a chain can be checked: its nodes, ascending.
 *
 * With `scores`, the probability that a node is accepted given that its parent was, it is the path
 * with the most expected accepted nodes, `sum over the path of the product of scores up to each`;
 * ties go to the lower leaf. Without, it follows the first child of every node, which depends on
 * the order of drawing alone: of tokens that were drawn no other choice leaves the law of the text
 * as it is.
 *
 * Shapes: `parents` `[n]`, `scores` `[n]`. Unchecked. Cost: O(n).
 */
export function bestChain(parents: Int32Array, scores?: Float32Array): Uint32Array {
  return scores === undefined ? firstChain(parents) : likeliestChain(parents, scores);
}

function firstChain(parents: Int32Array): Uint32Array {
  const chain: number[] = [];
  let end = -1;
  for (let i = 0; i < parents.length; i++) {
    if (parents[i] !== end) continue;
    chain.push(i);
    end = i;
  }
  return Uint32Array.from(chain);
}

function likeliestChain(parents: Int32Array, scores: Float32Array): Uint32Array {
  const n = parents.length;
  const reach = new Float64Array(n);
  const expected = new Float64Array(n);
  let best = -1;
  for (let i = 0; i < n; i++) {
    const parent = parents[i]!;
    reach[i] = scores[i]! * (parent < 0 ? 1 : reach[parent]!);
    expected[i] = reach[i]! + (parent < 0 ? 0 : expected[parent]!);
    if (best < 0 || expected[i]! > expected[best]!) best = i;
  }
  const chain: number[] = [];
  for (let i = best; i >= 0; i = parents[i]!) chain.push(i);
  return Uint32Array.from(chain.reverse());
}
