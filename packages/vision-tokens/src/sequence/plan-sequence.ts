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
  /** How many ids right before and right after its placeholders mark it, for `dropEmptyImages`. */
  readonly markers?: { readonly before: number; readonly after: number };
}

/** Options of {@link planSequence}. */
export interface PlanSequenceOptions {
  /** The id that stands for a feature row. */
  readonly placeholder: number;
  readonly positions: PositionScheme;
  /**
   * Whether an image of which nothing stays goes with its markers and all ids between its placeholders.
   * Default: they stay.
   */
  readonly dropEmptyImages?: boolean;
  /**
   * What the ids come after, in a conversation: the next position of what is cached, and how many tokens
   * are cached. They differ once something was removed. Default: nothing.
   */
  readonly after?: { readonly nextPosition: number; readonly cached: number };
}

/** A pruned prompt with everything that must shrink together. */
export interface SequencePlan {
  /** The ids that stay: all text, and a placeholder per feature row that stays. */
  readonly ids: Uint32Array;
  /** For every id that stays, its index in the unpruned prompt. */
  readonly source: Uint32Array;
  /** The ids that do not stay, in order. */
  readonly removed: Uint32Array;
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
 * Images take the placeholders in order; markers and text between them stay, unless an empty image is
 * dropped. Kept tokens keep the positions that they have in the unpruned prompt, unless a `linear` scheme
 * says `compact`.
 *
 * _Cost_: O(ids).
 *
 * @throws {@link InferenceError} `shape` if placeholders and rows differ in number or a grid does
 *   not fit; `format` if an image with a grid is not one run; `range` for indices out of order, or for
 *   markers that are missing or overlap others.
 * @see `docs/algorithms/sequence-plans.md`
 */
export function planSequence(
  ids: Uint32Array,
  images: readonly PlannedImage[],
  { placeholder, positions: scheme, dropEmptyImages = false, after }: PlanSequenceOptions,
): SequencePlan {
  const places = placesOf(ids, placeholder);
  const starts = startsOf(images, places.length);
  const runs = runsOf(images, starts, places, scheme);
  const placed = placePrompt(ids.length, runs, scheme, after?.nextPosition);
  const featureOf = new Int32Array(ids.length).fill(-1);
  for (const place of places) featureOf[place] = removed;
  let rows = 0;
  for (const [i, image] of images.entries()) {
    for (const row of image.keep) featureOf[places[starts[i]! + row]!] = rows++;
    if (dropEmptyImages && image.keep.length === 0 && image.rows > 0) {
      const own = places.subarray(starts[i], starts[i]! + image.rows);
      drop(featureOf, own, image.markers, ids.length);
    }
  }
  const all = Uint32Array.from(ids.keys());
  const source = all.filter((i) => featureOf[i] !== removed);
  const compact = scheme.kind === "linear" && scheme.compact === true;
  const gone = ids.length - source.length;
  const nextPosition = compact ? placed.next - gone : placed.next;
  return {
    ids: source.map((i) => ids[i]!),
    source,
    removed: ids.filter((_, i) => featureOf[i] === removed),
    featureRow: Int32Array.from(source, (i) => featureOf[i]!),
    attentionMask: new Uint8Array(source.length).fill(1),
    positions: compact ? placed.positions.slice(0, source.length) : gather(placed, source),
    axes: placed.axes,
    unitsPerPosition: placed.unitsPerPosition,
    nextPosition,
    ropeDelta: nextPosition - source.length - (after?.cached ?? 0),
  };
}

/** Stands for "does not stay" where otherwise the row of a feature is, or -1 for text. */
const removed = -2;

/** Removes all ids of an image, from its first marker to its last. */
function drop(
  featureOf: Int32Array,
  places: Uint32Array,
  markers: PlannedImage["markers"],
  length: number,
): void {
  if (markers === undefined) {
    throw new InferenceError("range", "markers: expected those of an empty image, got none");
  }
  expectInteger("markers.before", markers.before, 0, places[0]);
  expectInteger("markers.after", markers.after, 0, length - 1 - places.at(-1)!);
  const end = places.at(-1)! + markers.after;
  for (let i = places[0]! - markers.before; i <= end; i++) {
    if (featureOf[i]! >= 0) {
      throw new InferenceError("range", `markers: expected none of another image, got id ${i}`);
    }
    featureOf[i] = removed;
  }
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
