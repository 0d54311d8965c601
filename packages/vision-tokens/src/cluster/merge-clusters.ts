import { expectAscending, expectInteger, expectLength, expectNumbers } from "../expect.ts";
import { createReduction, type Reduction } from "../select/reduction.ts";
import type { Clusters } from "./cluster-density-peaks.ts";

/**
 * Makes one row of every group, the mean of its rows, in the place of its centre.
 *
 * @param weights of the rows in the mean: how many tokens each stands for, or scores. Default: one each.
 * @throws `InferenceError` `shape` for another number of weights than rows; `range` for weights that are
 *   not positive, centres out of order, or a row of no group.
 */
export function mergeClusters(
  { centers, labels }: Clusters,
  weights: Float32Array = new Float32Array(labels.length).fill(1),
): Reduction {
  expectAscending("centers", centers, labels.length);
  expectLength("weights", weights, labels.length);
  expectNumbers("weights", weights, Number.MIN_VALUE);
  const members = Array.from(centers, (): number[] => []);
  const totals = new Float64Array(centers.length);
  for (const [row, label] of labels.entries()) {
    expectInteger("label", label, 0, centers.length - 1);
    members[label]!.push(row);
    totals[label]! += weights[row]!;
  }
  const sums = members.map((rows, label) => ({
    anchor: centers[label]!,
    terms: rows.map((row): [number, number] => [row, weights[row]! / totals[label]!]),
  }));
  return createReduction(labels.length, sums);
}
