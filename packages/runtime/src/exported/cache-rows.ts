import { float16ToFloat32 } from "@frugal/core";

import type { FloatData } from "../onnx/typed-tensor.ts";
import { closeGaps } from "../sequence/close-gaps.ts";
import type { KeyFrequencies } from "../sequence/kv-store.ts";
import { rotateKey } from "../sequence/rotary.ts";
import type { CachePort } from "./decoder-signature.ts";
import { float32ToFloat16 } from "./float16.ts";

/** One tensor of a cache, `[...before, capacity, width]`. */
export interface CacheRows {
  readonly data: FloatData;
  readonly capacity: number;
}

/** Zeroed room for rows. */
export function allocateRows({ type, before, width }: CachePort, capacity: number): CacheRows {
  const size = headsOf(before) * capacity * width;
  return { data: type === "float32" ? new Float32Array(size) : new Uint16Array(size), capacity };
}

function headsOf(before: readonly number[]): number {
  return before.reduce((product, dim) => product * dim, 1);
}

/**
 * Copies the rows in `slots`, from the `first` of them on, to the slots of their index in every head.
 * `to` may be `from`, since slots ascend. Unchecked: there is room.
 */
export function gatherRows(
  { before, width }: CachePort,
  from: CacheRows,
  to: CacheRows,
  slots: Uint32Array,
  first = 0,
): void {
  const heads = headsOf(before);
  for (let head = 0; head < heads; head++) {
    for (let start = first; start < slots.length;) {
      let end = start + 1;
      while (end < slots.length && slots[end] === slots[end - 1]! + 1) end++;
      const at = (head * from.capacity + slots[start]!) * width;
      const rows = from.data.subarray(at, at + (end - start) * width);
      to.data.set(rows, (head * to.capacity + start) * width);
      start = end;
    }
  }
}

/** Where rows stand: from `lows[i]` to `highs[i]`, which are one number but for triples of M-RoPE. */
export interface RowSpans {
  readonly highs: Int32Array;
  readonly lows: Int32Array;
}

/** Whether some row stands at a triple of unequal numbers. */
export function hasTriples({ highs, lows }: RowSpans): boolean {
  return highs.some((high, i) => high !== lows[i]);
}

/** How far each row goes if rows are numbered by their slots, or triples moved together. */
export function distancesOf(spans: RowSpans): Int32Array {
  const { highs, lows } = spans;
  if (!hasTriples(spans)) return highs.map((high, slot) => slot - high);
  const slots = Uint32Array.from(highs.keys());
  const end = highs.reduce((most, high) => Math.max(most, high + 1), 0);
  const ranks = new Int32Array(end + 1);
  closeGaps(slots, lows, highs, ranks);
  return highs.map((high) => ranks[high]! - high);
}

/**
 * Rotates keys by the distances that their rows go, in every head, and moves the spans. Cost: a
 * rotation per key that moves, and the angles once per distance.
 *
 * @param tensors of every port; values, and layers whose keys do not turn, stay as they are
 */
export function turnRows(
  ports: readonly CachePort[],
  tensors: readonly CacheRows[],
  { highs, lows }: RowSpans,
  distances: Int32Array,
  frequencies: KeyFrequencies,
): void {
  for (const [i, port] of ports.entries()) {
    const turning = port.side === "key" ? frequencies[port.layer] : null;
    if (turning) turnKeys(port, tensors[i]!, distances, turning);
  }
  for (const [row, distance] of distances.entries()) {
    highs[row]! += distance;
    lows[row]! += distance;
  }
}

function turnKeys(
  { before, width }: CachePort,
  { data, capacity }: CacheRows,
  distances: Int32Array,
  frequencies: Float64Array,
): void {
  const heads = headsOf(before);
  const row = new Float32Array(width);
  const [cos, sin] = [new Float64Array(frequencies.length), new Float64Array(frequencies.length)];
  let known = 0;
  for (const [slot, delta] of distances.entries()) {
    if (delta === 0) continue;
    // Evicted spans shift whole runs of rows by the same distance.
    if (delta !== known) {
      for (const [pair, frequency] of frequencies.entries()) {
        cos[pair] = Math.cos(delta * frequency);
        sin[pair] = Math.sin(delta * frequency);
      }
      known = delta;
    }
    for (let head = 0; head < heads; head++) {
      const at = (head * capacity + slot) * width;
      if (data instanceof Float32Array) rotateKey(data, at, cos, sin);
      else {
        const bits = data.subarray(at, at + width);
        float16ToFloat32(bits, row);
        rotateKey(row, 0, cos, sin);
        float32ToFloat16(row, bits);
      }
    }
  }
}
