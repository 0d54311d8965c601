import type { TokenTrie } from "./token-trie.ts";

/** Pieces and what they are worth. */
export interface ScoredPieces {
  /** Piece to id. */
  readonly trie: TokenTrie;
  /** Log probability of each id. */
  readonly scores: Float64Array;
  /** Score of a character that no piece covers alone. */
  readonly unknownScore: number;
  /** Whether sums are kept in 32 bits, as in sentencepiece. */
  readonly rounds: boolean;
}

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
 * Only a character that is no piece by itself may be unknown. `before` is the sum of what came before
 * the text: with rounding it decides which of two nearly equal ways wins.
 *
 * Cost: O(length × longest piece).
 *
 * @see `Unigram::encode_optimized` in huggingface/tokenizers (3ba8ad0):
 *   tokenizers/src/models/unigram/model.rs; `Model::EncodeOptimized` in google/sentencepiece
 *   (2734490): src/unigram_model.cc
 */
export function findBestPath(text: string, pieces: ScoredPieces, before = 0): BestPath {
  const { trie, scores, unknownScore, rounds } = pieces;
  const round = rounds ? Math.fround : (total: number): number => total;
  const n = text.length;
  const best = new Float64Array(n + 1);
  best[0] = before;
  const starts = new Int32Array(n + 1).fill(-1);
  const ids = new Int32Array(n + 1);
  const offer = (start: number, end: number, id: number, score: number): void => {
    const total = round(score + best[start]!);
    if (starts[end] !== -1 && !(total > best[end]!)) return;
    best[end] = total;
    starts[end] = start;
    ids[end] = id;
  };

  for (let start = 0; start < n;) {
    const next = text.codePointAt(start)! >= 0x10000 ? start + 2 : start + 1;
    let isCovered = false;
    let node = 0;
    for (let at = start; at < n;) {
      node = trie.step(node, text.charCodeAt(at++));
      if (node < 0) break;
      const id = trie.valueAt(node);
      if (id < 0) continue;
      offer(start, at, id, scores[id]!);
      if (at === next) isCovered = true;
    }
    if (!isCovered) offer(start, next, -1, unknownScore);
    start = next;
  }
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
