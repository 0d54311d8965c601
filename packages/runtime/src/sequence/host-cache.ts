import type { Fetches, Tensor } from "../onnx/ort.ts";
import type { KeyFrequencies, KvStore } from "./kv-store.ts";
import { pastBias } from "./past-bias.ts";
import type { CacheContext, CacheFeeds, NewRows, SequenceCache } from "./sequence-cache.ts";

/** Tensors over the buffers of a cache, which last until it moves. */
interface BoundCache {
  readonly keys: readonly Float32Array[];
  readonly feeds: Record<string, Tensor>;
  readonly bias: Tensor;
}

/** The cache of a graph with segmented attention: a {@link KvStore}, in JavaScript memory. */
export class HostCache implements SequenceCache {
  readonly #context: CacheContext;
  readonly store: KvStore;
  readonly #newKeys: readonly string[];
  readonly #newValues: readonly string[];
  readonly #fetches: Fetches;
  #bound: BoundCache | null = null;

  constructor(context: CacheContext, store: KvStore) {
    this.#context = context;
    this.store = store;
    const { info, firstLayer } = context;
    const layers = Array.from({ length: info.layers }, (_, layer) => firstLayer + layer);
    this.#newKeys = layers.map((layer) => `new.${layer}.key`);
    this.#newValues = layers.map((layer) => `new.${layer}.value`);
    const names = [...this.#newKeys, ...this.#newValues];
    this.#fetches = Object.fromEntries(names.map((name) => [name, null]));
  }

  get length(): number {
    return this.store.length;
  }

  get capacity(): number {
    return this.store.capacity;
  }

  get positions(): Int32Array {
    return this.store.positions;
  }

  get hasTriples(): boolean {
    return this.store.hasTriples;
  }

  /**
   * The tensors live as long as the buffers of the cache; the object is used again. Only where rows
   * differ in what they see of the cache is a mask made for the step.
   */
  async begin({ highs, tree }: NewRows): Promise<CacheFeeds> {
    const { ort, info, rules } = this.#context;
    const { store } = this;
    if (this.#bound?.keys !== store.keys) this.#bound = this.#bind();
    const { feeds, bias: shared } = this.#bound;
    const group = info.heads / info.kvHeads;
    for (const [kind, { window }] of rules.entries()) {
      const bias = pastBias(store, tree, highs, window, group);
      const dims = [1, 1, highs.length * group, store.capacity];
      feeds[`past_bias.${kind}`] = bias === null ? shared : new ort.Tensor("float32", bias, dims);
    }
    return { feeds, fetches: this.#fetches };
  }

  finish(outputs: Readonly<Record<string, Tensor>>, { highs, lows }: NewRows): void {
    const rowsOf = (name: string): Float32Array => outputs[name]!.data as Float32Array;
    this.store.append(this.#newKeys.map(rowsOf), this.#newValues.map(rowsOf), highs, lows);
  }

  truncate(length: number): void {
    this.store.truncate(length);
  }

  async keep(slots: Uint32Array, frequencies: KeyFrequencies | null): Promise<void> {
    this.store.keep(slots, frequencies);
  }

  fork(): HostCache {
    return new HostCache(this.#context, this.store.fork());
  }

  dispose(): void {
    this.store.dispose();
    this.#bound = null;
  }

  #bind(): BoundCache {
    const { store } = this;
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
