/**
 * A trie of strings by UTF-16 unit, with a number at the end of each.
 *
 * Edges are kept in one open-addressing table over (node, unit). Memory: 20 to 40 bytes a node.
 */
export class TokenTrie {
  #from = new Uint32Array(1024);
  #unit = new Uint16Array(1024);
  /** Node an edge leads to; 0, the root, marks a free slot. */
  #to = new Uint32Array(1024);
  #values = new Int32Array(512).fill(-1);
  #nodes = 1;

  /** Stores `value`, not negative, under `key`; a later one replaces an earlier one. O(length). */
  set(key: string, value: number): void {
    let node = 0;
    for (let i = 0; i < key.length; i++) node = this.#grow(node, key.charCodeAt(i));
    this.#values[node] = value;
  }

  /** The node after `node` by `unit`; -1 if there is none. The root is 0. */
  step(node: number, unit: number): number {
    const to = this.#to[this.#slot(node, unit)]!;
    return to === 0 ? -1 : to;
  }

  /** The number at a node; -1 if no key ends there. */
  valueAt(node: number): number {
    return this.#values[node]!;
  }

  #grow(node: number, unit: number): number {
    const slot = this.#slot(node, unit);
    const known = this.#to[slot]!;
    if (known !== 0) return known;
    const fresh = this.#nodes++;
    this.#from[slot] = node;
    this.#unit[slot] = unit;
    this.#to[slot] = fresh;
    if (this.#nodes * 2 > this.#to.length) this.#double();
    return fresh;
  }

  #double(): void {
    const [from, unit, to] = [this.#from, this.#unit, this.#to];
    this.#from = new Uint32Array(2 * to.length);
    this.#unit = new Uint16Array(2 * to.length);
    this.#to = new Uint32Array(2 * to.length);
    to.forEach((node, i) => {
      if (node === 0) return;
      const slot = this.#slot(from[i]!, unit[i]!);
      this.#from[slot] = from[i]!;
      this.#unit[slot] = unit[i]!;
      this.#to[slot] = node;
    });
    const values = new Int32Array(to.length).fill(-1);
    values.set(this.#values);
    this.#values = values;
  }

  /** The edge's slot, or the free one it would take. */
  #slot(node: number, unit: number): number {
    const mask = this.#to.length - 1;
    let hash = Math.imul(node, 0x9e3779b1) ^ Math.imul(unit, 0x85ebca6b);
    hash ^= hash >>> 15;
    let slot = hash & mask;
    while (this.#to[slot] !== 0 && (this.#from[slot] !== node || this.#unit[slot] !== unit)) {
      slot = (slot + 1) & mask;
    }
    return slot;
  }
}
