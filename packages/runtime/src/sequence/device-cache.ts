import type { Tensor } from "../onnx/ort.ts";
import { checkSlots } from "./check-slots.ts";
import type { DeviceBuffers, DeviceMemory } from "./device-memory.ts";
import { jointMask } from "./joint-mask.ts";
import type { KeyFrequencies } from "./kv-store.ts";
import type { CacheContext, CacheFeeds, NewRows, SequenceCache } from "./sequence-cache.ts";
import { SlotPositions } from "./slot-positions.ts";

/** Slots of a new cache. */
const leastCapacity = 256;

/** What the caches of one model share. */
export interface DeviceCacheContext extends CacheContext {
  readonly memory: DeviceMemory;
}

/**
 * The cache of a graph with shared attention: buffers on the device, which a step reads and writes in
 * place. Here is only which rows they hold.
 *
 * The capacity doubles when it is exceeded: slots that are not used cost memory, but no time. Cost:
 * shortening is free; growth, the first write after a fork, and a `keep` that moves rows copy the
 * cache on the device.
 */
export class DeviceCache implements SequenceCache {
  readonly #context: DeviceCacheContext;
  #buffers: DeviceBuffers | null = null;
  #rows = new SlotPositions();
  /** Inputs of a step; those of them that a step sets itself are views of buffers that it fills. */
  #feeds: Record<string, Tensor> = {};
  #fetches: Record<string, Tensor> = {};
  readonly #last = new Int32Array(1);
  readonly #total = new Int32Array(1);
  readonly #maskDims = BigInt64Array.of(1n, 1n, 1n, 1n);
  #disposed = false;

  constructor(context: DeviceCacheContext) {
    this.#context = context;
  }

  get length(): number {
    return this.#rows.length;
  }

  get capacity(): number {
    return this.#buffers?.capacity ?? 0;
  }

  get positions(): Int32Array {
    return this.#rows.highs;
  }

  get hasTriples(): boolean {
    return this.#rows.hasTriples;
  }

  async begin(rows: NewRows): Promise<CacheFeeds> {
    const count = rows.highs.length;
    const total = this.length + count;
    await this.#makeRoom(total);
    const { ort, rules } = this.#context;
    this.#last[0] = total - 1;
    this.#total[0] = total;
    this.#maskDims[2] = BigInt(count);
    this.#maskDims[3] = BigInt(total);
    for (const [kind, { window }] of rules.entries()) {
      const mask = jointMask(this, rows, window);
      this.#feeds[`mask.${kind}`] =
        mask === null
          ? new ort.Tensor("float32", new Float32Array(1), [1, 1, 1, 1])
          : new ort.Tensor("float32", mask, [1, 1, count, total]);
    }
    return { feeds: this.#feeds, fetches: this.#fetches };
  }

  finish(_outputs: unknown, { highs, lows }: NewRows): void {
    this.#rows.append(highs, lows);
  }

  truncate(length: number): void {
    this.#rows.truncate(length);
  }

  async keep(slots: Uint32Array, frequencies: KeyFrequencies | null): Promise<void> {
    const still = checkSlots(slots, this.length);
    const turns = frequencies === null ? null : this.#rows.turnsOf(slots);
    if (still < slots.length || turns !== null) {
      await this.#move(this.capacity, slots, turns);
    }
    this.#rows.keep(slots, turns);
  }

  fork(): DeviceCache {
    const copy = new DeviceCache(this.#context);
    if (this.#buffers !== null) {
      this.#buffers.owners++;
      copy.#bind(this.#buffers);
    }
    copy.#rows = this.#rows.fork();
    return copy;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    if (this.#buffers !== null) this.#context.memory.giveBack(this.#buffers);
    this.#buffers = null;
    this.#feeds = {};
    this.#fetches = {};
    this.#rows.truncate(0);
  }

  /** Buffers of its own for `total` rows. */
  async #makeRoom(total: number): Promise<void> {
    let capacity = Math.max(this.capacity, leastCapacity);
    while (capacity < total) capacity *= 2;
    if (capacity === this.capacity && this.#buffers?.owners === 1) return;
    if (this.#buffers === null) this.#bind(await this.#context.memory.take(capacity));
    else
      await this.#move(
        capacity,
        Array.from({ length: this.length }, (_, i) => i),
        null,
      );
  }

  /** Goes to buffers of its own that begin with the given rows. */
  async #move(capacity: number, slots: ArrayLike<number>, turns: Int32Array | null): Promise<void> {
    const { memory } = this.#context;
    const from = this.#buffers!;
    const buffers = await memory.take(capacity, { from, slots, turns });
    memory.giveBack(from);
    this.#bind(buffers);
  }

  #bind(buffers: DeviceBuffers): void {
    const { ort } = this.#context;
    this.#buffers = buffers;
    this.#feeds = {
      seqlens_k: new ort.Tensor("int32", this.#last, [1]),
      total_length: new ort.Tensor("int32", this.#total, [1]),
      mask_dims: new ort.Tensor("int64", this.#maskDims, [4]),
    };
    this.#fetches = {};
    for (const [name, tensor] of buffers.tensors) {
      this.#feeds[`past.${name}`] = tensor;
      this.#fetches[`present.${name}`] = tensor;
    }
  }
}
