import { expectInteger } from "../expect.ts";

/**
 * YOPO: which rows of an image of `height` lines of `width` rows attend to each other: those at most
 * `reach` lines and columns apart, before and after. A window of 5 by 5 is a reach of 2. What an
 * `ImageEffort` with this `reach` does, for reference and for counting.
 *
 * @returns `[n, n]`, 1 where row `i` sees row `j`, `n = width · height`.
 * @throws `InferenceError` `range` for what is no count.
 * @see Zhang et al., arXiv:2410.06169, ZhangAIPI/YOPO_MLLM_Pruning
 */
export function neighborMask(width: number, height: number, reach: number): Uint8Array {
  checkGrid(width, height, reach);
  const n = width * height;
  const mask = new Uint8Array(n * n);
  for (let i = 0; i < n; i++) {
    const [line, column] = [Math.floor(i / width), i % width];
    const last = Math.min(height - 1, line + reach);
    for (let other = Math.max(0, line - reach); other <= last; other++) {
      const from = i * n + other * width;
      mask.fill(1, from + Math.max(0, column - reach), from + Math.min(width, column + reach + 1));
    }
  }
  return mask;
}

/** How many pairs a {@link neighborMask} has, counted by line and column. */
export function countNeighbors(width: number, height: number, reach: number): number {
  checkGrid(width, height, reach);
  const along = (length: number): number => {
    let pairs = 0;
    for (let i = 0; i < length; i++) {
      pairs += Math.min(length - 1, i + reach) - Math.max(0, i - reach) + 1;
    }
    return pairs;
  };
  return along(width) * along(height);
}

function checkGrid(width: number, height: number, reach: number): void {
  expectInteger("width", width, 1);
  expectInteger("height", height, 1);
  expectInteger("reach", reach, 0);
}
