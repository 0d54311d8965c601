import type { ModelInfo } from "@frugal/core";

import type { Ort, Tensor } from "../onnx/ort.ts";
import type { AttentionRule } from "./attention-rules.ts";
import type { KvStore } from "./kv-store.ts";
import type { OpenTree } from "./open-tree.ts";
import { pastBias } from "./past-bias.ts";

/** What of a model the inputs of its cache depend on. */
export interface CacheContext {
  readonly ort: Ort;
  readonly info: ModelInfo;
  /** How the layers attend, by attention kind. */
  readonly rules: readonly AttentionRule[];
  /** Number in the graph of the first layer. */
  readonly firstLayer: number;
}

/** Tensors over the buffers of a cache, which last until it moves. */
interface BoundCache {
  readonly keys: readonly Float32Array[];
  readonly feeds: Record<string, Tensor>;
  readonly bias: Tensor;
}

/** The inputs of a sequence's steps that hold its cache and the masks of it. */
export class CacheFeeds {
  readonly #context: CacheContext;
  readonly #store: KvStore;
  #bound: BoundCache | null = null;

  constructor(context: CacheContext, store: KvStore) {
    this.#context = context;
    this.#store = store;
  }

  /**
   * The inputs of a step with rows at these positions. The tensors live as long as the buffers of the
   * cache; the object is used again. Only where rows differ in what they see of the cache is a mask
   * made for the step.
   */
  for(positions: Int32Array, tree: OpenTree | null): Record<string, Tensor> {
    const { ort, info, rules } = this.#context;
    const store = this.#store;
    if (this.#bound?.keys !== store.keys) this.#bound = this.#bind();
    const { feeds, bias: shared } = this.#bound;
    const group = info.heads / info.kvHeads;
    for (const [kind, { window }] of rules.entries()) {
      const bias = pastBias(store, tree, positions, window, group);
      const dims = [1, 1, positions.length * group, store.capacity];
      feeds[`past_bias.${kind}`] = bias === null ? shared : new ort.Tensor("float32", bias, dims);
    }
    return feeds;
  }

  /** Lets go of the buffers. */
  clear(): void {
    this.#bound = null;
  }

  #bind(): BoundCache {
    const store = this.#store;
    const { ort, info, firstLayer } = this.#context;
    const dims = [info.kvHeads, 1, store.capacity, info.headDim];
    const feeds: Record<string, Tensor> = {};
    for (let layer = 0; layer < info.layers; layer++) {
      const name = `past.${firstLayer + layer}`;
      feeds[`${name}.key`] = new ort.Tensor("float32", store.keys[layer]!, dims);
      feeds[`${name}.value`] = new ort.Tensor("float32", store.values[layer]!, dims);
    }
    const bias = new ort.Tensor("float32", store.bias, [1, 1, 1, store.capacity]);
    return { keys: store.keys, feeds, bias };
  }
}
