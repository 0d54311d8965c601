import { InferenceError } from "@frugal/core";

import { expectInteger } from "../expect.ts";

/** The cells that the rows of an image or a video stand for, in raster order, frames outermost. */
export interface Grid {
  readonly t: number;
  readonly h: number;
  readonly w: number;
  /** How far the temporal position moves from frame to frame, truncated to integers. Default 1. */
  readonly frameStep?: number;
}

/**
 * How a model numbers positions.
 *
 * - `linear`: one number per token from `start` (default 0; some models begin at 1; only read where a
 *   prompt comes after nothing). With `compact`
 *   what was removed leaves no gap: only for models that were made for it.
 * - `grid`: M-RoPE of Qwen-VL, three numbers per token: frame, row and column within an image, three
 *   times the same in text.
 * - `fractional`: V2PE, where a visual token advances the position by `step / 256`.
 */
export type PositionScheme =
  | { readonly kind: "linear"; readonly start?: number; readonly compact?: boolean }
  | { readonly kind: "grid" }
  | { readonly kind: "fractional"; readonly step: number };

/** Where a run of placeholders stands in the unpruned prompt. */
export interface VisualRun {
  readonly start: number;
  readonly rows: number;
  readonly grid?: Grid;
}

/** Positions of an unpruned prompt. */
export interface PlacedPrompt {
  /** 3 for `grid`, else 1. */
  readonly axes: 1 | 3;
  /** `axes` times `length` numbers, one axis after the other, in units of `1 / unitsPerPosition`. */
  readonly positions: Int32Array;
  /** 256 for `fractional`, else 1. Exact, where sums of fractions in float would not be. */
  readonly unitsPerPosition: 1 | 256;
  /** The position, in whole numbers, of what comes after the prompt. */
  readonly next: number;
}

/**
 * Gives every token of an unpruned prompt its position.
 *
 * @param runs the placeholders, ascending and apart.
 * @param first the position of the first id, if it comes after others.
 * @throws {@link InferenceError} `shape` if a run has no grid or another number of cells than rows;
 *   `range` for a bad step; `unsupported` for a `fractional` prompt that begins with an image.
 * @see `docs/algorithms/sequence-plans.md`
 */
export function placePrompt(
  length: number,
  runs: readonly VisualRun[],
  scheme: PositionScheme,
  first?: number,
): PlacedPrompt {
  if (first !== undefined) expectInteger("nextPosition", first, 0);
  if (scheme.kind === "grid") return placeOnGrid(length, runs, first);
  if (scheme.kind === "fractional") return placeFractional(length, runs, scheme.step, first);
  const start = first ?? scheme.start ?? 0;
  expectInteger("start", start, 0);
  const positions = Int32Array.from({ length }, (_, i) => start + i);
  return { axes: 1, positions, unitsPerPosition: 1, next: start + length };
}

function placeOnGrid(length: number, runs: readonly VisualRun[], first = 0): PlacedPrompt {
  const positions = new Int32Array(3 * length);
  let next = first;
  let at = 0;
  const put = (t: number, h: number, w: number): void => {
    positions[at] = t;
    positions[length + at] = h;
    positions[2 * length + at++] = w;
  };
  const putText = (count: number): void => {
    for (let i = 0; i < count; i++, next++) put(next, next, next);
  };
  for (const { start, rows, grid } of runs) {
    putText(start - at);
    const { t, h, w, frameStep } = expectGrid(grid, rows);
    for (let i = 0; i < rows; i++) {
      const frame = Math.trunc(Math.floor(i / (h * w)) * frameStep);
      put(next + frame, next + (Math.floor(i / w) % h), next + (i % w));
    }
    if (rows > 0) next += Math.max(Math.trunc((t - 1) * frameStep) + 1, h, w);
  }
  putText(length - at);
  return { axes: 3, positions, unitsPerPosition: 1, next };
}

function expectGrid(grid: Grid | undefined, rows: number): Required<Grid> {
  if (grid === undefined)
    throw new InferenceError("shape", "grid: expected one per image, got none");
  const { t, h, w, frameStep = 1 } = grid;
  if (t * h * w !== rows) {
    throw new InferenceError("shape", `grid: expected ${rows} cells, got ${t} x ${h} x ${w}`);
  }
  if (!(frameStep >= 0 && frameStep < Infinity)) {
    throw new InferenceError("range", `frameStep: expected a number >= 0, got ${frameStep}`);
  }
  return { t, h, w, frameStep };
}

function placeFractional(
  length: number,
  runs: readonly VisualRun[],
  step: number,
  first = 0,
): PlacedPrompt {
  expectInteger("step", step, 1, 256);
  if (first === 0 && runs[0]?.start === 0) {
    throw new InferenceError("unsupported", "ids: expected text before the first image, got none");
  }
  const positions = new Int32Array(length);
  let last = 256 * (first - 1);
  let at = 0;
  const putText = (end: number): void => {
    for (; at < end; at++) positions[at] = last = 256 * (Math.ceil(last / 256) + 1);
  };
  for (const { start, rows } of runs) {
    putText(start);
    for (const end = start + rows; at < end; at++) positions[at] = last += step;
  }
  putText(length);
  return { axes: 1, positions, unitsPerPosition: 256, next: Math.ceil(last / 256) + 1 };
}
