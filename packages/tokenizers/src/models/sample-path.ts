import { edgesByEnd, type ScoredPieces } from "./lattice.ts";

/**
 * A segmentation drawn with probability proportional to `exp(alpha × score)`, of all there are: with
 * `alpha` 0 each is as likely, with a large one the best is all but certain.
 *
 * Forward, the sum over all ways to each place, in logarithms; then backward from the end, each last
 * piece in proportion to what comes through it. `draw` gives numbers from (0, 1), one for each piece.
 *
 * Cost: O(length × longest piece).
 *
 * @returns where the pieces end.
 * @see Kudo, "Subword Regularization", arXiv:1804.10959; `Lattice::Sample` in google/sentencepiece
 *   (2734490): src/unigram_model.cc
 */
export function samplePath(
  text: string,
  pieces: ScoredPieces,
  alpha: number,
  draw: () => number,
): number[] {
  const into = edgesByEnd(text, pieces);
  const sums = new Float64Array(text.length + 1).fill(-Infinity);
  sums[0] = 0;
  for (let end = 1; end <= text.length; end++) {
    const most = into[end]!.reduce(
      (max, { start, score }) => Math.max(max, sums[start]! + alpha * score),
      -Infinity,
    );
    if (most === -Infinity) continue;
    let sum = 0;
    for (const { start, score } of into[end]!) sum += Math.exp(sums[start]! + alpha * score - most);
    sums[end] = most + Math.log(sum);
  }

  const ends: number[] = [];
  for (let end = text.length; end > 0;) {
    ends.push(end);
    let left = draw();
    let chosen = -1;
    for (const { start, score } of into[end]!) {
      const share = Math.exp(sums[start]! + alpha * score - sums[end]!);
      if (share > 0) chosen = start;
      left -= share;
      if (left < 0) break;
    }
    end = chosen;
  }
  return ends.reverse();
}
