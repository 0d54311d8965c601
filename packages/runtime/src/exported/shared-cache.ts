import type { Ort, Tensor } from "../onnx/ort.ts";
import { floatTensor } from "../onnx/typed-tensor.ts";
import { checkSlots } from "../sequence/check-slots.ts";
import type { KeyFrequencies } from "../sequence/kv-store.ts";
import type { RowPositions } from "../sequence/place-rows.ts";
import {
  allocateRows,
  type CacheRows,
  distancesOf,
  gatherRows,
  hasTriples,
  type RowSpans,
  turnRows,
} from "./cache-rows.ts";
import type { CachePort } from "./decoder-signature.ts";
import type { ExportedCache } from "./exported-cache.ts";

/** Buffers with room for rows to come, and the tensors over them. */
interface Room {
  readonly capacity: number;
  readonly tensors: readonly CacheRows[];
  /** `[capacity]` each. */
  readonly spans: RowSpans;
  owners: number;
  bound: {
    readonly feeds: Record<string, Tensor>;
    readonly fetches: Record<string, Tensor>;
  } | null;
}

/** Rows of the smallest buffers; larger ones have as many times a power of two. */
const leastCapacity = 256;

/**
 * Keys and values of a graph whose past and present are one buffer (`past_present_share_buffer`): the
 * attention operator writes the new rows behind the old ones.
 *
 * Buffer `i` is `[...ports[i].before, capacity, ports[i].width]`, of which the first `length` rows
 * count; the capacity doubles when it is exceeded. Tensors last as long as the buffers. Forks share
 * them until one of the two writes. Dropping rows at the end is free, dropping others moves what is
 * behind them.
 */
export class SharedCache implements ExportedCache {
  readonly #ports: readonly CachePort[];
  #room: Room;
  #length = 0;

  constructor(ports: readonly CachePort[]) {
    this.#ports = ports;
    this.#room = makeRoom(ports, 0);
  }

  get length(): number {
    return this.#length;
  }

  get capacity(): number {
    return this.#room.capacity;
  }

  get positions(): Int32Array {
    return this.#spans.highs;
  }

  get hasTriples(): boolean {
    return hasTriples(this.#spans);
  }

  get #spans(): RowSpans {
    const { highs, lows } = this.#room.spans;
    return { highs: highs.subarray(0, this.#length), lows: lows.subarray(0, this.#length) };
  }

  reserve(rows: number): SharedCache {
    const needed = this.#length + rows;
    let { capacity } = this.#room;
    if (needed > capacity) capacity = Math.max(capacity, leastCapacity);
    while (capacity < needed) capacity *= 2;
    if (capacity !== this.#room.capacity || this.#room.owners > 1) this.#move(capacity);
    return this;
  }

  feeds(ort: Ort): Record<string, Tensor> {
    return this.#bind(ort).feeds;
  }

  fetches(ort: Ort): Record<string, Tensor> {
    return this.#bind(ort).fetches;
  }

  append(_outputs: Record<string, Tensor>, { highs, lows }: RowPositions): SharedCache {
    this.#room.spans.highs.set(highs, this.#length);
    this.#room.spans.lows.set(lows ?? highs, this.#length);
    this.#length += highs.length;
    return this;
  }

  keep(slots: Uint32Array, frequencies: KeyFrequencies | null): SharedCache {
    const still = checkSlots(slots, this.#length);
    const of = (values: Int32Array): Int32Array => Int32Array.from(slots, (slot) => values[slot]!);
    const spans = { highs: of(this.#spans.highs), lows: of(this.#spans.lows) };
    const distances = frequencies === null ? null : distancesOf(spans);
    const isMoved = distances?.some((distance) => distance !== 0) === true;
    if (still < slots.length || isMoved) {
      if (this.#room.owners > 1) this.#move(this.#room.capacity);
      const { tensors } = this.#room;
      for (const [i, port] of this.#ports.entries()) {
        gatherRows(port, tensors[i]!, tensors[i]!, slots, still);
      }
      if (isMoved) turnRows(this.#ports, tensors, spans, distances, frequencies!);
      this.#room.spans.highs.set(spans.highs);
      this.#room.spans.lows.set(spans.lows);
    }
    return this.truncate(slots.length);
  }

  truncate(length: number): SharedCache {
    this.#length = length;
    // An empty text needs no memory.
    if (length === 0) this.#leave(makeRoom(this.#ports, 0));
    return this;
  }

  fork(): SharedCache {
    const copy = new SharedCache(this.#ports);
    this.#room.owners++;
    copy.#room = this.#room;
    copy.#length = this.#length;
    return copy;
  }

  /** Moves the rows to buffers of its own. */
  #move(capacity: number): void {
    const { tensors } = this.#room;
    const room = makeRoom(this.#ports, capacity);
    const all = Uint32Array.from({ length: this.#length }, (_, slot) => slot);
    for (const [i, port] of this.#ports.entries()) {
      gatherRows(port, tensors[i]!, room.tensors[i]!, all);
    }
    room.spans.highs.set(this.#spans.highs);
    room.spans.lows.set(this.#spans.lows);
    this.#leave(room);
  }

  #leave(room: Room): void {
    this.#room.owners--;
    this.#room = room;
  }

  #bind(ort: Ort): NonNullable<Room["bound"]> {
    const { capacity, tensors } = this.#room;
    this.#room.bound ??= bind(ort, this.#ports, capacity, tensors);
    return this.#room.bound;
  }
}

function makeRoom(ports: readonly CachePort[], capacity: number): Room {
  const tensors = ports.map((port) => allocateRows(port, capacity));
  const spans = { highs: new Int32Array(capacity), lows: new Int32Array(capacity) };
  return { capacity, tensors, spans, owners: 1, bound: null };
}

/** The same tensors go in and come out. */
function bind(
  ort: Ort,
  ports: readonly CachePort[],
  capacity: number,
  tensors: readonly CacheRows[],
): NonNullable<Room["bound"]> {
  const feeds: Record<string, Tensor> = {};
  const fetches: Record<string, Tensor> = {};
  for (const [i, { name, present, before, width }] of ports.entries()) {
    feeds[name] = floatTensor(ort, tensors[i]!.data, [...before, capacity, width]);
    fetches[present] = feeds[name];
  }
  return { feeds, fetches };
}
