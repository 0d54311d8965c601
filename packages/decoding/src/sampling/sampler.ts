import type { StepOutput } from "@frugal/core";

import { CandidateList } from "./candidate-list.ts";
import type { Law } from "./law.ts";
import {
  type ResolvedSampling,
  resolveSampling,
  type SamplingOptions,
} from "./sampling-options.ts";
import { createWeighScores } from "./weigh-scores.ts";
import { createSeenTokens, type SeenTokens } from "./seen-tokens.ts";

/** Turns rows of logits into laws. Stateless but for its buffers and the tokens it has seen. */
export interface Sampler {
  /**
   * The processed law of one row of a step's output, full (`logits`) or reduced (`top`).
   *
   * Borrowed: valid until the next call. `position` is only named in errors.
   *
   * @throws {@link InferenceError} `backend` for a logit that is NaN or `+Infinity`; `range` if
   *   nothing is left to draw from, naming the stage.
   */
  law(output: StepOutput, row: number, position: number): Law;
  /** Tells the penalties that a token follows; {@link pop} takes it back. */
  push(token: number): void;
  pop(): void;
}

/** The largest support for which a reduced row is asked instead of a full one. */
const maxReducedRow = 256;

/**
 * How many logits of a row these options need: the support never reaches beyond the result. Null
 * where a stage needs the whole row.
 */
export function rowReach(options: ResolvedSampling): number | null {
  if (options.logitBias !== null || options.hasPenalties) return null;
  if (options.temperature === 0) return 1;
  return options.topK <= maxReducedRow ? options.topK : null;
}

/**
 * A sampler over `vocabSize` ids that has seen no token yet.
 *
 * Cost per row of V logits: O(V) expected for every stage (top-k and top-p select, they do not
 * sort), one exponential for each id that top-k leaves; nothing of size V is allocated. Results do
 * not depend on whether a row came full or reduced (both are summed over ascending ids in float64),
 * nor on the engine: exponentials are computed with IEEE operations only.
 *
 * @throws {@link InferenceError} `range` for an option outside its interval.
 */
export function createSampler(options: SamplingOptions, vocabSize: number): Sampler {
  const resolved = resolveSampling(options, vocabSize);
  return samplerOver(resolved, vocabSize, createSeenTokens(vocabSize, resolved.window));
}

/** {@link createSampler} for checked options; several may share one `seen`. */
export function samplerOver(
  options: ResolvedSampling,
  vocabSize: number,
  seen: SeenTokens,
): Sampler {
  const { temperature, topK, topP, minP } = options;
  const isAdjusted = options.logitBias !== null || options.hasPenalties;
  const stage = isAdjusted ? "logit bias and penalties" : "the model";
  const weigh = createWeighScores();
  const list = new CandidateList();
  return {
    law(output, row, position) {
      list.load(output, row, position);
      if (isAdjusted) adjust(list.weights, options, seen);
      const best = list.indexOfLargest(position, stage);
      if (temperature === 0) {
        list.keepOne(list.ids[best]!);
        return list;
      }
      const max = list.weights[best]!;
      // Top-k before the temperature: the order is the same, and the fewer exponentials the better.
      list.keepLargest(topK);
      list.total = weigh(list.weights, list.size, max, temperature);
      if (topP < 1) list.keepNucleus(topP);
      if (minP > 0) list.keepFrom({ value: minP, ties: Infinity });
      return list;
    },
    push: (token) => seen.push(token),
    pop: () => seen.pop(),
  };
}

/** Adds the bias, then applies the penalties, to the scores of a full row. */
function adjust(scores: Float64Array, options: ResolvedSampling, seen: SeenTokens): void {
  for (const [id, bias] of options.logitBias ?? []) scores[id] = scores[id]! + bias;
  if (!options.hasPenalties) return;
  const { repetitionPenalty, frequencyPenalty, presencePenalty } = options;
  seen.forEach((id, count) => {
    const score = scores[id]!;
    const repeated = score > 0 ? score / repetitionPenalty : score * repetitionPenalty;
    scores[id] = repeated - (count * frequencyPenalty + presencePenalty);
  });
}
