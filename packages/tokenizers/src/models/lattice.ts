import type { TokenTrie } from "./token-trie.ts";

/** Pieces and what they are worth. */
export interface ScoredPieces {
  /** Piece to id. */
  readonly trie: TokenTrie;
  /** Log probability of each id. */
  readonly scores: Float64Array;
  /** Score of a character that no piece covers alone. */
  readonly unknownScore: number;
  /** Whether the sums of a best path are kept in 32 bits, as in sentencepiece. */
  readonly rounds: boolean;
}

/** Receives a piece that a text has from `start` to `end`; `id` is -1 for an unknown character. */
export type EdgeSink = (start: number, end: number, id: number, score: number) => void;

/**
 * Visits every piece that a text has somewhere, by increasing start, then end. Only a character that
 * is no piece by itself is unknown. O(length × longest piece).
 */
export function visitEdges(text: string, pieces: ScoredPieces, visit: EdgeSink): void {
  const { trie, scores, unknownScore } = pieces;
  for (let start = 0; start < text.length;) {
    const next = start + (text.codePointAt(start)! >= 0x10000 ? 2 : 1);
    let isCovered = false;
    let node = 0;
    for (let at = start; at < text.length;) {
      node = trie.step(node, text.charCodeAt(at++));
      if (node < 0) break;
      const id = trie.valueAt(node);
      if (id < 0) continue;
      visit(start, at, id, scores[id]!);
      if (at === next) isCovered = true;
    }
    if (!isCovered) visit(start, next, -1, unknownScore);
    start = next;
  }
}

/** A piece that ends at some place. */
export interface Edge {
  readonly start: number;
  readonly score: number;
}

/** The pieces that end at each place, by increasing start; none inside a character. */
export function edgesByEnd(text: string, pieces: ScoredPieces): readonly (readonly Edge[])[] {
  const into: Edge[][] = Array.from({ length: text.length + 1 }, () => []);
  visitEdges(text, pieces, (start, end, _, score) => into[end]!.push({ start, score }));
  return into;
}
