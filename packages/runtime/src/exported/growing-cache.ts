import { float16ToFloat32 } from "@frugal/core";

import type { FloatData } from "../onnx/typed-tensor.ts";
import { checkSlots } from "../sequence/check-slots.ts";
import type { KeyFrequencies } from "../sequence/kv-store.ts";
import { rotateKey } from "../sequence/rotary.ts";
import type { CachePort } from "./decoder-signature.ts";
import { float32ToFloat16 } from "./float16.ts";

/**
 * Keys and values of a graph that takes all cached rows and returns them with the new ones
 * appended.
 *
 * A value: no buffer changes once it is in one, so forks, failed steps and aborts need no copies.
 * Buffer `i` is `[...ports[i].before, length, ports[i].width]`.
 */
export class GrowingCache {
  readonly ports: readonly CachePort[];
  readonly data: readonly FloatData[];
  /** Rotary position of every row. */
  readonly positions: Int32Array;

  constructor(ports: readonly CachePort[], data: readonly FloatData[], positions: Int32Array) {
    this.ports = ports;
    this.data = data;
    this.positions = positions;
  }

  /** A cache without rows. */
  static empty(ports: readonly CachePort[]): GrowingCache {
    const data = ports.map(({ type }) => bufferOf(type, 0));
    return new GrowingCache(ports, data, new Int32Array(0));
  }

  get length(): number {
    return this.positions.length;
  }

  /** What a step made of it: `data` are the graph's outputs, of which it takes possession. */
  append(data: readonly FloatData[], positions: Int32Array): GrowingCache {
    const all = new Int32Array(this.length + positions.length);
    all.set(this.positions);
    all.set(positions, this.length);
    return new GrowingCache(this.ports, data, all);
  }

  /**
   * The rows of the given slots. With `frequencies`, by layer, keys are rotated to the positions of
   * their new slots; without, they stay where they were written.
   *
   * Cost: a copy of the rows.
   *
   * @throws {@link InferenceError} `range` unless the slots are ascending and inside `[0, length)`.
   */
  keep(slots: Uint32Array, frequencies: KeyFrequencies | null): GrowingCache {
    checkSlots(slots, this.length);
    const old = Int32Array.from(slots, (slot) => this.positions[slot]!);
    const isMoved = frequencies !== null && old.some((position, slot) => position !== slot);
    if (slots.length === this.length && !isMoved) return this;
    const data = this.data.map((buffer, i) => gather(buffer, this.ports[i]!, this.length, slots));
    if (!isMoved) return new GrowingCache(this.ports, data, old);
    for (const [i, port] of this.ports.entries()) {
      const turned = port.side === "key" ? frequencies[port.layer] : null;
      if (turned) renumber(data[i]!, port, old, turned);
    }
    return new GrowingCache(
      this.ports,
      data,
      old.map((_, slot) => slot),
    );
  }
}

/** A buffer for values of a type, zeroed. */
function bufferOf(type: CachePort["type"], length: number): FloatData {
  return type === "float32" ? new Float32Array(length) : new Uint16Array(length);
}

function gather(
  buffer: FloatData,
  { type, width }: CachePort,
  length: number,
  slots: Uint32Array,
): FloatData {
  const heads = buffer.length / (length * width);
  const kept = bufferOf(type, heads * slots.length * width);
  for (let head = 0; head < heads; head++) {
    for (let from = 0; from < slots.length;) {
      let to = from + 1;
      while (to < slots.length && slots[to] === slots[to - 1]! + 1) to++;
      const start = (head * length + slots[from]!) * width;
      const rows = buffer.subarray(start, start + (to - from) * width);
      kept.set(rows, (head * slots.length + from) * width);
      from = to;
    }
  }
  return kept;
}

/** Rotates the row in slot `i` from position `old[i]` to `i`, in every head. */
function renumber(
  keys: FloatData,
  { width }: CachePort,
  old: Int32Array,
  frequencies: Float64Array,
): void {
  const row = new Float32Array(width);
  const heads = keys.length / (old.length * width);
  for (let slot = 0; slot < old.length; slot++) {
    const delta = slot - old[slot]!;
    if (delta === 0) continue;
    const cos = frequencies.map((frequency) => Math.cos(delta * frequency));
    const sin = frequencies.map((frequency) => Math.sin(delta * frequency));
    for (let head = 0; head < heads; head++) {
      const at = (head * old.length + slot) * width;
      if (keys instanceof Float32Array) rotateKey(keys, at, cos, sin);
      else {
        float16ToFloat32(keys.subarray(at, at + width), row);
        rotateKey(row, 0, cos, sin);
        float32ToFloat16(row, keys.subarray(at, at + width));
      }
    }
  }
}
