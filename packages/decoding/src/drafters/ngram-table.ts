import { InferenceError } from "@frugal/core";

import { expectRange, isIn } from "../sampling/sampling-options.ts";

const magic = 0x544e_5346;
const version = 1;
const headerBytes = 16;
/** Bytes of a node in a file: parent, token, count. */
const nodeBytes = 12;

/**
 * How often each token followed each of the n-grams of a text, for n up to `order`.
 *
 * A tree of counts: the node of a phrase has a child for every token that followed it, and the
 * child's count says how often. Nodes are numbered from 1, 0 is the empty phrase; they lie in typed
 * arrays and are found by hashing (node, token), entries compared. Cost: O(order²) per added token,
 * O(n) to find a phrase, about 40 bytes per node. A table takes at most `maxNodes` different
 * phrases; later it only goes on counting those that it has.
 *
 * The file has little-endian 32-bit words: `"FSNT"`, version 1, order, number of nodes; then parent,
 * token and count of every node, parents first.
 */
export class NgramTable {
  /** The longest phrase whose continuations are counted. */
  readonly order: number;
  readonly #maxNodes: number;
  #size = 1;
  /** Per node: parent, last token, occurrences as a continuation. */
  #parents = new Uint32Array(256);
  #tokens = new Uint32Array(256);
  #counts = new Uint32Array(256);
  /** Per node: the sum of its children's counts, the most frequent child, and lists of children. */
  #totals = new Uint32Array(256);
  #best = new Uint32Array(256);
  #newest = new Uint32Array(256);
  #older = new Uint32Array(256);
  /** Nodes by (parent, token); 0 is free. At most half full. */
  #slots = new Uint32Array(512);

  /**
   * @throws {@link InferenceError} `range` unless `order` is an integer in [1, 16] and `maxNodes`
   *   one in [1, 2^27].
   */
  constructor(order: number = 4, maxNodes: number = 1 << 22) {
    expectRange("order", order, "an integer in [1, 16]", isIn(order, 1, 16));
    const limit = "an integer in [1, 2^27]";
    expectRange("maxNodes", maxNodes, limit, isIn(maxNodes, 1, 2 ** 27));
    this.order = order;
    this.#maxNodes = maxNodes;
  }

  /** How many different phrases are counted. */
  get size(): number {
    return this.#size - 1;
  }

  /** Counts every n-gram of a text and what follows it. */
  add(text: ArrayLike<number>): void {
    const at = (index: number): number => text[index]!;
    for (let end = 1; end < text.length; end++) this.addLast(at, end);
  }

  /** Counts the token at index `last` as what follows the n-grams that end before it. */
  addLast(at: (index: number) => number, last: number): void {
    for (let n = 1; n <= this.order && n <= last; n++) {
      let node = 0;
      for (let i = last - n; i < last; i++) node = this.#childOrNew(node, at(i));
      if (node === 0) continue;
      const child = this.#childOrNew(node, at(last));
      if (child !== 0) this.#count(node, child);
    }
  }

  /** The node of the phrase `node` and one more token; 0 if it has none, or if `node` is 0. */
  after(node: number, token: number): number {
    return node === 0 ? 0 : this.#slots[this.#slotOf(node, token)]!;
  }

  /** The node of a single token, or 0. */
  first(token: number): number {
    return this.#slots[this.#slotOf(0, token)]!;
  }

  /** The last token of a phrase. */
  tokenOf(node: number): number {
    return this.#tokens[node]!;
  }

  /** How often the last token of a phrase followed the rest of it. */
  countOf(node: number): number {
    return this.#counts[node]!;
  }

  /** How often anything followed a phrase. */
  totalOf(node: number): number {
    return this.#totals[node]!;
  }

  /** The most frequent continuation of a phrase, the lower id among equals; 0 without one. */
  bestOf(node: number): number {
    return this.#best[node]!;
  }

  /** Calls `visit` for every continuation of a phrase, in no particular order. */
  forEachNext(node: number, visit: (child: number) => void): void {
    for (let child = this.#newest[node]!; child !== 0; child = this.#older[child]!) visit(child);
  }

  /** The file. */
  toBytes(): Uint8Array {
    const bytes = new Uint8Array(headerBytes + nodeBytes * this.size);
    const view = new DataView(bytes.buffer);
    const words = [magic, version, this.order, this.size];
    for (const [i, word] of words.entries()) view.setUint32(4 * i, word, true);
    for (let node = 1; node < this.#size; node++) {
      const offset = headerBytes + nodeBytes * (node - 1);
      view.setUint32(offset, this.#parents[node]!, true);
      view.setUint32(offset + 4, this.#tokens[node]!, true);
      view.setUint32(offset + 8, this.#counts[node]!, true);
    }
    return bytes;
  }

  /**
   * Reads what {@link toBytes} wrote; checks every node.
   *
   * @throws {@link InferenceError} `format` for bytes that are no table; `range` for one of more
   *   than `maxNodes` nodes.
   */
  static fromBytes(bytes: Uint8Array, maxNodes: number = 1 << 22): NgramTable {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    expectFormat("length", bytes.length, `at least ${headerBytes} bytes`, bytes.length >= 16);
    const word = (offset: number): number => view.getUint32(offset, true);
    expectFormat("magic", word(0), String(magic), word(0) === magic);
    expectFormat("version", word(4), String(version), word(4) === version);
    expectFormat("order", word(8), "one in [1, 16]", isIn(word(8), 1, 16));
    const size = headerBytes + nodeBytes * word(12);
    expectFormat("length", bytes.length, `${size} bytes`, bytes.length === size);
    expectRange("maxNodes", maxNodes, `at least ${word(12)}`, maxNodes >= word(12));
    const table = new NgramTable(word(8), maxNodes);
    const depths = new Uint8Array(word(12) + 1);
    for (let node = 1; node <= word(12); node++) {
      const offset = headerBytes + nodeBytes * (node - 1);
      table.#read(node, word(offset), word(offset + 4), word(offset + 8), depths);
    }
    return table;
  }

  #read(node: number, parent: number, token: number, count: number, depths: Uint8Array): void {
    expectFormat("parent", parent, `one before node ${node}`, parent < node);
    const depth = depths[parent]! + 1;
    expectFormat("depth", depth, `at most ${this.order + 1}`, depth <= this.order + 1);
    depths[node] = depth;
    const made = this.#childOrNew(parent, token);
    expectFormat("token", token, "siblings that differ", made === node);
    const total = this.#totals[parent]! + count;
    expectFormat("counts", total, "sums below 2^32", parent === 0 ? count === 0 : total < 2 ** 32);
    if (count === 0) return;
    this.#counts[node] = count - 1;
    this.#totals[parent] = total - 1;
    this.#count(parent, node);
  }

  #count(node: number, child: number): void {
    // Counts stay put once they would overflow: 2^32 observations say enough.
    if (this.#totals[node] === 0xffff_ffff) return;
    this.#totals[node]!++;
    const count = ++this.#counts[child]!;
    const best = this.#best[node]!;
    const most = best === 0 ? 0 : this.#counts[best]!;
    const isLower = count === most && this.#tokens[child]! < this.#tokens[best]!;
    if (count > most || isLower) this.#best[node] = child;
  }

  /** A child, made if there is room for one; 0 if there is none. */
  #childOrNew(node: number, token: number): number {
    const slot = this.#slotOf(node, token);
    const found = this.#slots[slot]!;
    if (found !== 0) return found;
    if (this.size === this.#maxNodes) return 0;
    const made = this.#size++;
    if (made === this.#parents.length) this.#grow();
    this.#parents[made] = node;
    this.#tokens[made] = token;
    this.#older[made] = this.#newest[node]!;
    this.#newest[node] = made;
    this.#slots[this.#slotOf(node, token)] = made;
    return made;
  }

  #slotOf(node: number, token: number): number {
    const mask = this.#slots.length - 1;
    let slot = mix(node, token) & mask;
    for (;;) {
      const found = this.#slots[slot]!;
      if (found === 0) return slot;
      if (this.#parents[found] === node && this.#tokens[found] === token) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #grow(): void {
    this.#parents = doubled(this.#parents);
    this.#tokens = doubled(this.#tokens);
    this.#counts = doubled(this.#counts);
    this.#totals = doubled(this.#totals);
    this.#best = doubled(this.#best);
    this.#newest = doubled(this.#newest);
    this.#older = doubled(this.#older);
    this.#slots = new Uint32Array(2 * this.#slots.length);
    for (let node = 1; node < this.#size - 1; node++) {
      this.#slots[this.#slotOf(this.#parents[node]!, this.#tokens[node]!)] = node;
    }
  }
}

function mix(node: number, token: number): number {
  const hash = Math.imul(node ^ Math.imul(token ^ 0x9e37_79b9, 0x85eb_ca6b), 0xc2b2_ae35);
  const spread = Math.imul(hash ^ (hash >>> 15), 0x27d4_eb2f);
  return (spread ^ (spread >>> 13)) >>> 0;
}

function doubled(array: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const copy = new Uint32Array(2 * array.length);
  copy.set(array);
  return copy;
}

function expectFormat(what: string, got: number, expected: string, valid: boolean): void {
  if (valid) return;
  throw new InferenceError("format", `n-gram table ${what}: expected ${expected}, got ${got}`);
}
