import { type Matrix, wideDot } from "@frugal/core";

/**
 * Which of `targets`, rows of `others`, has the largest product with a row of `x`; of equal ones the
 * first. Unchecked: there is a target, and both have the same columns.
 */
export function mostSimilar(
  x: Matrix,
  row: number,
  others: Matrix,
  targets: ArrayLike<number>,
): number {
  let best = 0;
  let highest = -Infinity;
  for (let i = 0; i < targets.length; i++) {
    const product = wideDot(x.data, row * x.cols, others.data, targets[i]! * x.cols, x.cols);
    if (product > highest) [best, highest] = [i, product];
  }
  return best;
}
