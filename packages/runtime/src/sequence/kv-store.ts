import { checkSlots } from "./check-slots.ts";
import { rotateKey } from "./rotary.ts";
import { SlotPositions } from "./slot-positions.ts";

/** Dimensions of a cache. */
export interface KvShape {
  readonly layers: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

/** By layer, radians per position of the pairs of a key's channels; null where keys stay as they are. */
export type KeyFrequencies = readonly (Float64Array | null)[];

/** Buffers of a cache, shared by forks until one of them writes. */
interface KvBuffers {
  readonly capacity: number;
  /** Per layer `[kvHeads, capacity, headDim]`. */
  readonly keys: readonly Float32Array[];
  readonly values: readonly Float32Array[];
  owners: number;
}

/** Slots of an empty cache. */
const leastCapacity = 64;

/**
 * Factor of growth. Masked slots are computed too, so a step costs up to this much more than its
 * cache needs; a factor of 2 saves copies that are cheap and doubles that share.
 */
const growth = 1.25;

/** The capacity is a multiple of this many slots, and of the size of a page where there are some. */
const slotMultiple = 64;

/** What is added to the score of a slot that must not be seen; finite, so that no row is all NaN. */
export const masked = -1e30;

/**
 * Keys and values of one sequence, in JavaScript memory.
 *
 * Slots `[0, length)` are in use; the capacity grows by a quarter when it is exceeded. `bias` is 0 on the used
 * slots and {@link masked} on the others. `fork` shares the buffers until either side writes.
 *
 * Cost: an append copies its rows; growth copies the cache, amortised O(1) per row; a `keep` that
 * only shortens is O(dropped), any other copies the rows that move.
 */
export class KvStore {
  readonly #shape: KvShape;
  readonly #multiple: number;
  #buffers: KvBuffers;
  #rows = new SlotPositions();
  #bias = new Float32Array(0);
  #disposed = false;

  /** @param pageSize what the capacity must be a multiple of. */
  constructor(shape: KvShape, pageSize = 1) {
    this.#shape = shape;
    this.#multiple = leastCommonMultiple(slotMultiple, pageSize);
    const firstCapacity = Math.ceil(leastCapacity / this.#multiple) * this.#multiple;
    this.#buffers = allocate(shape, firstCapacity);
    this.#bias = new Float32Array(firstCapacity).fill(masked);
  }

  get length(): number {
    return this.#rows.length;
  }

  get capacity(): number {
    return this.#buffers.capacity;
  }

  get keys(): readonly Float32Array[] {
    return this.#buffers.keys;
  }

  get values(): readonly Float32Array[] {
    return this.#buffers.values;
  }

  /** Additive mask of the slots, `[capacity]`. Replaced when the capacity changes. */
  get bias(): Float32Array {
    return this.#bias;
  }

  /**
   * Rotary positions that the rows in used slots were written with, or rotated to since; of a triple
   * its largest number.
   */
  get positions(): Int32Array {
    return this.#rows.highs;
  }

  /** Whether a row stands at a triple of unequal numbers. */
  get hasTriples(): boolean {
    return this.#rows.hasTriples;
  }

  /**
   * Appends rows: `keys[l]` and `values[l]` are `[kvHeads, s, headDim]`, `positions` is `[s]`; of rows
   * at triples their largest numbers, with the smallest ones as `lows`. Unchecked: the buffers have
   * that shape.
   */
  append(
    keys: readonly Float32Array[],
    values: readonly Float32Array[],
    positions: Int32Array,
    lows: Int32Array | null = null,
  ): void {
    const { layers, kvHeads, headDim } = this.#shape;
    const start = this.length;
    this.#makeRoom(positions.length);
    const { capacity } = this.#buffers;
    const width = positions.length * headDim;
    for (let layer = 0; layer < layers; layer++) {
      for (let head = 0; head < kvHeads; head++) {
        const to = (head * capacity + start) * headDim;
        const from = head * width;
        this.keys[layer]!.set(keys[layer]!.subarray(from, from + width), to);
        this.values[layer]!.set(values[layer]!.subarray(from, from + width), to);
      }
    }
    this.#rows.append(positions, lows);
    this.#mask(start);
  }

  /** Forgets every slot from `length` on. */
  truncate(length: number): void {
    const before = this.length;
    this.#rows.truncate(length);
    this.#mask(before);
  }

  /**
   * Keeps the given slots and renumbers them from 0. With `frequencies`, one array per layer or
   * null where the layer does not rotate, the keys that are not at the position of their new slot
   * are rotated there; where rows stand at triples, to positions without gaps (see {@link closeGaps}).
   *
   * @throws {@link InferenceError} `range` unless the slots are ascending and inside `[0, length)`.
   */
  keep(slots: Uint32Array, frequencies: KeyFrequencies | null): void {
    const still = checkSlots(slots, this.length);
    const turns = frequencies === null ? null : this.#rows.turnsOf(slots);
    if (still < slots.length || turns !== null) {
      if (this.#buffers.owners > 1) this.#move(this.#buffers.capacity);
      if (still < slots.length) this.#gather(slots, still);
      if (turns !== null) this.#turn(turns, frequencies!);
    }
    const before = this.length;
    this.#rows.keep(slots, turns);
    this.#mask(before);
  }

  /** A store with the same content. */
  fork(): KvStore {
    const copy = new KvStore(this.#shape, this.#multiple);
    this.#buffers.owners++;
    copy.#buffers = this.#buffers;
    copy.#rows = this.#rows.fork();
    copy.#bias = this.#bias.slice();
    return copy;
  }

  /** Lets go of the buffers. Idempotent. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#buffers.owners--;
    this.#buffers = allocate(this.#shape, 0);
    this.#bias = new Float32Array(0);
    this.#rows.truncate(0);
  }

  /** Buffers of its own with room for `count` more rows. */
  #makeRoom(count: number): void {
    const needed = this.length + count;
    let { capacity } = this.#buffers;
    if (capacity < needed) {
      const grown = Math.max(needed, capacity * growth);
      capacity = Math.ceil(grown / this.#multiple) * this.#multiple;
    }
    if (capacity !== this.#buffers.capacity || this.#buffers.owners > 1) this.#move(capacity);
  }

  /** Brings the mask up to date, and clears what was dropped. */
  #mask(before: number): void {
    const { length } = this;
    this.#bias.fill(0, before, length);
    this.#bias.fill(masked, length, before);
    if (length < before) this.#clear(length, before);
  }

  /**
   * Zeroes dropped slots. Attention multiplies masked rows by a weight of zero, which makes nothing
   * of a number but NaN of a NaN: without this, a row that went wrong would outlive its removal.
   */
  #clear(from: number, to: number): void {
    if (this.#buffers.owners > 1) {
      this.#move(this.#buffers.capacity);
      return;
    }
    const { kvHeads, headDim } = this.#shape;
    for (const side of [this.keys, this.values]) {
      for (const data of side) {
        for (let head = 0; head < kvHeads; head++) {
          const base = head * this.#buffers.capacity;
          data.fill(0, (base + from) * headDim, (base + to) * headDim);
        }
      }
    }
  }

  /** Moves the content to buffers of its own with the given capacity. */
  #move(capacity: number): void {
    const { kvHeads, headDim } = this.#shape;
    const old = this.#buffers;
    const next = allocate(this.#shape, capacity);
    for (const side of ["keys", "values"] as const) {
      for (const [layer, from] of old[side].entries()) {
        for (let head = 0; head < kvHeads; head++) {
          const start = head * old.capacity * headDim;
          const rows = from.subarray(start, start + this.length * headDim);
          next[side][layer]!.set(rows, head * capacity * headDim);
        }
      }
    }
    old.owners--;
    this.#buffers = next;
    this.#bias = new Float32Array(capacity).fill(masked, this.length);
  }

  /** Moves rows down to their new slots, front to back, so that none is overwritten unread. */
  #gather(slots: Uint32Array, from: number): void {
    const { kvHeads, headDim } = this.#shape;
    const { capacity } = this.#buffers;
    for (const data of [...this.keys, ...this.values]) {
      for (let head = 0; head < kvHeads; head++) {
        const base = head * capacity;
        forEachRun(slots, from, (slot, old, count) => {
          const start = (base + old) * headDim;
          data.copyWithin((base + slot) * headDim, start, start + count * headDim);
        });
      }
    }
  }

  /** Rotates the key of every slot by as many positions. */
  #turn(by: Int32Array, frequencies: KeyFrequencies): void {
    const { kvHeads, headDim } = this.#shape;
    const { capacity } = this.#buffers;
    let turns = new Map<Float64Array | null, Turn>();
    let known = 0;
    for (const [slot, delta] of by.entries()) {
      if (delta === 0) continue;
      // Evicted spans shift whole runs of rows by the same distance.
      if (delta !== known) turns = turnsBy(delta, frequencies);
      known = delta;
      for (const [layer, key] of this.keys.entries()) {
        const turn = turns.get(frequencies[layer]!);
        if (turn === undefined) continue;
        for (let head = 0; head < kvHeads; head++) {
          rotateKey(key, (head * capacity + slot) * headDim, turn.cos, turn.sin);
        }
      }
    }
  }
}

/** Cosines and sines of a rotation. */
interface Turn {
  readonly cos: Float64Array;
  readonly sin: Float64Array;
}

/** The rotation by `delta` positions for every distinct array of frequencies. */
function turnsBy(delta: number, frequencies: KeyFrequencies): Map<Float64Array | null, Turn> {
  const turns = new Map<Float64Array | null, Turn>();
  for (const each of new Set(frequencies)) {
    if (each === null) continue;
    const angles = each.map((frequency) => delta * frequency);
    turns.set(each, { cos: angles.map(Math.cos), sin: angles.map(Math.sin) });
  }
  return turns;
}

function leastCommonMultiple(a: number, b: number): number {
  let multiple = a;
  while (multiple % b !== 0) multiple += a;
  return multiple;
}

function allocate(shape: KvShape, capacity: number): KvBuffers {
  const size = shape.kvHeads * capacity * shape.headDim;
  const buffers = (): Float32Array[] =>
    Array.from({ length: shape.layers }, () => new Float32Array(size));
  return { capacity, keys: buffers(), values: buffers(), owners: 1 };
}

/** Calls back for every run of consecutive old slots: new slot, old slot, rows. */
function forEachRun(
  slots: Uint32Array,
  from: number,
  visit: (slot: number, old: number, count: number) => void,
): void {
  let start = from;
  while (start < slots.length) {
    let end = start + 1;
    while (end < slots.length && slots[end] === slots[end - 1]! + 1) end++;
    visit(start, slots[start]!, end - start);
    start = end;
  }
}
