import type { ReferenceCache } from "./reference-cache.ts";
import { type ChunkEffort, isBlind, skips } from "./reference-effort.ts";
import type { Linear, Network } from "./reference-network.ts";

/** What one layer attends with; `LayerView` of `@frugal/kv-cache`. */
export interface AttentionView {
  readonly layer: number;
  readonly rows: number;
  /** Rotated, `[rows, heads, headDim]`. */
  readonly queries: Float64Array;
  /** Rotated keys of the slots before the chunk, `[kvHeads, capacity, headDim]`. */
  readonly keys: Float64Array;
  readonly capacity: number;
  readonly length: number;
}

/** Chooses what a layer attends to; a `RowSelector` of `@frugal/kv-cache` is one. */
export interface AttentionHook {
  /** Slots before the chunk, for all heads or per KV head; null for all of them. */
  select(view: AttentionView): Uint32Array | readonly Uint32Array[] | null;
  /** Attention weights of the slots of a row, where they are not the softmax of the scores. */
  weigh?(scores: Float64Array, slots: Int32Array): Float64Array;
  keep(slots: Uint32Array): void;
  fork(): AttentionHook;
}

/** Rows that go through the layers together. */
export interface Chunk {
  /** Hidden states, `[rows, hiddenSize]`; overwritten by the output of the last layer. */
  readonly hidden: Float64Array;
  readonly rows: number;
  /** Cache slot of the first row; the others follow. */
  readonly slot: number;
  /** Rotary positions of all slots up to and including those of the chunk. */
  readonly positions: ArrayLike<number>;
  /** Per row, the slots it attends to, itself included. */
  readonly visible: readonly Int32Array[];
  /** Narrows what is visible, layer by layer. */
  readonly hook: AttentionHook | null;
  /** What layers do less for images. */
  readonly effort: ChunkEffort | null;
  /** Told of every row and head of the last layer. */
  readonly onScores?: AttentionListener;
}

/** Told of the visible slots of a row of the chunk, their scores, and the softmax of these. */
export type AttentionListener = (
  row: number,
  head: number,
  slots: Int32Array,
  scores: Float64Array,
  weights: Float64Array,
) => void;

/**
 * Runs a chunk through every decoder layer and writes its unrotated keys and values to the cache.
 *
 * @param onLayer sees the hidden states before each layer and, as layer `layers`, after the last.
 */
export function runLayers(
  network: Network,
  cache: ReferenceCache,
  chunk: Chunk,
  onLayer: (layer: number, hidden: Float64Array) => void,
): void {
  const { config, layers } = network;
  const { hidden, rows, slot } = chunk;
  const width = config.kvHeads * config.headDim;
  for (const [index, layer] of layers.entries()) {
    onLayer(index, hidden);

    const normed = rmsNorm(hidden, rows, layer.inputNorm, config.normEpsilon);
    cache.keys[index]!.set(applyLinear(normed, rows, layer.k), slot * width);
    cache.values[index]!.set(applyLinear(normed, rows, layer.v), slot * width);
    for (let r = 0; r < rows; r++) {
      if (!skips(chunk.effort, index, "block", slot + r)) continue;
      for (const store of [cache.keys, cache.values]) {
        const before = store[index - 1]!.subarray((slot + r) * width, (slot + r + 1) * width);
        store[index]!.set(before, (slot + r) * width);
      }
    }
    const queries = applyLinear(normed, rows, layer.q);
    const mixed = attend(network, index, queries, cache, chunk);
    add(hidden, spare(applyLinear(mixed, rows, layer.o), chunk, index, "attention"));

    const normedAgain = rmsNorm(hidden, rows, layer.postNorm, config.normEpsilon);
    const gate = applyLinear(normedAgain, rows, layer.gate);
    const up = applyLinear(normedAgain, rows, layer.up);
    for (let i = 0; i < gate.length; i++) gate[i] = (gate[i]! / (1 + Math.exp(-gate[i]!))) * up[i]!;
    const used = chunk.effort?.effort.channels?.[index] ?? config.intermediateSize;
    for (let r = 0; r < rows; r++) {
      if (chunk.effort?.images[slot + r] !== 1) continue;
      gate.fill(0, r * config.intermediateSize + used, (r + 1) * config.intermediateSize);
    }
    add(hidden, spare(applyLinear(gate, rows, layer.down), chunk, index, "mlp"));
  }
  onLayer(layers.length, hidden);
}

/** The final norm of `rows` hidden states. */
export function applyFinalNorm(network: Network, hidden: Float64Array, rows: number): Float64Array {
  return rmsNorm(hidden, rows, network.finalNorm, network.config.normEpsilon);
}

/** Logits of `rows` hidden states: final norm and output head. */
export function applyHead(network: Network, hidden: Float64Array, rows: number): Float64Array {
  return applyLinear(applyFinalNorm(network, hidden, rows), rows, network.head);
}

/** Grouped-query attention; keys are rotated to their slots' positions here, on every call. */
function attend(
  network: Network,
  layer: number,
  queries: Float64Array,
  cache: ReferenceCache,
  chunk: Chunk,
): Float64Array {
  const { heads, kvHeads, headDim } = network.config;
  const { rows, hook } = chunk;
  const keys = rotateAll(network, queries, cache.keys[layer]!, chunk);
  const values = cache.values[layer]!;
  const capacity = chunk.slot + rows;
  const length = chunk.slot;
  const selected = hook?.select({ layer, rows, queries, keys, capacity, length }) ?? null;

  const out = new Float64Array(queries.length);
  const scale = 1 / Math.sqrt(headDim);
  for (let r = 0; r < rows; r++) {
    for (let h = 0; h < heads; h++) {
      const at = (r * heads + h) * headDim;
      const kvHead = Math.floor((h * kvHeads) / heads);
      const slots = narrow(chunk.visible[r]!, selected, kvHead, length);
      const scores = new Float64Array(slots.length);
      for (let j = 0; j < slots.length; j++) {
        const key = (kvHead * capacity + slots[j]!) * headDim;
        let score = 0;
        for (let c = 0; c < headDim; c++) score += queries[at + c]! * keys[key + c]!;
        scores[j] = score * scale;
      }
      const weights = hook?.weigh?.(scores, slots) ?? softmax(scores);
      const blind = isBlind(chunk.effort, layer, h);
      if (blind && chunk.effort!.images[chunk.slot + r] === 1) continue;
      if (blind) slots.forEach((slot, j) => (weights[j]! *= 1 - chunk.effort!.images[slot]!));
      if (layer === network.layers.length - 1) chunk.onScores?.(r, h, slots, scores, weights);
      for (let j = 0; j < slots.length; j++) {
        const value = (slots[j]! * kvHeads + kvHead) * headDim;
        for (let c = 0; c < headDim; c++) out[at + c]! += weights[j]! * values[value + c]!;
      }
    }
  }
  return out;
}

/** What a sublayer adds, without the rows that skip it. In place. */
function spare(
  update: Float64Array,
  { rows, slot, effort }: Chunk,
  layer: number,
  part: "attention" | "mlp",
): Float64Array {
  const width = update.length / rows;
  for (let r = 0; r < rows; r++) {
    if (skips(effort, layer, part, slot + r)) update.fill(0, r * width, (r + 1) * width);
  }
  return update;
}

/** Rotates the queries in place; returns all rotated keys, `[kvHeads, slots, headDim]`. */
function rotateAll(
  { config, rotary }: Network,
  queries: Float64Array,
  keys: Float64Array,
  { rows, slot, positions }: Chunk,
): Float64Array {
  const { heads, kvHeads, headDim } = config;
  for (let i = 0; i < rows * heads; i++) {
    const position = positions[slot + Math.floor(i / heads)]!;
    rotary.rotate(queries, i * headDim, position, queries, i * headDim);
  }
  const end = slot + rows;
  const rotated = new Float64Array(end * kvHeads * headDim);
  for (let s = 0; s < end; s++) {
    for (let h = 0; h < kvHeads; h++) {
      const from = (s * kvHeads + h) * headDim;
      rotary.rotate(keys, from, positions[s]!, rotated, (h * end + s) * headDim);
    }
  }
  return rotated;
}

/** The visible slots that were selected for a KV head, and those of the chunk itself. */
function narrow(
  visible: Int32Array,
  selected: Uint32Array | readonly Uint32Array[] | null,
  kvHead: number,
  length: number,
): Int32Array {
  if (selected === null) return visible;
  const rows = new Set(selected instanceof Uint32Array ? selected : selected[kvHead]!);
  return visible.filter((slot) => slot >= length || rows.has(slot));
}

function softmax(scores: Float64Array): Float64Array {
  let max = -Infinity;
  for (const score of scores) if (score > max) max = score;
  const weights = scores.map((score) => Math.exp(score - max));
  let sum = 0;
  for (const weight of weights) sum += weight;
  for (let j = 0; j < weights.length; j++) weights[j]! /= sum;
  return weights;
}

/** Each row divided by its root mean square, times the weight. */
function rmsNorm(
  x: Float64Array,
  rows: number,
  weight: Float32Array,
  epsilon: number,
): Float64Array {
  const d = weight.length;
  const out = new Float64Array(rows * d);
  for (let r = 0; r < rows; r++) {
    let sum = 0;
    for (let c = 0; c < d; c++) sum += x[r * d + c]! ** 2;
    const scale = 1 / Math.sqrt(sum / d + epsilon);
    for (let c = 0; c < d; c++) out[r * d + c] = x[r * d + c]! * scale * weight[c]!;
  }
  return out;
}

/** A linear layer on `rows` rows, four at a time so that a weight is read once for four sums. */
function applyLinear(x: Float64Array, rows: number, linear: Linear): Float64Array {
  const { weight, bias, outputs, inputs } = linear;
  const out = new Float64Array(rows * outputs);
  for (let o = 0; o < outputs; o++) {
    const w = o * inputs;
    const start = bias === null ? 0 : bias[o]!;
    let r = 0;
    for (; r + 4 <= rows; r += 4) {
      const at = r * inputs;
      let a = start;
      let b = start;
      let c = start;
      let d = start;
      for (let i = 0; i < inputs; i++) {
        const value = weight[w + i]!;
        a += value * x[at + i]!;
        b += value * x[at + inputs + i]!;
        c += value * x[at + 2 * inputs + i]!;
        d += value * x[at + 3 * inputs + i]!;
      }
      out[r * outputs + o] = a;
      out[(r + 1) * outputs + o] = b;
      out[(r + 2) * outputs + o] = c;
      out[(r + 3) * outputs + o] = d;
    }
    for (; r < rows; r++) {
      let sum = start;
      for (let i = 0; i < inputs; i++) sum += weight[w + i]! * x[r * inputs + i]!;
      out[r * outputs + o] = sum;
    }
  }
  return out;
}

function add(x: Float64Array, y: Float64Array): void {
  for (let i = 0; i < x.length; i++) x[i]! += y[i]!;
}
