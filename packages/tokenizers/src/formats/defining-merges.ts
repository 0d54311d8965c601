import { ScoreBpe } from "../models/score-bpe.ts";

/** A way to make a piece. */
interface Merge {
  readonly parts: readonly [left: string, right: string];
  readonly score: number;
}

/**
 * The list of merges that does what scores do: for each piece the two parts that it is made from, in
 * the order of the scores.
 *
 * Scores let any two neighbours merge that are a piece together, but a piece only ever comes from one
 * pair. What happens inside a stretch that becomes one piece in the end does not depend on what stands
 * around it, because nothing merges across its ends; so its last two parts are always those that
 * merging the piece alone leads to. A piece that is not reached that way is never made, and has no
 * merge.
 *
 * Equal scores, of which the leftmost merges first, no list can express. Where there are some, the list
 * has every way to make every piece, of equal ones those with the longest parts first, as transformers
 * has it; for runs of one character that comes to the same.
 *
 * Cost: O(n log n) for each piece of n characters; O(n²) where scores are equal.
 *
 * @see `generate_merges` in huggingface/transformers (5.18): src/transformers/convert_slow_tokenizer.py
 */
export function definingMerges(scores: ReadonlyMap<string, number>): Merge["parts"][] {
  const single = lastMerges(scores);
  const isOrdered = new Set(single.map(({ score }) => score)).size === single.length;
  const merges = isOrdered ? single : allMerges(scores);
  merges.sort(
    ({ score, parts: [left, right] }, other) =>
      other.score - score ||
      sizeOf(other.parts[0]) - sizeOf(left) ||
      sizeOf(other.parts[1]) - sizeOf(right),
  );
  return merges.map(({ parts }) => parts);
}

function lastMerges(scores: ReadonlyMap<string, number>): Merge[] {
  const bpe = new ScoreBpe({ scores, unused: new Set() });
  const found: Merge[] = [];
  for (const [piece, score] of scores) {
    const ends: number[] = [];
    let end = 0;
    for (const character of piece) ends.push((end += character.length));
    const [half, whole, ...more] = bpe.merge(piece, ends, [], false);
    if (whole === undefined || more.length > 0) continue;
    found.push({ parts: [piece.slice(0, half), piece.slice(half)], score });
  }
  return found;
}

function allMerges(scores: ReadonlyMap<string, number>): Merge[] {
  const found: Merge[] = [];
  for (const [piece, score] of scores) {
    for (let half = 1; half < piece.length; half++) {
      const parts = [piece.slice(0, half), piece.slice(half)] as const;
      if (parts.every((part) => scores.has(part))) found.push({ parts, score });
    }
  }
  return found;
}

function sizeOf(piece: string): number {
  return Array.from(piece).length;
}
