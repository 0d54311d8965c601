import { type Matrix, pickRows } from "@frugal/core";

import { clusterDensityPeaks } from "../cluster/cluster-density-peaks.ts";
import { mergeClusters } from "../cluster/merge-clusters.ts";
import type { WeightedSum } from "../select/reduction.ts";

/** Sums that make `count` rows of a group of rows of `x`, each the mean around a dense one. */
export function clusterGroup(
  x: Matrix,
  rows: readonly number[],
  count: number,
  neighbors: number,
): WeightedSum[] {
  if (count >= rows.length) return rows.map((row) => ({ anchor: row, terms: [[row, 1]] }));
  if (count === 0) return [];
  const own = pickRows(x, rows);
  const { starts, indices, weights, keep } = mergeClusters(
    clusterDensityPeaks(own, count, neighbors),
  );
  return Array.from(keep, (center, i) => ({
    anchor: rows[center]!,
    terms: Array.from(indices.subarray(starts[i], starts[i + 1]), (row, t): [number, number] => [
      rows[row]!,
      weights[starts[i]! + t]!,
    ]),
  }));
}
