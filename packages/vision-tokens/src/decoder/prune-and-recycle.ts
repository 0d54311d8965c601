import {
  type Matrix,
  pickRows,
  softmax,
  type StageDecision,
  type StageView,
  topIndices,
  wideDot,
} from "@frugal/core";

import { clusterDensityPeaks } from "../cluster/cluster-density-peaks.ts";
import { mergeClusters } from "../cluster/merge-clusters.ts";
import { expectInteger } from "../expect.ts";
import { applyReduction } from "../select/reduction.ts";
import { meanAttention } from "./mean-attention.ts";
import type { PlannedStage } from "./planned-stage.ts";

/** Options of {@link pruneAndRecycle}. */
export interface PruneAndRecycleOptions {
  /** The layers before which rows end, ascending. Default 2, 6 and 15, for 32 layers. */
  readonly layers?: readonly number[];
  /** How many rows each of them sees, recycled ones aside. Default 300, 200 and 110. */
  readonly keep?: readonly number[];
  /** Whether some of what ends goes on in merged rows. Default true. */
  readonly recycle?: boolean;
}

/** Published numbers of rows after each of three stages, by the mean over 32 layers. */
export const recycleBudgets: Readonly<Record<192 | 128 | 64, readonly number[]>> = {
  192: [300, 200, 110],
  128: [303, 110, 36],
  64: [66, 30, 17],
};

/**
 * The rows of text that say which rows of images matter: those whose share of the images' interest
 * exceeds the mean. A row of an image shares its interest among the text by a softmax of products.
 *
 * _Shapes_: `text` t × d, `images` n × d. _Cost_: t · n products of rows.
 *
 * @returns indices of rows of text, ascending; all where none stands out.
 */
export function chooseRaters(text: Matrix, images: Matrix): Uint32Array {
  const shares = new Float64Array(text.rows);
  const row = new Float64Array(text.rows);
  for (let i = 0; i < images.rows; i++) {
    for (let t = 0; t < text.rows; t++) {
      row[t] = wideDot(images.data, i * images.cols, text.data, t * text.cols, text.cols);
    }
    softmax(row, row);
    for (let t = 0; t < text.rows; t++) shares[t]! += row[t]!;
  }
  const mean = images.rows / text.rows;
  const all = Uint32Array.from(shares, (_, t) => t);
  const raters = all.filter((t) => shares[t]! > mean);
  return raters.length === 0 ? all : raters;
}

/**
 * SparseVLM: before some layers, only those rows of images go on that the raters among the text
 * attended to most, mean over heads and raters; of the others the `trunc(0.3 n) + 1` best of `n` are
 * clustered by density peaks into a tenth of them and one, whose means go on, too.
 *
 * Deviations: raters are chosen before every stage from the states that enter it, the reference takes
 * embeddings once; merged rows stand in the place of their cluster's centre, not at the end; only text
 * behind the first image rates. Ties go to the lower index.
 *
 * @throws `InferenceError` `range` for layers that do not ascend from 1 or another number of counts.
 * @see Zhang et al., arXiv:2410.04417; `docs/algorithms/pruning-inside-the-decoder.md`
 */
export function pruneAndRecycle(options: PruneAndRecycleOptions = {}): PlannedStage[] {
  const { layers = [2, 6, 15], keep = recycleBudgets[192], recycle = true } = options;
  expectInteger("keep.length", keep.length, layers.length, layers.length);
  return layers.map((layer, i) => {
    expectInteger(`layers[${i}]`, layer, i === 0 ? 1 : layers[i - 1]! + 1);
    expectInteger(`keep[${i}]`, keep[i]!, 0);
    return {
      layer,
      count: (total) => Math.min(total, keep[i]!),
      reads: { kind: "attention", queries: "text", keys: "images" },
      decide: (view) => decide(view, keep[i]!, recycle),
    };
  });
}

function decide(view: StageView, count: number, recycle: boolean): StageDecision {
  const { states, text } = view;
  const attention = view.scores!;
  const raters = chooseRaters(text, states);
  const scores = meanAttention(pickRows(attention, raters));
  const kept = topIndices(scores, 0, scores.length, count);
  const pruned = complement(kept, states.rows);
  if (!recycle || pruned.length === 0) return { keep: kept };
  return recycleRows(states, kept, pruned, scores);
}

/** Adds the means of clusters of the best pruned rows. */
function recycleRows(
  states: Matrix,
  kept: Uint32Array,
  pruned: Uint32Array,
  scores: Float32Array,
): StageDecision {
  const worth = Float32Array.from(pruned, (row) => scores[row]!);
  const count = Math.min(pruned.length, Math.trunc(0.3 * pruned.length) + 1);
  const best = topIndices(worth, 0, worth.length, count).map((i) => pruned[i]!);
  const rows = pickRows(states, best);
  const clusters = Math.min(count, Math.floor(count / 10) + 1);
  const merged = mergeClusters(clusterDensityPeaks(rows, clusters, clusters));
  const means = applyReduction(merged, rows);
  const place = new Map(Array.from(merged.keep, (center, i) => [best[center]!, i]));
  const keep = Uint32Array.from([...kept, ...place.keys()]).sort();
  const out = pickRows(states, keep);
  for (const [i, row] of keep.entries()) {
    const cluster = place.get(row);
    if (cluster === undefined) continue;
    const from = cluster * states.cols;
    out.data.set(means.data.subarray(from, from + states.cols), i * states.cols);
  }
  return { keep, states: out };
}

function complement(kept: Uint32Array, rows: number): Uint32Array {
  const isKept = new Set(kept);
  return Uint32Array.from({ length: rows }, (_, row) => row).filter((row) => !isKept.has(row));
}
