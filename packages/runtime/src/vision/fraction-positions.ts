import type { Size } from "../load/vision-config.ts";

/**
 * Which patches of an image hold a pixel that is no padding, `[rows * cols]` of 0 and 1.
 *
 * @param mask of the pixels, 0 where there is padding, `[height, width]`
 */
export function patchMask(
  mask: ArrayLike<number>,
  [height, width]: Size,
  [patchHeight, patchWidth]: Size,
): Uint8Array {
  const cols = Math.floor(width / patchWidth);
  const rows = Math.floor(height / patchHeight);
  const patches = new Uint8Array(rows * cols);
  for (let y = 0; y < rows * patchHeight; y++) {
    for (let x = 0; x < cols * patchWidth; x++) {
      if (mask[y * width + x] === 0) continue;
      patches[Math.floor(y / patchHeight) * cols + Math.floor(x / patchWidth)] = 1;
    }
  }
  return patches;
}

/**
 * The row of a table of `grid` positions for every patch of an image: how far down and right it lies
 * within the part that is no padding, in float32 as transformers computes it, since a boundary may be
 * missed by a rounding. Patches that are padding take row 0.
 *
 * @param mask of the patches, `[rows * cols]`; the first column says how many rows count, the first row
 *   how many columns
 */
export function fractionPositions(mask: Uint8Array, [rows, cols]: Size, grid: Size): Int32Array {
  let [countRows, countCols] = [0, 0];
  for (let row = 0; row < rows; row++) countRows += mask[row * cols]!;
  for (let col = 0; col < cols; col++) countCols += mask[col]!;
  const down = buckets(rows, countRows, grid[0]);
  const right = buckets(cols, countCols, grid[1]);
  return Int32Array.from(mask, (isImage, patch) =>
    isImage === 0 ? 0 : down[Math.floor(patch / cols)]! * grid[1] + right[patch % cols]!,
  );
}

/**
 * For `i / count` the number of boundaries `k / cells` that are not above it, of those inside (0, 1).
 * transformers adds boundaries up in vectors whose width depends on the machine, so that some tables
 * (of 19 or 25 cells, but none of 14 to 18, 24, 26, 27 or 32) can differ by a cell.
 */
function buckets(length: number, count: number, cells: number): Int32Array {
  const { fround } = Math;
  const step = fround(1 / count);
  const largest = fround(1 - 1e-6);
  return Int32Array.from({ length }, (_, i) => {
    const fraction = Math.min(fround(i * step), largest);
    let bucket = 0;
    while (bucket + 1 < cells && fround((bucket + 1) / cells) <= fraction) bucket++;
    return bucket;
  });
}
