import type { Matrix } from "@frugal/core";

/** The last `count` rows of a matrix, sharing their storage. Unchecked. */
export function lastRows({ data, rows, cols }: Matrix, count: number): Matrix {
  return { data: data.subarray((rows - count) * cols), rows: count, cols };
}
