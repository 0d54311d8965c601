/** Keys of one layer, `[kvHeads, capacity, headDim]`, the first `length` slots in use. */
export interface LayerKeys {
  readonly keys: Float32Array | Float64Array;
  readonly capacity: number;
  readonly length: number;
}

/**
 * The smallest and the largest value of every channel over the keys of a page: what bounds the
 * product of any query with any key of it.
 *
 * Of full pages only: the page that is being filled needs no bounds, it is always attended to.
 * One object per layer; grows with the cache, `2 / pageSize` of the keys' memory.
 */
export class PageBounds {
  readonly pageSize: number;
  readonly #kvHeads: number;
  readonly #headDim: number;
  #capacity = 0;
  #pages = 0;
  #minima = new Float32Array(0);
  #maxima = new Float32Array(0);

  constructor(kvHeads: number, headDim: number, pageSize: number) {
    this.#kvHeads = kvHeads;
    this.#headDim = headDim;
    this.pageSize = pageSize;
  }

  /** Full pages whose bounds are known. */
  get pages(): number {
    return this.#pages;
  }

  /** Pages that the buffers have room for. */
  get capacity(): number {
    return this.#capacity;
  }

  /** `[kvHeads, capacity, headDim]`; replaced when the capacity changes. */
  get minima(): Float32Array {
    return this.#minima;
  }

  /** `[kvHeads, capacity, headDim]`; replaced when the capacity changes. */
  get maxima(): Float32Array {
    return this.#maxima;
  }

  /** Reads the keys of pages that became full. _Cost_: one pass over those keys. */
  extend({ keys, capacity, length }: LayerKeys): void {
    const pages = Math.floor(length / this.pageSize);
    if (pages <= this.#pages) return;
    this.#reserve(pages);
    for (let kvHead = 0; kvHead < this.#kvHeads; kvHead++) {
      const head = kvHead * capacity * this.#headDim;
      for (let page = this.#pages; page < pages; page++) this.#bound(keys, head, kvHead, page);
    }
    this.#pages = pages;
  }

  /** Forgets the pages that a slot from `length` on belongs to. */
  truncate(length: number): void {
    this.#pages = Math.min(this.#pages, Math.floor(length / this.pageSize));
  }

  clone(): PageBounds {
    const copy = new PageBounds(this.#kvHeads, this.#headDim, this.pageSize);
    copy.#capacity = this.#capacity;
    copy.#pages = this.#pages;
    copy.#minima = this.#minima.slice();
    copy.#maxima = this.#maxima.slice();
    return copy;
  }

  #bound(keys: ArrayLike<number>, head: number, kvHead: number, page: number): void {
    const d = this.#headDim;
    const at = (kvHead * this.#capacity + page) * d;
    const minima = this.#minima.subarray(at, at + d).fill(Infinity);
    const maxima = this.#maxima.subarray(at, at + d).fill(-Infinity);
    for (let row = page * this.pageSize; row < (page + 1) * this.pageSize; row++) {
      for (let c = 0; c < d; c++) {
        const value = keys[head + row * d + c]!;
        if (value < minima[c]!) minima[c] = value;
        if (value > maxima[c]!) maxima[c] = value;
      }
    }
  }

  #reserve(pages: number): void {
    if (pages <= this.#capacity) return;
    const before = this.#capacity * this.#headDim;
    this.#capacity = Math.max(pages, Math.ceil(this.#capacity * 1.25));
    const after = this.#capacity * this.#headDim;
    const grow = (old: Float32Array): Float32Array<ArrayBuffer> => {
      const grown = new Float32Array(this.#kvHeads * after);
      for (let kvHead = 0; kvHead < this.#kvHeads; kvHead++) {
        grown.set(old.subarray(kvHead * before, (kvHead + 1) * before), kvHead * after);
      }
      return grown;
    };
    this.#minima = grow(this.#minima);
    this.#maxima = grow(this.#maxima);
  }
}
