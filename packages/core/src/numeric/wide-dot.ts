/**
 * Dot product of `n` numbers of `a` from `aOffset` and of `b` from `bOffset`, in eight float64 sums
 * that do not wait for each other, for long rows. The order of
 * summation differs from that of `dot`.
 *
 * Unchecked: both ranges lie inside their buffers.
 */
export function wideDot(
  a: Float32Array,
  aOffset: number,
  b: Float32Array,
  bOffset: number,
  n: number,
): number {
  let [x, y] = [aOffset, bOffset];
  let [s0, s1, s2, s3, s4, s5, s6, s7] = [0, 0, 0, 0, 0, 0, 0, 0];
  for (const end = x + n - (n % 8); x < end; x += 8, y += 8) {
    s0 += a[x]! * b[y]!;
    s1 += a[x + 1]! * b[y + 1]!;
    s2 += a[x + 2]! * b[y + 2]!;
    s3 += a[x + 3]! * b[y + 3]!;
    s4 += a[x + 4]! * b[y + 4]!;
    s5 += a[x + 5]! * b[y + 5]!;
    s6 += a[x + 6]! * b[y + 6]!;
    s7 += a[x + 7]! * b[y + 7]!;
  }
  for (let i = n % 8; i > 0; i--) s0 += a[x++]! * b[y++]!;
  return s0 + s1 + (s2 + s3) + (s4 + s5 + (s6 + s7));
}
