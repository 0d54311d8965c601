import { InferenceError, type StepOutput } from "@frugal/core";

import { type Edge, findEdge } from "./find-edge.ts";
import type { Law } from "./law.ts";

/**
 * The ids that are still in play and their scores, then weights: a law in the making.
 *
 * Reuses its buffers for every row, ids ascending throughout. Each method costs O(size).
 */
export class CandidateList implements Law {
  ids: Uint32Array = new Uint32Array(0);
  weights: Float64Array = new Float64Array(0);
  size = 0;
  total = 0;
  #identity: Uint32Array = this.ids;
  #chosen: Uint32Array = this.ids;
  #scratch: Float64Array = this.weights;

  /**
   * Takes over one row of a step's output, full or reduced.
   *
   * @throws {@link InferenceError} `backend` if a reduced row has no log-sum-exp; `state` if the
   *   output has no logits.
   */
  load(output: StepOutput, row: number, position: number): void {
    const { logits, top } = output;
    if (logits !== null) {
      const n = logits.cols;
      this.#reserve(n);
      this.weights.set(logits.data.subarray(row * n, row * n + n));
      this.ids = this.#identity;
      this.size = n;
      return;
    }
    if (top === null) throw new InferenceError("state", "output: expected logits, got none");
    if (Number.isNaN(top.logSumExp[row])) throw badLogit(Number.NaN, "the row", position);
    const k = top.k;
    this.#reserve(k);
    this.#chosen.set(top.ids.subarray(row * k, row * k + k));
    this.weights.set(top.values.subarray(row * k, row * k + k));
    sortById(this.#chosen, this.weights, k);
    this.ids = this.#chosen;
    this.size = k;
  }

  /**
   * Index of the first largest score.
   *
   * @throws {@link InferenceError} `backend` for NaN or `+Infinity`; `range`, naming `stage`, if
   *   every score is `-Infinity`.
   */
  indexOfLargest(position: number, stage: string): number {
    const { weights: scores, size } = this;
    let best = -1;
    let max = -Infinity;
    for (let i = 0; i < size; i++) {
      const score = scores[i]!;
      // True for NaN too, so that the check costs nothing on the way.
      if (!(score <= max)) {
        if (!(score < Infinity)) throw badLogit(score, `id ${this.ids[i]!}`, position);
        max = score;
        best = i;
      }
    }
    if (best >= 0) return best;
    const expected = `at least one token with a finite logit at position ${position}`;
    throw new InferenceError("range", `${stage}: expected ${expected}, got none`);
  }

  /** Keeps `id` alone, with weight 1. */
  keepOne(id: number): void {
    this.ids = this.#chosen;
    this.ids[0] = id;
    this.weights[0] = 1;
    this.size = 1;
    this.total = 1;
  }

  /** Keeps the `count` largest; ties go to the lower id. */
  keepLargest(count: number): void {
    const { weights, size } = this;
    if (count >= size) return;
    const scratch = this.#scratch;
    const floor = this.#floorOfLargest(count);
    let n = 0;
    for (let i = 0; i < size; i++) {
      scratch[n] = weights[i]!;
      if (weights[i]! >= floor) n++;
    }
    this.keepFrom(findEdge(scratch, n, count, false));
  }

  /**
   * A value that at least `count` scores reach, so that only those have to be partitioned: the
   * `count`-th largest of the maxima of four times as many stretches.
   */
  #floorOfLargest(count: number): number {
    const { weights, size } = this;
    const stretch = Math.floor(size / (4 * count));
    if (stretch < 4) return -Infinity;
    const maxima = this.#scratch;
    let n = 0;
    for (let start = 0; start + stretch <= size; start += stretch) {
      let max = -Infinity;
      for (let i = start; i < start + stretch; i++) if (weights[i]! > max) max = weights[i]!;
      maxima[n++] = max;
    }
    return findEdge(maxima, n, count, false).value;
  }

  /** Keeps the shortest prefix by descending weight whose share of the total reaches `share`. */
  keepNucleus(share: number): void {
    const { weights, size, total } = this;
    const scratch = this.#scratch;
    // What is lighter than the excluded mass spread over everything cannot be in the nucleus; half
    // of it leaves room for rounding. Usually only a fraction of the row has to be partitioned.
    const floor = (0.5 * (1 - share) * total) / size;
    let n = 0;
    for (let i = 0; i < size; i++) {
      scratch[n] = weights[i]!;
      if (weights[i]! >= floor) n++;
    }
    this.keepFrom(findEdge(scratch, n, share * total, true));
  }

  /** Keeps what is above the edge, and of what equals it the first `ties`. */
  keepFrom({ value: edge, ties }: Edge): void {
    const { weights, ids: from, size } = this;
    const to = this.#chosen;
    let kept = 0;
    let left = ties;
    let total = 0;
    for (let i = 0; i < size; i++) {
      const weight = weights[i]!;
      if (weight < edge || (weight === edge && left-- <= 0)) continue;
      to[kept] = from[i]!;
      weights[kept++] = weight;
      total += weight;
    }
    this.ids = to;
    this.size = kept;
    this.total = total;
  }

  #reserve(size: number): void {
    if (this.#scratch.length >= size) return;
    this.#chosen = new Uint32Array(size);
    this.weights = new Float64Array(size);
    this.#scratch = new Float64Array(size);
    this.#identity = Uint32Array.from({ length: size }, (_, i) => i);
  }
}

function badLogit(score: number, where: string, position: number): InferenceError {
  const message = `got ${score} for ${where} at position ${position}`;
  return new InferenceError("backend", `logits: expected numbers below Infinity, ${message}`);
}

/** Insertion sort by id: reduced rows are short. */
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
