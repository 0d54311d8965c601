/**
 * The squared Euclidean distance of two rows of `n` numbers, or something above `limit` as soon as the
 * part that is summed up is. Sums are float64 and in a fixed order, so that a distance within the limit
 * does not depend on it.
 *
 * Unchecked: both ranges lie inside `data`.
 */
export function squaredDistance(
  data: Float32Array,
  aOffset: number,
  bOffset: number,
  n: number,
  limit: number = Infinity,
): number {
  let [x, y] = [aOffset, bOffset];
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  const whole = x + n - (n % 4);
  while (x < whole) {
    for (const end = Math.min(whole, x + 64); x < end; x += 4, y += 4) {
      const d0 = data[x]! - data[y]!;
      const d1 = data[x + 1]! - data[y + 1]!;
      const d2 = data[x + 2]! - data[y + 2]!;
      const d3 = data[x + 3]! - data[y + 3]!;
      s0 += d0 * d0;
      s1 += d1 * d1;
      s2 += d2 * d2;
      s3 += d3 * d3;
    }
    if (s0 + s1 + (s2 + s3) > limit) return s0 + s1 + (s2 + s3);
  }
  for (const end = aOffset + n; x < end; x++, y++) s0 += (data[x]! - data[y]!) ** 2;
  return s0 + s1 + (s2 + s3);
}
