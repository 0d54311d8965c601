import { expectInteger } from "../expect.ts";

/**
 * The local outlier factor of every value of a list: how much sparser the values around it are than
 * those around its neighbours. About 1 inside a group; scikit-learn calls a value above 1.5 an outlier.
 *
 * Neighbours are the `neighbors` nearest other values, at most all; of equally distant ones the smaller,
 * of equal ones the earlier. A value without others has the factor 1.
 *
 * _Cost_: O(n log n + n · neighbors).
 *
 * @param values numbers, all finite.
 * @throws `InferenceError` `range` for no neighbour.
 * @see Breunig et al., "LOF: identifying density-based local outliers" (SIGMOD 2000); scikit-learn's
 *   `LocalOutlierFactor` with one column
 */
export function localOutlierFactors(
  values: Float32Array | Float64Array,
  neighbors: number,
): Float64Array {
  expectInteger("neighbors", neighbors, 1);
  const n = values.length;
  const k = Math.min(neighbors, n - 1);
  if (k < 1) return new Float64Array(n).fill(1);
  const order = Uint32Array.from(values.keys()).sort((a, b) => values[a]! - values[b]! || a - b);
  const sorted = Float64Array.from(order, (i) => values[i]!);
  const first = windowStarts(sorted, k);
  const reach = (from: number, to: number): number => {
    // A window has k + 1 values with its own; the farthest is at one of its ends.
    const start = first[to]!;
    const farthest = Math.max(sorted[to]! - sorted[start]!, sorted[start + k]! - sorted[to]!);
    return Math.max(farthest, Math.abs(sorted[from]! - sorted[to]!));
  };
  const meanOver = (i: number, of: (neighbor: number) => number): number => {
    let sum = 0;
    for (let j = first[i]!; j <= first[i]! + k; j++) if (j !== i) sum += of(j);
    return sum / k;
  };
  const density = sorted.map((_, i) => 1 / (meanOver(i, (j) => reach(i, j)) + 1e-10));
  const factors = new Float64Array(n);
  for (const [i, place] of order.entries()) {
    factors[place] = meanOver(i, (j) => density[j]!) / density[i]!;
  }
  return factors;
}

/**
 * What part of the values are outliers: {@link localOutlierFactors} above 1.5. 0 for no values.
 *
 * @throws `InferenceError` `range` for no neighbour.
 */
export function localOutlierCount(values: Float32Array | Float64Array, neighbors: number): number {
  return localOutlierFactors(values, neighbors).filter((factor) => factor > 1.5).length;
}

/** Where the k + 1 nearest of sorted values, with the value itself, begin. */
function windowStarts(sorted: Float64Array, k: number): Uint32Array {
  let start = 0;
  return Uint32Array.from(sorted, (value, i) => {
    start = Math.max(start, i - k);
    while (start < i && start + k + 1 < sorted.length) {
      if (value - sorted[start]! <= sorted[start + k + 1]! - value) break;
      start++;
    }
    return start;
  });
}
