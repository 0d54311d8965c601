import type { StepOptions } from "@frugal/core";

import type { Ort, Tensor } from "../onnx/ort.ts";
import { fillBlockBias } from "../sequence/block.ts";
import { fillPastBias, type OpenTree } from "../sequence/open-tree.ts";
import { wantsAllRows } from "../sequence/outputs.ts";
import type { RowPositions } from "../sequence/place-rows.ts";
import type { DecoderSignature, Port } from "./decoder-signature.ts";
import { reduced } from "./reduced-logits.ts";

/** Integers as a graph wants them. */
function integers(ort: Ort, { type }: Port, values: ArrayLike<number>, dims: number[]): Tensor {
  return type === "int64"
    ? new ort.Tensor("int64", BigInt64Array.from(Array.from(values), BigInt), dims)
    : new ort.Tensor("int32", Int32Array.from(values), dims);
}

/**
 * Inputs for token ids. Where the graph takes ids beside embeddings, those of embedded rows are 0.
 */
export function idFeeds(ort: Ort, ids: Port, tokens: ArrayLike<number>): Record<string, Tensor> {
  return { [ids.name]: integers(ort, ids, tokens, [1, tokens.length]) };
}

/** What a step sees of the text: masks and positions of the rows after `past`. */
export function rowFeeds(
  ort: Ort,
  { mask, positions: port, bias, branch }: DecoderSignature,
  past: number,
  { highs, triples }: RowPositions,
  parents: Int32Array | undefined,
  tree: OpenTree | null,
): Record<string, Tensor> {
  const rows = highs.length;
  const total = past + rows;
  const feeds: Record<string, Tensor> = {};
  if (mask !== null) {
    const ones = mask.type === "int64" ? new BigInt64Array(total).fill(1n) : null;
    feeds[mask.name] =
      ones === null
        ? new ort.Tensor("int32", new Int32Array(total).fill(1), [1, total])
        : new ort.Tensor("int64", ones, [1, total]);
  }
  if (port !== null) {
    // In text, frame, row and column are the same.
    const all = port.rows === 1 ? highs : (triples ?? Int32Array.of(...highs, ...highs, ...highs));
    const dims = port.rows === 1 ? [1, rows] : [3, 1, rows];
    feeds[port.name] = integers(ort, port, all, dims);
  }
  if (bias !== null) {
    const values = biasOf(past, rows, parents, tree);
    feeds[bias.name] = new ort.Tensor("float32", values, [1, 1, rows, total]);
  }
  if (branch !== null) {
    feeds[branch.name] = new ort.Tensor("bool", Uint8Array.of(past > 0 ? 1 : 0), [1]);
  }
  return feeds;
}

/** Additive mask `[rows, past + rows]`: what the tree says, of the cache and of the block. */
function biasOf(
  past: number,
  rows: number,
  parents: Int32Array | undefined,
  tree: OpenTree | null,
): Float32Array {
  const cached = new Float32Array(rows * past);
  if (tree !== null) fillPastBias(tree, past, 1, past, cached);
  const block = new Float32Array(rows * rows);
  fillBlockBias(parents, rows, block);
  const all = new Float32Array(rows * (past + rows));
  for (let row = 0; row < rows; row++) {
    const at = row * (past + rows);
    all.set(cached.subarray(row * past, (row + 1) * past), at);
    all.set(block.subarray(row * rows, (row + 1) * rows), at + past);
  }
  return all;
}

/** Which rows to compute logits for, and how far the reduction reads. */
export function logitFeeds(
  ort: Ort,
  { logitCount }: DecoderSignature,
  { logits, taps = [], tapRows }: StepOptions,
  rows: number,
  top: { readonly k: number; readonly vocabSize: number } | null,
): Record<string, Tensor> {
  const feeds: Record<string, Tensor> = {};
  // Rows that get no logits have no final state either.
  const wantsAll = wantsAllRows(logits) || (taps.includes("final") && tapRows !== "last");
  const count = logitCount === null || wantsAll ? rows : 1;
  if (logitCount !== null) feeds[logitCount.name] = integers(ort, logitCount, [count], []);
  if (top !== null) {
    const extent = top.k > 0 ? [count, top.vocabSize] : [1, 1];
    feeds[reduced.extent] = new ort.Tensor("int64", BigInt64Array.from(extent, BigInt), [2]);
    feeds[reduced.k] = new ort.Tensor("int64", BigInt64Array.of(BigInt(Math.max(1, top.k))), [1]);
  }
  return feeds;
}
