import type { Geometry, LayerView } from "./row-selector.ts";

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
  /** Per KV head, `[pages, 2, headDim]`: minima, then maxima. */
  #bounds: Float32Array[];
  #pages = 0;

  constructor({ kvHeads, headDim }: Geometry, pageSize: number) {
    this.pageSize = pageSize;
    this.#kvHeads = kvHeads;
    this.#headDim = headDim;
    this.#bounds = Array.from({ length: kvHeads }, () => new Float32Array(0));
  }

  /** Full pages whose bounds are known. */
  get pages(): number {
    return this.#pages;
  }

  /** Minima of a page, `[headDim]`; a view. */
  minima(kvHead: number, page: number): Float32Array {
    const at = page * 2 * this.#headDim;
    return this.#bounds[kvHead]!.subarray(at, at + this.#headDim);
  }

  /** Maxima of a page, `[headDim]`; a view. */
  maxima(kvHead: number, page: number): Float32Array {
    const at = (page * 2 + 1) * this.#headDim;
    return this.#bounds[kvHead]!.subarray(at, at + this.#headDim);
  }

  /** Reads the keys of pages that became full. _Cost_: one pass over those keys. */
  extend({ keys, capacity, length }: Pick<LayerView, "keys" | "capacity" | "length">): void {
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
    const { kvHeads, headDim } = { kvHeads: this.#kvHeads, headDim: this.#headDim };
    const copy = new PageBounds({ layers: 1, heads: kvHeads, kvHeads, headDim }, this.pageSize);
    copy.#bounds = this.#bounds.map((bounds) => bounds.slice());
    copy.#pages = this.#pages;
    return copy;
  }

  #bound(keys: ArrayLike<number>, head: number, kvHead: number, page: number): void {
    const minima = this.minima(kvHead, page).fill(Infinity);
    const maxima = this.maxima(kvHead, page).fill(-Infinity);
    for (let row = page * this.pageSize; row < (page + 1) * this.pageSize; row++) {
      const at = head + row * this.#headDim;
      for (let c = 0; c < this.#headDim; c++) {
        const value = keys[at + c]!;
        if (value < minima[c]!) minima[c] = value;
        if (value > maxima[c]!) maxima[c] = value;
      }
    }
  }

  #reserve(pages: number): void {
    const size = pages * 2 * this.#headDim;
    if (this.#bounds[0]!.length >= size) return;
    this.#bounds = this.#bounds.map((old) => {
      const grown = new Float32Array(Math.max(size, old.length * 2));
      grown.set(old);
      return grown;
    });
  }
}
