/**
 * Indices ordered by upper bounds that only fall: the highest bound first, of equal ones the lower
 * index.
 */
export class BoundHeap {
  readonly #heap: Uint32Array;
  readonly #bounds: Float64Array;
  #size: number;

  /** All indices below `n`, or all but one, with infinite bounds. */
  constructor(n: number, without: number = n) {
    this.#size = without < n ? n - 1 : n;
    this.#heap = Uint32Array.from({ length: this.#size }, (_, i) => (i < without ? i : i + 1));
    this.#bounds = new Float64Array(n).fill(Infinity);
  }

  /** The index at the top; unchecked: there is one. */
  get top(): number {
    return this.#heap[0]!;
  }

  get topBound(): number {
    return this.#bounds[this.top]!;
  }

  /** The second highest bound, or `-Infinity`. */
  get runnerUpBound(): number {
    const left = this.#size > 1 ? this.#bounds[this.#heap[1]!]! : -Infinity;
    const right = this.#size > 2 ? this.#bounds[this.#heap[2]!]! : -Infinity;
    return Math.max(left, right);
  }

  /** Lowers the bound of the top, which may then no longer be the top. */
  lowerTop(bound: number): void {
    this.#bounds[this.top] = bound;
    this.#sink();
  }

  /** Takes the top out. */
  pop(): number {
    const { top } = this;
    this.#heap[0] = this.#heap[--this.#size]!;
    this.#sink();
    return top;
  }

  #sink(): void {
    const heap = this.#heap;
    const moving = heap[0]!;
    let at = 0;
    for (let child = 1; child < this.#size; child = 2 * at + 1) {
      if (child + 1 < this.#size && this.#isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!this.#isBefore(heap[child]!, moving)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = moving;
  }

  #isBefore(a: number, b: number): boolean {
    const difference = this.#bounds[a]! - this.#bounds[b]!;
    return difference > 0 || (!(difference < 0) && a < b);
  }
}
