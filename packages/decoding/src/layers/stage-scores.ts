import { type LayerStage, type Matrix, pickRows, type StageView } from "@frugal/core";

import type { RowBatch } from "./row-batch.ts";

/** Scores that one step of a range reported, and the slots of the text that they are about. */
export interface ScorePart {
  /** Slots of its rows, -1 where they are gone; the heads of logits follow each other. */
  readonly queries: readonly number[];
  /** Slots of its columns, the same. */
  readonly columns: readonly number[];
  readonly matrix: Matrix;
}

/**
 * Which rows of a block a stage wants the scores of.
 *
 * @param follows whether rows of images came in a block before.
 * @param isLast whether it is the block that wants logits.
 */
export function queryRows(
  stage: LayerStage | undefined,
  images: RowBatch["images"],
  follows: boolean,
  isLast: boolean,
): Uint32Array {
  const rows = Uint32Array.from(images, (_, row) => row);
  const first = follows ? 0 : images.findIndex((image) => image !== null);
  if (!stage?.reads || first < 0) return rows.subarray(0, 0);
  switch (stage.reads.queries) {
    case "last":
      return rows.subarray(isLast ? rows.length - 1 : rows.length);
    case "text":
      return rows.filter((row) => row >= first && images[row] === null);
    default:
      return rows;
  }
}

/** What a stage is shown of a batch that is about to enter its layer. */
export function viewOf(
  stage: LayerStage,
  batch: RowBatch,
  parts: readonly ScorePart[],
  total: number,
): StageView {
  const { reads } = stage;
  const rows = batch.images.map((_, row) => row);
  const images = rows.filter((row) => batch.images[row] !== null);
  const text = rows.filter((row) => row > images[0]! && batch.images[row] === null);
  const keys = reads?.keys === "all" ? rows : images;
  const columns = reads?.keys === "all" ? images : images.map((_, i) => i);
  const slots = keys.map((row) => batch.slots[row]!);
  return {
    // Most stages look at scores only.
    get states() {
      return pickRows(batch.states, images);
    },
    get text() {
      return pickRows(batch.states, text);
    },
    scores: reads && joinScores(parts, slots, reads.kind === "logits" ? -1e30 : 0),
    columns: Uint32Array.from(columns),
    total,
  };
}

/** Scores of all parts for the keys at `slots`; what a row does not see is `unseen`. */
function joinScores(parts: readonly ScorePart[], slots: readonly number[], unseen: number): Matrix {
  const heads = parts.length === 0 ? 1 : parts[0]!.matrix.rows / parts[0]!.queries.length;
  const asked = parts.reduce((sum, part) => sum + part.queries.filter(isThere).length, 0);
  const data = new Float32Array(heads * asked * slots.length).fill(unseen);
  const places = parts.map(({ columns }) => placesOf(slots, columns));
  let to = 0;
  for (let head = 0; head < heads; head++) {
    for (const [i, { matrix, queries }] of parts.entries()) {
      const from = places[i]!;
      for (const [row, slot] of queries.entries()) {
        if (!isThere(slot)) continue;
        const at = (head * queries.length + row) * matrix.cols;
        for (let key = 0; key < slots.length; key++, to++) {
          if (from[key]! >= 0) data[to] = matrix.data[at + from[key]!]!;
        }
      }
    }
  }
  return { data, rows: heads * asked, cols: slots.length };
}

function isThere(slot: number): boolean {
  return slot >= 0;
}

/** Where each of the ascending `slots` is in `columns`, which ascend but for -1; or -1. */
function placesOf(slots: readonly number[], columns: readonly number[]): Int32Array {
  const places = new Int32Array(slots.length).fill(-1);
  let at = 0;
  for (const [key, slot] of slots.entries()) {
    while (at < columns.length && columns[at]! < slot) at++;
    if (columns[at] === slot) places[key] = at;
  }
  return places;
}
