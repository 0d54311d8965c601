/** Width and height in pixels. */
export type Resolution = readonly [width: number, height: number];

/**
 * The candidate that shows most of an image, and among equals the one that wastes least; the first
 * of those. An image fitted into a candidate shows `min(its area there, its own area)` pixels.
 *
 * @returns `null` if there are no candidates.
 */
export function bestResolution(
  width: number,
  height: number,
  candidates: Iterable<Resolution>,
): Resolution | null {
  let best: Resolution | null = null;
  let mostShown = -1;
  let leastWasted = Infinity;
  for (const candidate of candidates) {
    const shown = shownPixels(width, height, candidate);
    const wasted = candidate[0] * candidate[1] - shown;
    if (shown < mostShown || (shown === mostShown && wasted >= leastWasted)) continue;
    [best, mostShown, leastWasted] = [candidate, shown, wasted];
  }
  return best;
}

function shownPixels(width: number, height: number, [w, h]: Resolution): number {
  const scale = Math.min(w / width, h / height);
  const fitted = Math.trunc(width * scale) * Math.trunc(height * scale);
  return Math.min(fitted, width * height);
}
