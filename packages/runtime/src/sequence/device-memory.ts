import { InferenceError } from "@frugal/core";

import type { Fetches, Tensor } from "../onnx/ort.ts";
import { fillRotary } from "./rotary.ts";
import type { CacheContext } from "./sequence-cache.ts";

/** Buffers of a cache on the device, shared by forks until one of them writes. */
export interface DeviceBuffers {
  readonly capacity: number;
  /** By the name of what they hold, `{l}.key` or `{l}.value`: `[1, kvHeads, capacity, headDim]`. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  owners: number;
}

/** Which rows another cache begins with, and how they are turned. */
export interface MovedRows {
  readonly from: DeviceBuffers;
  readonly slots: ArrayLike<number>;
  /** Positions that row `i` is turned by; null: no row is turned. */
  readonly turns: Int32Array | null;
}

/** Runs the graph of {@link buildMoveRows}, whose outputs stay on the device. */
export type MoveRows = (
  feeds: Record<string, Tensor>,
  fetches: Fetches,
) => Promise<Record<string, Tensor>>;

/** Buffers that are kept for the next sequence: of one that ended, and of one that moved. */
const keptBuffers = 2;

/**
 * The caches of a model on its device. Nothing of them is ever read back: a graph makes each from
 * rows of another ({@link buildMoveRows}), or of nothing.
 *
 * Slots that were not written hold whatever was there: nobody looks at them.
 */
export class DeviceMemory {
  readonly #context: CacheContext;
  readonly #moveRows: MoveRows;
  readonly #names: readonly string[];
  /** One row of zeros, of which the first caches are made. */
  readonly #nothing: DeviceBuffers;
  readonly #live = new Set<DeviceBuffers>();
  #spare: DeviceBuffers[] = [];
  #released = false;

  constructor(context: CacheContext, moveRows: MoveRows) {
    this.#context = context;
    this.#moveRows = moveRows;
    const { ort, info, firstLayer } = context;
    this.#names = Array.from({ length: info.layers }, (_, layer) => firstLayer + layer).flatMap(
      (layer) => [`${layer}.key`, `${layer}.value`],
    );
    const { kvHeads, headDim } = info;
    const zeros = new Float32Array(kvHeads * headDim);
    const row = new ort.Tensor("float32", zeros, [1, kvHeads, 1, headDim]);
    const tensors = new Map(this.#names.map((name) => [name, row]));
    this.#nothing = { capacity: 1, tensors, owners: 1 };
  }

  /**
   * Buffers of the given capacity that begin with the given rows.
   *
   * @throws {@link InferenceError} `backend`; `state` once the model is disposed.
   */
  async take(capacity: number, moved?: MovedRows): Promise<DeviceBuffers> {
    const index = this.#spare.findIndex((each) => each.capacity === capacity);
    const [spare] = index < 0 ? [] : this.#spare.splice(index, 1);
    if (spare !== undefined && moved === undefined) return this.#hand(spare);
    const { from, slots, turns } = moved ?? { from: this.#nothing, slots: [], turns: null };
    const feeds = this.#feeds(capacity, slots, turns);
    const fetches: Record<string, Tensor | null> = {};
    for (const name of this.#names) {
      feeds[`past.${name}`] = from.tensors.get(name)!;
      fetches[`present.${name}`] = spare?.tensors.get(name) ?? null;
    }
    const outputs = await this.#moveRows(feeds, fetches);
    const tensors = new Map(this.#names.map((name) => [name, outputs[`present.${name}`]!]));
    const buffers = { capacity, tensors, owners: 1 };
    if (!this.#released) return this.#hand(buffers);
    free(buffers);
    throw new InferenceError("state", "model: disposed during the step");
  }

  /** One owner less; the last one leaves the buffers for later. */
  giveBack(buffers: DeviceBuffers): void {
    buffers.owners--;
    if (buffers.owners > 0 || !this.#live.delete(buffers)) return;
    this.#spare.push(buffers);
    if (this.#spare.length > keptBuffers) free(this.#spare.shift()!);
  }

  /** Frees all buffers, of living sequences too. */
  release(): void {
    this.#released = true;
    for (const buffers of [...this.#live, ...this.#spare]) free(buffers);
    this.#live.clear();
    this.#spare = [];
  }

  #hand(buffers: DeviceBuffers): DeviceBuffers {
    buffers.owners = 1;
    this.#live.add(buffers);
    return buffers;
  }

  /** Which rows are taken, and their angles; the slots after them take the first row. */
  #feeds(
    capacity: number,
    slots: ArrayLike<number>,
    turns: Int32Array | null,
  ): Record<string, Tensor> {
    const { ort, rules } = this.#context;
    const rows = new Int32Array(capacity);
    rows.set(slots);
    const feeds: Record<string, Tensor> = { rows: new ort.Tensor("int32", rows, [capacity]) };
    for (const [kind, { rotation }] of rules.entries()) {
      if (rotation === null) continue;
      const half = rotation.frequencies.length;
      const cos = new Float32Array(capacity * half).fill(1);
      const sin = new Float32Array(capacity * half);
      // Without the scale of the model's own angles, which the keys have already.
      if (turns !== null) fillRotary({ ...rotation, scale: 1 }, turns, cos, sin);
      feeds[`cos.${kind}`] = new ort.Tensor("float32", cos, [capacity, half]);
      feeds[`sin.${kind}`] = new ort.Tensor("float32", sin, [capacity, half]);
    }
    return feeds;
  }
}

function free({ tensors }: DeviceBuffers): void {
  for (const tensor of tensors.values()) tensor.dispose();
}
