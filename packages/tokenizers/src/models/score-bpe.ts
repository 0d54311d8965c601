import { MinHeap } from "./bpe-merge.ts";

/** What {@link ScoreBpe} is built from. */
export interface ScoreBpeInit {
  /** Pieces that may come out of a merge, with their scores. */
  readonly scores: ReadonlyMap<string, number>;
  /** Those of them that are taken apart again. */
  readonly unused: ReadonlySet<string>;
}

/**
 * Byte-pair encoding without a list of merges: of all neighbours that are a piece together, those
 * with the highest score merge first, the leftmost among equals.
 *
 * Cost: O(n log n) and one look-up for each pair that ever touches.
 *
 * @see `Model::SampleEncode` in google/sentencepiece (2734490): src/bpe_model.cc
 */
export class ScoreBpe {
  /** Place of each piece in the order of merging; equal scores share one. */
  readonly #ranks = new Map<string, number>();
  readonly #unused: ReadonlySet<string>;

  constructor({ scores, unused }: ScoreBpeInit) {
    this.#unused = unused;
    const order = [...new Set(scores.values())].sort((a, b) => b - a);
    const rankOf = new Map(order.map((score, rank) => [score, rank]));
    for (const [piece, score] of scores) this.#ranks.set(piece, rankOf.get(score)!);
  }

  /**
   * Ends of the pieces of `text`, given the ends of the symbols it starts as; a symbol that is
   * `frozen` stays as it is. Without `whole` the text as a whole counts as no piece.
   */
  merge(
    text: string,
    symbolEnds: readonly number[],
    frozen: readonly boolean[],
    whole = true,
  ): number[] {
    const n = symbolEnds.length;
    const starts = (at: number): number => (at === 0 ? 0 : symbolEnds[at - 1]!);
    const next = Int32Array.from({ length: n }, (_, i) => i + 1);
    const previous = Int32Array.from({ length: n }, (_, i) => i - 1);
    const ends = Uint32Array.from(symbolEnds);
    const rankAt = new Int32Array(n).fill(-1);
    const heap = new MinHeap(2 * n + 2);
    const halves = new Map<string, number>();

    const rankPair = (at: number): number => {
      const right = next[at]!;
      if (right >= n || frozen[at] === true || frozen[right] === true) return -1;
      const joined = text.slice(starts(at), ends[right]);
      if (!whole && joined.length === text.length) return -1;
      const rank = this.#ranks.get(joined) ?? -1;
      if (rank >= 0 && this.#unused.has(joined)) halves.set(joined, ends[at]! - starts(at));
      return rank;
    };
    const offer = (at: number): void => {
      const rank = rankPair(at);
      rankAt[at] = rank;
      if (rank >= 0) heap.push(rank * n + at);
    };
    for (let i = 0; i + 1 < n; i++) offer(i);

    while (heap.size > 0) {
      const entry = heap.pop();
      const rank = Math.floor(entry / n);
      const at = entry - rank * n;
      if (rankAt[at] !== rank) continue;
      const gone = next[at]!;
      ends[at] = ends[gone]!;
      rankAt[gone] = -1;
      const after = next[gone]!;
      next[at] = after;
      if (after < n) previous[after] = at;
      offer(at);
      if (previous[at]! >= 0) offer(previous[at]!);
    }

    const result: number[] = [];
    for (let i = 0; i < n; i = next[i]!) this.#takeApart(text, starts(i), ends[i]!, halves, result);
    return result;
  }

  /** Adds the ends of what an unused piece was made from, or its own. */
  #takeApart(
    text: string,
    start: number,
    end: number,
    halves: ReadonlyMap<string, number>,
    ends: number[],
  ): void {
    const open: [start: number, end: number][] = [[start, end]];
    while (open.length > 0) {
      const [from, to] = open.pop()!;
      const half = this.#unused.size > 0 ? halves.get(text.slice(from, to)) : undefined;
      if (half === undefined) ends.push(to);
      else open.push([from + half, to], [from, from + half]);
    }
  }
}
