/** Indices below `n`, joined two by two into sets. Joining and finding take next to constant time. */
export class DisjointSets {
  readonly #parent: Uint32Array;

  constructor(n: number) {
    this.#parent = Uint32Array.from({ length: n }, (_, i) => i);
  }

  /** The least index of the set of `i`. */
  rootOf(i: number): number {
    const parent = this.#parent;
    while (parent[i] !== i) {
      parent[i] = parent[parent[i]!]!;
      i = parent[i]!;
    }
    return i;
  }

  join(i: number, j: number): void {
    const [a, b] = [this.rootOf(i), this.rootOf(j)];
    this.#parent[Math.max(a, b)] = Math.min(a, b);
  }

  /** The set of every index; sets are numbered by their least index. */
  labels(): Uint32Array {
    const labels = new Uint32Array(this.#parent.length);
    let sets = 0;
    for (let i = 0; i < labels.length; i++) {
      const root = this.rootOf(i);
      labels[i] = root === i ? sets++ : labels[root]!;
    }
    return labels;
  }
}
