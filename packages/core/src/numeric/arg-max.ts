/**
 * Index, relative to `offset`, of the largest of `n` values from `offset`; ties go to the lower
 * index, NaN is never chosen.
 *
 * Unchecked: the range lies inside `data`.
 *
 * @returns -1 for an empty range or one of NaN only.
 */
export function argMax(data: Float32Array | Float64Array, offset: number, n: number): number {
  let best = -1;
  let max = -Infinity;
  for (let i = 0; i < n; i++) {
    const value = data[offset + i]!;
    if (value > max || (best < 0 && value === -Infinity)) {
      max = value;
      best = i;
    }
  }
  return best;
}
