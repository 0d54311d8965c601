/**
 * Shares a whole number out in proportion to sizes, none getting more than its size: the whole parts
 * first, then one each to the largest remainders, of equal ones the first. `total` is at most their sum.
 */
export function shareOut(total: number, sizes: readonly number[]): number[] {
  const sum = sizes.reduce((a, b) => a + b, 0);
  if (sum === 0) return sizes.map(() => 0);
  const exact = sizes.map((size) => (total * size) / sum);
  const shares = exact.map(Math.floor);
  const left = total - shares.reduce((a, b) => a + b, 0);
  const order = Array.from(sizes.keys()).sort(
    (a, b) => exact[b]! - shares[b]! - (exact[a]! - shares[a]!) || a - b,
  );
  for (const i of order.slice(0, left)) shares[i]!++;
  return shares;
}
