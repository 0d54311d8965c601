import { InferenceError } from "@frugal/core";

import { expectAscending, expectInteger } from "../expect.ts";
import {
  type Grid,
  type PlacedPrompt,
  placePrompt,
  type PositionScheme,
  type VisualRun,
} from "./place-prompt.ts";

/** An image, tile or video of a prompt, and what stays of it. */
export interface PlannedImage {
  /** Feature rows before pruning; the prompt has as many placeholders for it. */
  readonly rows: number;
  /** The rows that stay, ascending; for merged rows, the row whose position the result takes. */
  readonly keep: Uint32Array;
  /** Its cells before pruning, for positions of kind `grid`. */
  readonly grid?: Grid;
}

/** Options of {@link planSequence}. */
export interface PlanSequenceOptions {
  /** The id that stands for a feature row. */
  readonly placeholder: number;
  readonly positions: PositionScheme;
}

/** A pruned prompt with everything that must shrink together. */
export interface SequencePlan {
  /** The ids that stay: all text, and a placeholder per feature row that stays. */
  readonly ids: Uint32Array;
  /** For every id that stays, its index in the unpruned prompt. */
  readonly source: Uint32Array;
  /** For every id that stays, its row among the kept rows of all images, or -1 for text. */
  readonly featureRow: Int32Array;
  /** Ones, as many as ids: removed tokens are gone and not masked. */
  readonly attentionMask: Uint8Array;
  /** `axes` times the number of ids, one axis after the other. */
  readonly positions: Int32Array;
  readonly axes: 1 | 3;
  /** Positions are in units of one over this: 256 for fractional ones, else 1. */
  readonly unitsPerPosition: 1 | 256;
  /** The position, in whole numbers, of the first generated token. */
  readonly nextPosition: number;
  /**
   * What a decoder must add to its cache length to get that position. It differs from that of the
   * unpruned prompt by the number of removed tokens, and must replace it.
   */
  readonly ropeDelta: number;
}

/**
 * Removes from a prompt what was removed from its images, and keeps ids, features, mask and
 * positions in step.
 *
 * Images take the placeholders in order; markers and text between them stay. Kept tokens keep the
 * positions that they have in the unpruned prompt, unless a `linear` scheme says `compact`.
 *
 * _Cost_: O(ids).
 *
 * @throws {@link InferenceError} `shape` if placeholders and rows differ in number or a grid does
 *   not fit; `format` if an image with a grid is not one run; `range` for indices out of order.
 * @see `docs/algorithms/sequence-plans.md`
 */
export function planSequence(
  ids: Uint32Array,
  images: readonly PlannedImage[],
  { placeholder, positions: scheme }: PlanSequenceOptions,
): SequencePlan {
  const places = placesOf(ids, placeholder);
  const starts = startsOf(images, places.length);
  const placed = placePrompt(ids.length, runsOf(images, starts, places, scheme), scheme);
  const featureOf = new Int32Array(ids.length).fill(-1);
  for (const place of places) featureOf[place] = -2;
  let rows = 0;
  for (const [i, { keep }] of images.entries()) {
    for (const row of keep) featureOf[places[starts[i]! + row]!] = rows++;
  }
  const source = Uint32Array.from(ids.keys()).filter((i) => featureOf[i] !== -2);
  const compact = scheme.kind === "linear" && scheme.compact === true;
  const removed = ids.length - source.length;
  const nextPosition = compact ? placed.next - removed : placed.next;
  return {
    ids: source.map((i) => ids[i]!),
    source,
    featureRow: Int32Array.from(source, (i) => featureOf[i]!),
    attentionMask: new Uint8Array(source.length).fill(1),
    positions: compact ? placed.positions.slice(0, source.length) : gather(placed, source),
    axes: placed.axes,
    unitsPerPosition: placed.unitsPerPosition,
    nextPosition,
    ropeDelta: nextPosition - source.length,
  };
}

function placesOf(ids: Uint32Array, placeholder: number): Uint32Array {
  return Uint32Array.from(ids.keys()).filter((i) => ids[i] === placeholder);
}

/** Which of the placeholders is the first of each image. */
function startsOf(images: readonly PlannedImage[], placeholders: number): number[] {
  let total = 0;
  const starts = images.map(({ rows, keep }) => {
    expectInteger("rows", rows, 0);
    expectAscending("keep", keep, rows);
    total += rows;
    return total - rows;
  });
  if (total === placeholders) return starts;
  throw new InferenceError(
    "shape",
    `images: expected as many rows as placeholders (${placeholders}), got ${total}`,
  );
}

/** Contiguous runs of placeholders. Tiles may be apart, but a grid is in one piece. */
function runsOf(
  images: readonly PlannedImage[],
  starts: readonly number[],
  places: Uint32Array,
  scheme: PositionScheme,
): VisualRun[] {
  if (scheme.kind !== "grid") return contiguousRuns(places);
  return images.flatMap(({ rows, grid }, i) => {
    if (rows === 0) return [];
    const start = places[starts[i]!]!;
    if (places[starts[i]! + rows - 1] !== start + rows - 1) {
      throw new InferenceError("format", `ids: expected image ${i} in one run, got text within`);
    }
    return [{ start, rows, ...(grid && { grid }) }];
  });
}

function contiguousRuns(places: Uint32Array): VisualRun[] {
  const runs: { start: number; rows: number }[] = [];
  for (const place of places) {
    const run = runs.at(-1);
    if (run !== undefined && run.start + run.rows === place) run.rows++;
    else runs.push({ start: place, rows: 1 });
  }
  return runs;
}

function gather({ positions, axes }: PlacedPrompt, source: Uint32Array): Int32Array {
  const length = positions.length / axes;
  const out = new Int32Array(axes * source.length);
  for (let axis = 0; axis < axes; axis++) {
    for (let i = 0; i < source.length; i++) {
      out[axis * source.length + i] = positions[axis * length + source[i]!]!;
    }
  }
  return out;
}
