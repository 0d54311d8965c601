import { cosine, type ModelInfo, type RefreshKvPolicy, RefreshSchedule } from "@frugal/core";

import type { Ort, Tensor } from "../../onnx/ort.ts";
import { type KvStore, masked } from "../kv-store.ts";
import { forced, noBias } from "./candidate-bias.ts";
import type { PolicyFeeds, PolicyState, PolicyStep } from "./policy-state.ts";
import { flag, isSparse, scalar } from "./scalars.ts";

/** What a step is under `refreshKv`. */
type Phase = "told" | "prompt" | "full" | "cheap" | "looking";

/** The host's part of `refreshKv`: when to be full, and what full steps noted. */
export class RefreshState implements PolicyState {
  readonly #ort: Ort;
  readonly #info: ModelInfo;
  readonly #policy: RefreshKvPolicy;
  #schedule: RefreshSchedule;
  /** `noted.{l}` of every layer. */
  #noted: Record<string, Tensor>;
  /** Of the first row at the last full step, by layer. */
  #queries: Float32Array[] = [];
  #phase: Phase = "prompt";
  #length = 0;
  #bias = new Float32Array(0);

  constructor(ort: Ort, info: ModelInfo, policy: RefreshKvPolicy) {
    this.#ort = ort;
    this.#info = info;
    this.#policy = policy;
    this.#schedule = new RefreshSchedule(policy);
    const none = new ort.Tensor("int64", new BigInt64Array(info.kvHeads), [info.kvHeads, 1, 1, 1]);
    this.#noted = Object.fromEntries(layersOf(info).map((layer) => [`noted.${layer}`, none]));
  }

  begin(step: PolicyStep): PolicyFeeds {
    const { budget, stride, drift } = this.#policy;
    const { length } = step.store;
    this.#length = length;
    this.#phase = this.#phaseOf(step);
    const isCheap = this.#phase === "cheap" || this.#phase === "looking";
    const layers = layersOf(this.#info);
    const wantsQueries = this.#phase === "looking" || (this.#phase === "full" && drift !== null);
    return {
      tensors: {
        sparse: flag(this.#ort, isCheap),
        note: flag(this.#ort, this.#phase === "full"),
        selected_count: scalar(this.#ort, budget - stride + 1),
        selection_bias: this.#phase === "full" ? this.#fillBias(step.store) : noBias(this.#ort),
        since: scalar(this.#ort, this.#schedule.last ?? 0),
        cached: scalar(this.#ort, length),
        ...this.#noted,
      },
      outputs: [
        ...(this.#phase === "full" ? layers.map((layer) => `next_noted.${layer}`) : []),
        ...(wantsQueries ? layers.map((layer) => `queries.${layer}`) : []),
      ],
      sparse: isCheap,
    };
  }

  finish(outputs: Readonly<Record<string, Tensor>>): void {
    const layers = layersOf(this.#info);
    if (this.#phase === "prompt") this.#schedule.reset();
    if (this.#phase === "full") {
      this.#schedule.refresh(this.#length);
      for (const layer of layers) this.#noted[`noted.${layer}`] = outputs[`next_noted.${layer}`]!;
      if (this.#policy.drift !== null) {
        this.#queries = layers.map((layer) => firstQueries(outputs, layer, this.#info));
      }
    }
    if (this.#phase === "looking") {
      const { heads, headDim } = this.#info;
      let sum = 0;
      for (const layer of layers) {
        const now = firstQueries(outputs, layer, this.#info);
        for (let at = 0; at < heads * headDim; at += headDim) {
          const before = this.#queries[layer]!.subarray(at, at + headDim);
          sum += cosine(now.subarray(at, at + headDim), before);
        }
      }
      this.#schedule.observe(this.#length, sum / (layers.length * heads));
    }
  }

  keep(same: number): void {
    if (same < (this.#schedule.last ?? 0)) this.#schedule.reset();
  }

  fork(): RefreshState {
    const copy = new RefreshState(this.#ort, this.#info, this.#policy);
    copy.#schedule = this.#schedule.fork();
    copy.#noted = { ...this.#noted };
    copy.#queries = [...this.#queries];
    return copy;
  }

  #phaseOf(step: PolicyStep): Phase {
    if (step.full) return "told";
    if (!isSparse(this.#policy, step)) return "prompt";
    const { length } = step.store;
    if (this.#schedule.isFull(length)) return "full";
    return this.#schedule.looks(length) ? "looking" : "cheap";
  }

  /** What a full step adds to what rows are worth: sinks and recent rows come first. */
  #fillBias({ capacity, length }: KvStore): Tensor {
    const { sinks, recent, sinkSlots } = this.#policy;
    if (this.#bias.length !== capacity) this.#bias = new Float32Array(capacity);
    this.#bias.fill(0, 0, length).fill(masked, length);
    this.#bias.fill(forced, 0, sinks).fill(forced, length - recent, length);
    for (const slot of sinkSlots) if (slot < length) this.#bias[slot] = forced;
    return new this.#ort.Tensor("float32", this.#bias, [1, 1, capacity]);
  }
}

/** The queries of the first row, `[heads * headDim]`, of `[kvHeads, 1, s * group, headDim]`. */
function firstQueries(
  outputs: Readonly<Record<string, Tensor>>,
  layer: number,
  { heads, kvHeads, headDim }: ModelInfo,
): Float32Array {
  const data = outputs[`queries.${layer}`]!.data as Float32Array;
  const width = (heads / kvHeads) * headDim;
  const first = new Float32Array(kvHeads * width);
  for (let kvHead = 0; kvHead < kvHeads; kvHead++) {
    const at = (kvHead * data.length) / kvHeads;
    first.set(data.subarray(at, at + width), kvHead * width);
  }
  return first;
}

function layersOf({ layers }: ModelInfo): readonly number[] {
  return Array.from({ length: layers }, (_, layer) => layer);
}
