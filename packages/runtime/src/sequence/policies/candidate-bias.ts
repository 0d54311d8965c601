import type { Ort, Tensor } from "../../onnx/ort.ts";
import { masked } from "../kv-store.ts";

/** Above every score: what must be chosen. Finite, since providers disagree about infinities. */
export const forced: number = -masked;

/** In place of a bias that a step does not read; `[1, 1, 1]`. */
export function noBias(ort: Ort): Tensor {
  return new ort.Tensor("float32", new Float32Array(1), [1, 1, 1]);
}

/**
 * What is added to what candidates are worth: 0, {@link masked} outside of a range, and far above
 * everything for those that must be chosen.
 *
 * Changes with the range at the cost of what changes, so that a step costs nothing of the order of
 * the cache.
 */
export class CandidateBias {
  readonly #ort: Ort;
  /** Ascending. */
  readonly #forced: readonly number[];
  #data = new Float32Array(0);
  #tensor: Tensor | null = null;
  #from = 0;
  #to = 0;

  constructor(ort: Ort, alwaysChosen: readonly number[]) {
    this.#ort = ort;
    this.#forced = alwaysChosen;
  }

  /** The bias of `capacity` candidates, those in `[from, to)` to choose from; `[...dims, capacity]`. */
  over(capacity: number, from: number, to: number, dims: readonly number[]): Tensor {
    if (this.#tensor === null || this.#data.length !== capacity) {
      this.#data = new Float32Array(capacity).fill(masked);
      this.#tensor = new this.#ort.Tensor("float32", this.#data, [...dims, capacity]);
      [this.#from, this.#to] = [from, from];
    }
    if (from !== this.#from) {
      this.#data.fill(masked, this.#from, this.#to);
      [this.#from, this.#to] = [from, from];
    }
    if (to < this.#to) this.#data.fill(masked, to, this.#to);
    else this.#open(this.#to, to);
    this.#to = to;
    return this.#tensor;
  }

  #open(from: number, to: number): void {
    this.#data.fill(0, from, to);
    for (const index of this.#forced) if (index >= from && index < to) this.#data[index] = forced;
  }
}
