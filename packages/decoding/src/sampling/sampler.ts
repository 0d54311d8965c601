import { InferenceError, type StepOutput } from "@frugal/core";

import type { Law } from "./law.ts";
import { buildMaxHeap, popLargest } from "./max-heap.ts";
import {
  type ResolvedSampling,
  resolveSampling,
  type SamplingOptions,
} from "./sampling-options.ts";
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
 * Cost per row of V logits: greedy one pass; temperature alone one exponential per logit; top-k
 * O(V + k log V); top-p O(V + m log V) for m survivors; nothing is allocated per row. Results do
 * not depend on whether a row came full or reduced: both are summed over ascending ids in float64.
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
  const { temperature, topP, minP } = options;
  const topK = temperature === 0 ? 1 : Math.min(options.topK, vocabSize);
  const needsScores = options.logitBias !== null || options.hasPenalties;
  const buffers = { ids: new Uint32Array(0), weights: new Float64Array(0) };
  let identity = new Uint32Array(0);
  let scratch = new Float64Array(0);
  /** The law handed out; the same object each time. */
  const law = { ids: identity, weights: scratch, size: 0, total: 0 };

  const reserve = (size: number): void => {
    if (scratch.length >= size) return;
    buffers.ids = new Uint32Array(size);
    buffers.weights = new Float64Array(size);
    scratch = new Float64Array(size);
    identity = Uint32Array.from({ length: size }, (_, i) => i);
  };

  /** Copies the row, ascending by id, into `law`, biased and penalised. */
  const load = (output: StepOutput, row: number, position: number): void => {
    const { logits, top } = output;
    if (logits !== null) {
      const n = logits.cols;
      reserve(n);
      const { weights } = buffers;
      const offset = row * n;
      for (let i = 0; i < n; i++) weights[i] = logits.data[offset + i]!;
      law.ids = identity;
      law.size = n;
      if (needsScores) adjust(weights, options, seen);
    } else if (top !== null) {
      reserve(top.k);
      const offset = row * top.k;
      for (let i = 0; i < top.k; i++) {
        buffers.ids[i] = top.ids[offset + i]!;
        buffers.weights[i] = top.values[offset + i]!;
      }
      if (Number.isNaN(top.logSumExp[row])) throw badLogit(Number.NaN, "the row", position);
      sortById(buffers.ids, buffers.weights, top.k);
      law.ids = buffers.ids;
      law.size = top.k;
    } else {
      throw new InferenceError("state", "output: expected logits, got none");
    }
    law.weights = buffers.weights;
  };

  /** Keeps what is above `edge`, and of what equals it the first `ties`, in place. */
  const keepAbove = (edge: number, ties: number): void => {
    const { weights, size } = law;
    const from = law.ids;
    const to = buffers.ids;
    let kept = 0;
    let left = ties;
    for (let i = 0; i < size; i++) {
      const weight = weights[i]!;
      if (weight < edge || (weight === edge && left-- <= 0)) continue;
      to[kept] = from[i]!;
      weights[kept++] = weight;
    }
    law.ids = to;
    law.size = kept;
  };

  const applyTopK = (): void => {
    if (topK >= law.size) return;
    scratch.set(law.weights.subarray(0, law.size));
    buildMaxHeap(scratch, law.size);
    let edge = Infinity;
    let ties = 0;
    for (let i = 0; i < topK; i++) {
      const value = popLargest(scratch, law.size - i);
      ties = value === edge ? ties + 1 : 1;
      edge = value;
    }
    keepAbove(edge, ties);
  };

  /** Turns scores into weights relative to the largest, which becomes 1. */
  const exponentiate = (max: number): void => {
    const { weights, size } = law;
    let total = 0;
    for (let i = 0; i < size; i++) {
      const weight = Math.exp((weights[i]! - max) / temperature);
      weights[i] = weight;
      total += weight;
    }
    law.total = total;
  };

  const applyTopP = (): void => {
    if (topP >= 1) return;
    // What is lighter than the excluded mass spread over everything cannot be in the nucleus; half
    // of it leaves room for rounding. Usually only a fraction of the row has to be ordered.
    const floor = (0.5 * (1 - topP) * law.total) / law.size;
    let n = 0;
    for (let i = 0; i < law.size; i++) if (law.weights[i]! >= floor) scratch[n++] = law.weights[i]!;
    buildMaxHeap(scratch, n);
    const goal = topP * law.total;
    let edge = Infinity;
    let ties = 0;
    for (let sum = 0; n > 0 && sum < goal; n--) {
      const value = popLargest(scratch, n);
      ties = value === edge ? ties + 1 : 1;
      edge = value;
      sum += value;
    }
    keepAbove(edge, ties);
  };

  const sumWeights = (): void => {
    let total = 0;
    for (let i = 0; i < law.size; i++) total += law.weights[i]!;
    law.total = total;
  };

  const one = (id: number): Law => {
    reserve(1);
    buffers.ids[0] = id;
    buffers.weights[0] = 1;
    law.ids = buffers.ids;
    law.weights = buffers.weights;
    law.size = 1;
    law.total = 1;
    return law;
  };

  return {
    law(output, row, position) {
      if (temperature === 0 && !needsScores && output.logits !== null) {
        const { data, cols } = output.logits;
        return one(indexOfLargest(data, row * cols, cols, null, position, "the model"));
      }
      load(output, row, position);
      const stage = needsScores ? "logit bias and penalties" : "the model";
      const best = indexOfLargest(law.weights, 0, law.size, law.ids, position, stage);
      if (temperature === 0) return one(law.ids[best]!);
      const max = law.weights[best]!;
      applyTopK();
      exponentiate(max);
      applyTopP();
      if (minP > 0) keepAbove(minP, Infinity);
      if (topP < 1 || minP > 0) sumWeights();
      return law;
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

/** Index of the first largest score; refuses what no law can be made from. */
function indexOfLargest(
  scores: Float64Array | Float32Array,
  offset: number,
  n: number,
  ids: Uint32Array | null,
  position: number,
  stage: string,
): number {
  let best = -1;
  let max = -Infinity;
  for (let i = 0; i < n; i++) {
    const score = scores[offset + i]!;
    // True for NaN too, so that the check costs nothing on the way.
    if (!(score <= max)) {
      if (!(score < Infinity)) throw badLogit(score, `id ${ids?.[i] ?? i}`, position);
      max = score;
      best = i;
    }
  }
  if (best >= 0) return best;
  throw new InferenceError(
    "range",
    `${stage}: expected at least one token with a finite logit at position ${position}, got none`,
  );
}

function badLogit(score: number, where: string, position: number): InferenceError {
  const message = `logits: expected numbers below Infinity, got ${score} for ${where} at position ${position}`;
  return new InferenceError("backend", message);
}

/** Insertion sort by id: rows are short, and backends return many of them nearly in order. */
function sortById(ids: Uint32Array, weights: Float64Array, n: number): void {
  for (let i = 1; i < n; i++) {
    const id = ids[i]!;
    const weight = weights[i]!;
    let j = i - 1;
    for (; j >= 0 && ids[j]! > id; j--) {
      ids[j + 1] = ids[j]!;
      weights[j + 1] = weights[j]!;
    }
    ids[j + 1] = id;
    weights[j + 1] = weight;
  }
}
