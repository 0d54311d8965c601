import type { Matrix, StepOutput } from "@frugal/core";

/** The last `count` rows of a matrix, sharing their storage. Unchecked. */
export function lastRows({ data, rows, cols }: Matrix, count: number): Matrix {
  return { data: data.subarray((rows - count) * cols), rows: count, cols };
}

/** A step's result with the logits of its last `count` rows, or of fewer where it has fewer. */
export function lastLogits(output: StepOutput, count: number): StepOutput {
  const { logits, top } = output;
  if ((logits?.rows ?? top?.rows ?? 0) <= count) return output;
  const from = top === null ? 0 : top.rows - count;
  return {
    ...output,
    logits: logits && lastRows(logits, count),
    top: top && {
      rows: count,
      k: top.k,
      ids: top.ids.subarray(from * top.k),
      values: top.values.subarray(from * top.k),
      logSumExp: top.logSumExp.subarray(from),
    },
  };
}
