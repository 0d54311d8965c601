import { type ModelInfo, PageBounds, type QuestPolicy } from "@frugal/core";

import type { Ort, Tensor } from "../../onnx/ort.ts";
import type { KvStore } from "../kv-store.ts";
import { CandidateBias, noBias } from "./candidate-bias.ts";
import type { PolicyFeeds, PolicyState, PolicyStep } from "./policy-state.ts";
import { flag, isSparse, scalar } from "./scalars.ts";

/** The host's part of `quest`: the bounds of full pages. */
export class QuestState implements PolicyState {
  readonly #ort: Ort;
  readonly #info: ModelInfo;
  readonly #policy: QuestPolicy;
  readonly #bias: CandidateBias;
  /** Of the layers from `dense` on. */
  #bounds: PageBounds[];

  constructor(ort: Ort, info: ModelInfo, policy: QuestPolicy) {
    const { pageSize, dense, sinkSlots } = policy;
    this.#ort = ort;
    this.#info = info;
    this.#policy = policy;
    this.#bias = new CandidateBias(ort, pagesOf(sinkSlots, pageSize));
    this.#bounds = Array.from(
      { length: Math.max(0, info.layers - dense) },
      () => new PageBounds(info.kvHeads, info.headDim, pageSize),
    );
  }

  begin(step: PolicyStep): PolicyFeeds {
    const { budget, pageSize } = this.#policy;
    const { store } = step;
    const sparse = isSparse(this.#policy, step);
    const pages = Math.floor(store.length / pageSize);
    const unfinished = store.length - pages * pageSize;
    return {
      tensors: {
        sparse: flag(this.#ort, sparse),
        selected_count: scalar(this.#ort, Math.floor((budget - unfinished) / pageSize)),
        full_rows: scalar(this.#ort, pages * pageSize),
        cached: scalar(this.#ort, store.length),
        ...(sparse ? this.#boundsOf(store, pages) : this.#noBounds()),
      },
      outputs: [],
      sparse,
    };
  }

  /** Bounds follow the cache, not the steps. */
  finish(): void {}

  keep(same: number): void {
    for (const bounds of this.#bounds) bounds.truncate(same);
  }

  fork(): QuestState {
    const copy = new QuestState(this.#ort, this.#info, this.#policy);
    copy.#bounds = this.#bounds.map((bounds) => bounds.clone());
    return copy;
  }

  /** _Cost_: one pass over the keys of pages that became full since. */
  #boundsOf(store: KvStore, pages: number): Record<string, Tensor> {
    const { kvHeads, headDim } = this.#info;
    const tensors: Record<string, Tensor> = {};
    let capacity = 0;
    for (const [i, bounds] of this.#bounds.entries()) {
      const layer = i + this.#policy.dense;
      const keys = store.keys[layer]!;
      bounds.extend({ keys, capacity: store.capacity, length: store.length });
      capacity = bounds.capacity;
      const dims = [kvHeads, 1, capacity, headDim];
      tensors[`page_min.${layer}`] = new this.#ort.Tensor("float32", bounds.minima, dims);
      tensors[`page_max.${layer}`] = new this.#ort.Tensor("float32", bounds.maxima, dims);
    }
    return { ...tensors, selection_bias: this.#bias.over(capacity, 0, pages, [1, 1]) };
  }

  #noBounds(): Record<string, Tensor> {
    const { layers, kvHeads, headDim } = this.#info;
    const data = new Float32Array(kvHeads * headDim);
    const none = new this.#ort.Tensor("float32", data, [kvHeads, 1, 1, headDim]);
    const tensors: Record<string, Tensor> = { selection_bias: noBias(this.#ort) };
    for (let layer = this.#policy.dense; layer < layers; layer++) {
      tensors[`page_min.${layer}`] = none;
      tensors[`page_max.${layer}`] = none;
    }
    return tensors;
  }
}

/** The pages that slots lie in, ascending and distinct. */
export function pagesOf(slots: readonly number[], pageSize: number): readonly number[] {
  return [...new Set(slots.map((slot) => Math.floor(slot / pageSize)))];
}
