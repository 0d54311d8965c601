import { edgesByEnd, type Edge, type ScoredPieces } from "./lattice.ts";

/** One way to cut a text: where its pieces end, and the sum of their scores. */
export interface ScoredPath {
  readonly ends: readonly number[];
  readonly score: number;
}

/** The best ways to come to a place: their scores, and each one's last piece and what precedes it. */
interface Ranking {
  readonly scores: number[];
  readonly starts: number[];
  readonly ranks: number[];
}

/**
 * The `count` segmentations of the highest scores, best first, or all if there are fewer.
 *
 * The best ways to each place are chosen from the best ways to the places before it, which come in
 * order. Of equal ones that whose last piece is longer comes first. Exact, unlike the reference, which
 * searches backwards by A* and drops hypotheses once there are 10,000.
 *
 * Cost: O(length × longest piece × count) time, O(length × count) memory. Sums are in 64 bits.
 *
 * @see `Lattice::NBest` in google/sentencepiece (2734490): src/unigram_model.cc
 */
export function findBestPaths(text: string, pieces: ScoredPieces, count: number): ScoredPath[] {
  const into = edgesByEnd(text, pieces);
  const rankings: Ranking[] = [{ scores: [0], starts: [-1], ranks: [-1] }];
  for (let end = 1; end <= text.length; end++) {
    rankings.push(rank(into[end]!, rankings, count));
  }
  return rankings[text.length]!.scores.map((score, place) => {
    const ends: number[] = [];
    let [end, at] = [text.length, place];
    while (end > 0) {
      ends.push(end);
      const { starts, ranks } = rankings[end]!;
      [end, at] = [starts[at]!, ranks[at]!];
    }
    return { ends: ends.reverse(), score };
  });
}

/** Merges what leads to the starts of the edges, each in order already. */
function rank(edges: readonly Edge[], rankings: readonly Ranking[], count: number): Ranking {
  const merged: Ranking = { scores: [], starts: [], ranks: [] };
  const heads = edges.map(() => 0);
  while (merged.scores.length < count) {
    let best = -1;
    let most = -Infinity;
    edges.forEach(({ start, score }, i) => {
      const before = rankings[start]!.scores[heads[i]!];
      if (before === undefined || !(before + score > most)) return;
      most = before + score;
      best = i;
    });
    if (best < 0) break;
    merged.scores.push(most);
    merged.starts.push(edges[best]!.start);
    merged.ranks.push(heads[best]!++);
  }
  return merged;
}
