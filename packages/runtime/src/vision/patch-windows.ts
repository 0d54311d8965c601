import { masked } from "../sequence/kv-store.ts";
import type { PatchGrid } from "./patch-rotation.ts";

/** The patches of one frame by windows. */
export interface PatchWindows {
  /** Patch in every place of every window, `[windows * size]`; patch 0 in places that are left over. */
  readonly rows: Int32Array;
  /** Place of every patch. */
  readonly slots: Int32Array;
  /** Hides what is left over, `[windows, size, size]`. */
  readonly bias: Float32Array;
}

/**
 * Cuts a frame into squares of `side` x `side` patches, smaller at its right and lower edge. Patches come
 * square by square of `merge` x `merge`, row by row within each; `side` is a multiple of `merge`.
 */
export function cutWindows(
  [, height, width]: PatchGrid,
  merge: number,
  side: number,
): PatchWindows {
  const size = side * side;
  const across = Math.ceil(width / side);
  const windows = Math.ceil(height / side) * across;
  const rows = new Int32Array(windows * size);
  const slots = new Int32Array(height * width);
  const filled = new Int32Array(windows);
  for (let patch = 0; patch < slots.length; patch++) {
    const square = Math.floor(patch / merge ** 2);
    const cell = patch % merge ** 2;
    const row = Math.floor(square / (width / merge)) * merge + Math.floor(cell / merge);
    const col = (square % (width / merge)) * merge + (cell % merge);
    const window = Math.floor(row / side) * across + Math.floor(col / side);
    const slot = window * size + filled[window]!++;
    rows[slot] = patch;
    slots[patch] = slot;
  }
  const bias = new Float32Array(windows * size * size);
  for (let line = 0; line < windows * size; line++) {
    const used = filled[Math.floor(line / size)]!;
    bias.fill(masked, line * size + used, (line + 1) * size);
  }
  return { rows, slots, bias };
}
