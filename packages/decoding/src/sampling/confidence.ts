import { logSumExp, type StepOutput } from "@frugal/core";

/**
 * The largest probability of a step's only row, before any sampling option.
 *
 * Cost: O(V) for a full row, nothing for a reduced one.
 */
export function confidenceOf({ logits, top }: StepOutput): number {
  if (top !== null) return Math.exp(top.values[0]! - top.logSumExp[0]!);
  const { data, cols } = logits!;
  let max = -Infinity;
  for (let i = 0; i < cols; i++) max = Math.max(max, data[i]!);
  return Math.exp(max - logSumExp(data, 0, cols));
}
