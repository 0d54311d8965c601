import type { ModelInfo, TokenSelectPolicy } from "@frugal/core";

import type { Ort, Tensor } from "../../onnx/ort.ts";
import { CandidateBias, noBias } from "./candidate-bias.ts";
import type { PolicyFeeds, PolicyState, PolicyStep } from "./policy-state.ts";
import { flag, isSparse, scalar } from "./scalars.ts";

/** The host's part of `tokenSelect`: where the tail begins, and what each layer has chosen. */
export class TokenSelectState implements PolicyState {
  readonly #ort: Ort;
  readonly #info: ModelInfo;
  readonly #policy: TokenSelectPolicy;
  readonly #bias: CandidateBias;
  readonly #range: CandidateBias;
  /** `chosen.{l}` and `chosen_query.{l}` of every layer. */
  #choices: Record<string, Tensor>;
  readonly #inputs: readonly string[];
  /** What becomes of each of them in a sparse step. */
  readonly #outputs: readonly string[];
  /** First slot of the latest rows; what was chosen lies before it. */
  #tail = Infinity;
  #hasChosen = false;
  #isSparse = false;

  constructor(ort: Ort, info: ModelInfo, policy: TokenSelectPolicy) {
    this.#ort = ort;
    this.#info = info;
    this.#policy = policy;
    this.#bias = new CandidateBias(ort, policy.sinkSlots);
    this.#range = new CandidateBias(ort, []);
    this.#choices = noChoices(ort, info);
    this.#inputs = Object.keys(this.#choices);
    this.#outputs = this.#inputs.map((name) => `next_${name}`);
  }

  begin(step: PolicyStep): PolicyFeeds {
    const { budget, sinks, recent } = this.#policy;
    const { length, capacity } = step.store;
    const sparse = isSparse(this.#policy, step);
    if (sparse) this.#moveTail(length);
    this.#isSparse = sparse;
    return {
      tensors: {
        sparse: flag(this.#ort, sparse),
        selected_count: scalar(this.#ort, budget - sinks - recent),
        ...this.#biases(sparse ? capacity : 0),
        fixed_rows: this.#fixedRows(sparse ? length : 0),
        reselect: flag(this.#ort, !this.#hasChosen),
        ...this.#choices,
      },
      outputs: sparse ? this.#outputs : [],
      sparse,
    };
  }

  finish(outputs: Readonly<Record<string, Tensor>>): void {
    if (!this.#isSparse) return;
    for (const [i, name] of this.#inputs.entries()) {
      this.#choices[name] = outputs[this.#outputs[i]!]!;
    }
    this.#hasChosen = true;
  }

  keep(same: number): void {
    if (same < this.#tail) this.#tail = Infinity;
  }

  fork(): TokenSelectState {
    const copy = new TokenSelectState(this.#ort, this.#info, this.#policy);
    copy.#choices = { ...this.#choices };
    copy.#tail = this.#tail;
    copy.#hasChosen = this.#hasChosen;
    return copy;
  }

  /** Moves the tail where it has become too long, or is gone; every layer then chooses anew. */
  #moveTail(length: number): void {
    const { recent, reuse } = this.#policy;
    if (this.#tail <= length && length - this.#tail <= recent && reuse !== null) return;
    this.#tail = length - (reuse === null ? recent : Math.ceil(recent / 2));
    this.#hasChosen = false;
  }

  /** Only the rows between the sinks and the tail are voted for. */
  #biases(capacity: number): Record<string, Tensor> {
    if (capacity === 0) {
      const range_bias = new this.#ort.Tensor("float32", new Float32Array(1), [1, 1, 1, 1]);
      return { selection_bias: noBias(this.#ort), range_bias };
    }
    const { sinks } = this.#policy;
    return {
      selection_bias: this.#bias.over(capacity, sinks, this.#tail, [1, 1]),
      range_bias: this.#range.over(capacity, sinks, this.#tail, [1, 1, 1]),
    };
  }

  /** The sinks and the tail, at most `sinks + recent` slots; one slot where the step is full. */
  #fixedRows(length: number): Tensor {
    const { sinks } = this.#policy;
    const tail = Math.max(0, length - this.#tail);
    const slots = BigInt64Array.from({ length: length === 0 ? 1 : sinks + tail }, (_, i) =>
      BigInt(i < sinks || length === 0 ? i : this.#tail + i - sinks),
    );
    return new this.#ort.Tensor("int64", slots, [slots.length]);
  }
}

/** What layers are told before they have chosen; one slot, since providers dislike none. */
function noChoices(ort: Ort, info: ModelInfo): Record<string, Tensor> {
  const { layers, heads, kvHeads, headDim } = info;
  const choices: Record<string, Tensor> = {};
  const query = new Float32Array(heads * headDim);
  for (let layer = 0; layer < layers; layer++) {
    const dims = [kvHeads, 1, heads / kvHeads, headDim];
    choices[`chosen.${layer}`] = new ort.Tensor("int64", BigInt64Array.of(0n), [1, 1, 1]);
    choices[`chosen_query.${layer}`] = new ort.Tensor("float32", query, dims);
  }
  return choices;
}
