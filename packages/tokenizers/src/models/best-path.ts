import { visitEdges, type ScoredPieces } from "./lattice.ts";

/** The best way to cut a text: pieces in order, `id` -1 for a character without one. */
export interface BestPath {
  readonly count: number;
  /** Sum of the scores. */
  readonly total: number;
  readonly ids: Int32Array;
  /** End of each piece, in UTF-16 units. */
  readonly ends: Uint32Array;
}

/**
 * The segmentation of the highest score, by dynamic programming from left to right.
 *
 * At each position the candidates come by increasing start, and a later one must be better to win.
 * `before` is the sum of what came before the text: with rounding it decides which of two nearly equal
 * ways wins.
 *
 * Cost: O(length × longest piece).
 *
 * @see `Unigram::encode_optimized` in huggingface/tokenizers (3ba8ad0):
 *   tokenizers/src/models/unigram/model.rs; `Model::EncodeOptimized` in google/sentencepiece
 *   (2734490): src/unigram_model.cc
 */
export function findBestPath(text: string, pieces: ScoredPieces, before = 0): BestPath {
  const round = pieces.rounds ? Math.fround : (total: number): number => total;
  const n = text.length;
  const best = new Float64Array(n + 1);
  best[0] = before;
  const starts = new Int32Array(n + 1).fill(-1);
  const ids = new Int32Array(n + 1);
  visitEdges(text, pieces, (start, end, id, score) => {
    const total = round(score + best[start]!);
    if (starts[end] !== -1 && !(total > best[end]!)) return;
    best[end] = total;
    starts[end] = start;
    ids[end] = id;
  });
  return { total: best[n]!, ...walkBack(n, starts, ids) };
}

/** Turns the way back from the end into pieces in order. */
function walkBack(n: number, starts: Int32Array, ids: Int32Array): Omit<BestPath, "total"> {
  let count = 0;
  for (let end = n; end > 0; end = starts[end]!) count++;
  const path = { count, ids: new Int32Array(count), ends: new Uint32Array(count) };
  let i = count;
  for (let end = n; end > 0; end = starts[end]!) {
    i--;
    path.ids[i] = ids[end]!;
    path.ends[i] = end;
  }
  return path;
}
