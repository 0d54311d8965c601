/**
 * Log of the sum of exponentials of `n` values from `offset`, accumulated in float64 around the
 * maximum.
 *
 * `-Infinity` for an empty range or a range of `-Infinity`. Unchecked: the range lies inside `data`.
 */
export function logSumExp(data: Float32Array | Float64Array, offset: number, n: number): number {
  let max = -Infinity;
  for (let i = offset; i < offset + n; i++) if (data[i]! > max) max = data[i]!;
  if (max === -Infinity) return -Infinity;
  let sum = 0;
  for (let i = offset; i < offset + n; i++) sum += Math.exp(data[i]! - max);
  return max + Math.log(sum);
}
