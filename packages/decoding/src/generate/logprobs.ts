import { logSumExp, type StepOutput } from "@frugal/core";

import { type Law, probabilityOf } from "../sampling/law.ts";

/** Natural logarithms of the probabilities of an emitted token. */
export interface TokenLogprobs {
  /** Under the model's own distribution, before any processing. */
  readonly model: number;
  /** Under the law it was emitted from, after all processing; 0 at temperature 0. */
  readonly sampled: number;
  /** The most probable tokens under the model's own distribution, descending. */
  readonly top: readonly { readonly token: number; readonly logprob: number }[];
}

/**
 * Reads the log probabilities of `token` off one row of a step's output.
 *
 * Cost: O(V) for a full row, O(k) for a reduced one. The log-sum-exp of a full row is taken in
 * float64, that of a reduced one is the backend's, in float32.
 */
export function readLogprobs(
  output: StepOutput,
  row: number,
  token: number,
  law: Law,
  count: number,
): TokenLogprobs {
  const sampled = Math.log(probabilityOf(law, token));
  const { logits, top } = output;
  if (logits !== null) {
    const offset = row * logits.cols;
    const scores = logits.data.subarray(offset, offset + logits.cols);
    const normalizer = logSumExp(scores, 0, scores.length);
    const best = largest(scores, count);
    return {
      model: scores[token]! - normalizer,
      sampled,
      top: best.map((id) => ({ token: id, logprob: scores[id]! - normalizer })),
    };
  }
  const { k, ids, values } = top!;
  const normalizer = top!.logSumExp[row]!;
  const at = ids.subarray(row * k, (row + 1) * k).indexOf(token);
  return {
    model: at < 0 ? -Infinity : values[row * k + at]! - normalizer,
    sampled,
    top: Array.from({ length: Math.min(count, k) }, (_, i) => ({
      token: ids[row * k + i]!,
      logprob: values[row * k + i]! - normalizer,
    })),
  };
}

/** Ids of the `count` largest scores, descending; ties to the lower id. */
export function largest(scores: Float32Array, count: number): number[] {
  const best: number[] = [];
  if (count === 0) return best;
  for (let id = 0; id < scores.length; id++) {
    const score = scores[id]!;
    if (best.length === count && score <= scores[best[count - 1]!]!) continue;
    let at = best.length;
    while (at > 0 && scores[best[at - 1]!]! < score) at--;
    best.splice(at, 0, id);
    if (best.length > count) best.pop();
  }
  return best;
}
