/**
 * Dot product of `n` numbers of `a` from `aOffset` and of `b` from `bOffset`, summed in float64.
 *
 * Unchecked: both ranges lie inside their buffers.
 */
export function dot(
  a: Float32Array,
  aOffset: number,
  b: Float32Array,
  bOffset: number,
  n: number,
): number {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += a[aOffset + i]! * b[bOffset + i]!;
  return sum;
}
