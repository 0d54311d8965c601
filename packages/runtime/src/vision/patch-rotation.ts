/** Frames, rows and columns of an image's patches. */
export type PatchGrid = readonly [frames: number, rows: number, cols: number];

/** Cosines and sines of the patches of a frame, `[rows * cols, 2 * frequencies]`. */
export interface PatchRotation {
  readonly cos: Float32Array;
  readonly sin: Float32Array;
}

/**
 * Rotary embedding of the patches of one frame: the first half of the pairs turns by the row, the second
 * by the column. Patches come square by square of `merge` x `merge`, row by row within each.
 *
 * @param dim channels of a head, a multiple of 4
 */
export function rotatePatches(
  [, rows, cols]: PatchGrid,
  merge: number,
  dim: number,
  theta: number,
): PatchRotation {
  const pairs = dim / 4;
  const frequencies = Float64Array.from(
    { length: pairs },
    (_, i) => theta ** ((-2 * i) / (dim / 2)),
  );
  const angles = new Float64Array(rows * cols * 2 * pairs);
  let at = 0;
  for (let top = 0; top < rows; top += merge) {
    for (let left = 0; left < cols; left += merge) {
      for (let cell = 0; cell < merge * merge; cell++) {
        const row = top + Math.floor(cell / merge);
        const col = left + (cell % merge);
        for (const place of [row, col]) {
          for (let i = 0; i < pairs; i++) angles[at++] = place * frequencies[i]!;
        }
      }
    }
  }
  return {
    cos: Float32Array.from(angles, Math.cos),
    sin: Float32Array.from(angles, Math.sin),
  };
}
