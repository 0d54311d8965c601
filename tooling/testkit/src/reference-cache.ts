/** Unrotated keys and values of one sequence, in float64, one `[capacity, width]` per layer. */
export class ReferenceCache {
  readonly #width: number;
  #capacity = 0;
  readonly keys: Float64Array[];
  readonly values: Float64Array[];

  constructor(layers: number, width: number) {
    this.#width = width;
    this.keys = Array.from({ length: layers }, () => new Float64Array(0));
    this.values = Array.from({ length: layers }, () => new Float64Array(0));
  }

  /** Makes room for `rows` slots, at least doubling. */
  reserve(rows: number): void {
    if (rows <= this.#capacity) return;
    this.#capacity = Math.max(rows, 2 * this.#capacity, 16);
    for (const store of [this.keys, this.values]) {
      for (const [layer, old] of store.entries()) {
        const grown = new Float64Array(this.#capacity * this.#width);
        grown.set(old);
        store[layer] = grown;
      }
    }
  }

  /** Moves the given ascending slots to the front. */
  gather(slots: Uint32Array): void {
    const width = this.#width;
    for (const rows of [...this.keys, ...this.values]) {
      for (const [to, from] of slots.entries()) {
        rows.copyWithin(to * width, from * width, (from + 1) * width);
      }
    }
  }

  clone(): ReferenceCache {
    const copy = new ReferenceCache(this.keys.length, this.#width);
    copy.#capacity = this.#capacity;
    for (const [layer, rows] of this.keys.entries()) copy.keys[layer] = rows.slice();
    for (const [layer, rows] of this.values.entries()) copy.values[layer] = rows.slice();
    return copy;
  }
}
