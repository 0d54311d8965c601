/**
 * N-grams by their first token, the `capacity` last added of each.
 *
 * One that is added again counts as new. Cost: O(capacity n) per operation.
 */
export class NgramPool {
  readonly #length: number;
  readonly #capacity: number;
  readonly #ngrams = new Map<number, Uint32Array[]>();

  constructor(length: number, capacity: number) {
    this.#length = length;
    this.#capacity = capacity;
  }

  /** Adds an n-gram; its first token is the key. */
  add(ngram: ArrayLike<number>): void {
    const key = ngram[0]!;
    const known = this.#ngrams.get(key) ?? [];
    const others = known.filter((other) => !this.#isSame(other, ngram));
    if (others.length === this.#capacity) others.shift();
    this.#ngrams.set(key, [...others, Uint32Array.from(ngram)]);
  }

  /** What begins with `key`, the newest first. */
  after(key: number): Uint32Array[] {
    return [...(this.#ngrams.get(key) ?? [])].reverse();
  }

  #isSame(a: Uint32Array, b: ArrayLike<number>): boolean {
    for (let i = 0; i < this.#length; i++) if (a[i] !== b[i]) return false;
    return true;
  }
}
