/**
 * Shares a whole number out in proportion to sizes, none getting more than its size: the whole parts
 * first, then one each to the largest remainders, of equal ones the first. `total` is at most the sum of
 * the sizes, which are whole numbers, so that equal remainders are equal exactly. Unchecked.
 */
export function shareOut(total: number, sizes: readonly number[]): number[] {
  const sum = sizes.reduce((a, b) => a + b, 0);
  if (sum === 0) return sizes.map(() => 0);
  const shares = sizes.map((size) => Math.floor((total * size) / sum));
  const left = total - shares.reduce((a, b) => a + b, 0);
  const remainder = (i: number): number => (total * sizes[i]!) % sum;
  const order = Array.from(sizes.keys()).sort((a, b) => remainder(b) - remainder(a) || a - b);
  for (const i of order.slice(0, left)) shares[i]!++;
  return shares;
}
