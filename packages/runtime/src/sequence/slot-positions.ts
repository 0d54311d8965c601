import { closeGaps } from "./close-gaps.ts";

/**
 * The rotary positions that the rows of a cache were written with, or turned to since: a number per
 * slot, or where rows stand at triples the largest and the smallest of each.
 */
export class SlotPositions {
  #highs = new Int32Array(0);
  /** Smallest numbers; null while every row's position is one number. */
  #lows: Int32Array | null = null;
  #ranks = new Int32Array(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Of a triple the largest number; a view that lasts until rows are added. */
  get highs(): Int32Array {
    return this.#highs.subarray(0, this.#length);
  }

  /** Whether a row stands at a triple of unequal numbers. */
  get hasTriples(): boolean {
    return this.#lows !== null;
  }

  /** Adds rows; of rows at triples with their smallest numbers. */
  append(highs: Int32Array, lows: Int32Array | null): void {
    const length = this.#length + highs.length;
    if (length > this.#highs.length) {
      this.#highs = resized(this.#highs, 2 * length);
      if (this.#lows !== null) this.#lows = resized(this.#lows, 2 * length);
    }
    this.#highs.set(highs, this.#length);
    if (lows !== null) this.#lows ??= this.#highs.slice();
    this.#lows?.set(lows ?? highs, this.#length);
    this.#length = length;
  }

  /** Forgets every slot from `length` on. */
  truncate(length: number): void {
    this.#length = length;
    const { highs } = this;
    if (this.#lows?.every((low, slot) => slot >= length || low === highs[slot])) this.#lows = null;
  }

  /**
   * How far each of the given slots' rows has to be turned so that they stand at the positions of
   * their new slots, or, where rows stand at triples, at positions without gaps; null: not at all.
   */
  turnsOf(slots: Uint32Array): Int32Array | null {
    if (this.#lows !== null) this.#rank(slots, this.#lows);
    if (slots.every((slot, i) => this.#turnOf(slot, i) === 0)) return null;
    return Int32Array.from(slots, (slot, i) => this.#turnOf(slot, i));
  }

  /** Keeps the given slots, ascending, and adds `turns` to where their rows stand. */
  keep(slots: Uint32Array, turns: Int32Array | null): void {
    const isPrefix = slots.length === 0 || slots.at(-1) === slots.length - 1;
    if (!isPrefix || turns !== null) {
      for (const [i, slot] of slots.entries()) {
        const turn = turns?.[i] ?? 0;
        this.#highs[i] = this.#highs[slot]! + turn;
        if (this.#lows !== null) this.#lows[i] = this.#lows[slot]! + turn;
      }
    }
    this.truncate(slots.length);
  }

  /** A copy. */
  fork(): SlotPositions {
    const copy = new SlotPositions();
    copy.#highs = this.#highs.slice();
    copy.#lows = this.#lows?.slice() ?? null;
    copy.#length = this.#length;
    return copy;
  }

  #rank(slots: Uint32Array, lows: Int32Array): void {
    let end = 0;
    for (const position of this.highs) end = Math.max(end, position + 1);
    if (this.#ranks.length <= end) this.#ranks = new Int32Array(2 * end + 1);
    closeGaps(slots, lows, this.#highs, this.#ranks);
  }

  #turnOf(slot: number, to: number): number {
    const position = this.#highs[slot]!;
    return (this.#lows === null ? to : this.#ranks[position]!) - position;
  }
}

function resized(values: Int32Array, capacity: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(capacity);
  larger.set(values);
  return larger;
}
