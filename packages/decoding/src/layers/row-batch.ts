import { type Block, type ImageRows, joinRows, type Matrix, pickRows } from "@frugal/core";

/** An image that rows belong to. */
export interface BatchImage {
  readonly rows: number;
  readonly width?: number;
}

/** Rows that go through a range of layers together; slots are those of the whole text. */
export interface RowBatch {
  /** Ascending. */
  readonly slots: readonly number[];
  /** Per row, the slot before it on its path; -1 for none. */
  readonly parents: readonly number[];
  /** Per row, its rotary position, of M-RoPE a triple. */
  readonly places: readonly (readonly number[])[];
  /** Per row, the image it belongs to; null for text. */
  readonly images: readonly (BatchImage | null)[];
  /** `[rows, hiddenSize]`. */
  readonly states: Matrix;
  /** Whether some row does not follow the one before it. */
  readonly isTree: boolean;
}

/** One batch after the other. */
export function joinBatches(a: RowBatch | null, b: RowBatch): RowBatch {
  if (a === null) return b;
  return {
    slots: [...a.slots, ...b.slots],
    parents: [...a.parents, ...b.parents],
    places: [...a.places, ...b.places],
    images: [...a.images, ...b.images],
    states: joinRows(a.states, b.states),
    isTree: a.isTree || b.isTree,
  };
}

/**
 * Some of the rows, by ascending indices. A row whose parent is not among them becomes a child of its
 * nearest ancestor that is.
 */
export function pickBatch(batch: RowBatch, rows: readonly number[]): RowBatch {
  if (rows.length === batch.slots.length) return batch;
  const nearest = new Map<number, number>();
  const kept = new Set(rows);
  const parents = batch.parents.map((parent) => parent);
  for (const [row, slot] of batch.slots.entries()) {
    const parent = parents[row]!;
    parents[row] = nearest.get(parent) ?? parent;
    if (!kept.has(row)) nearest.set(slot, parents[row]);
  }
  return {
    slots: rows.map((row) => batch.slots[row]!),
    parents: rows.map((row) => parents[row]!),
    places: rows.map((row) => batch.places[row]!),
    images: rows.map((row) => batch.images[row]!),
    states: pickRows(batch.states, rows),
    isTree: batch.isTree,
  };
}

/** What is left of a batch after slots moved, -1 where they went; null for nothing. */
export function keepOfBatch(batch: RowBatch, moved: Int32Array): RowBatch | null {
  const rows = batch.slots.flatMap((slot, row) => (moved[slot]! < 0 ? [] : [row]));
  if (rows.length === 0) return null;
  const kept = pickBatch(batch, rows);
  const place = (slot: number): number => {
    let at = slot;
    while (at >= 0 && moved[at]! < 0) at--;
    return at < 0 ? -1 : moved[at]!;
  };
  return { ...kept, slots: kept.slots.map(place), parents: kept.parents.map(place) };
}

/** The block of a batch for a range that holds the ascending slots `held`. */
export function blockOf(batch: RowBatch, held: readonly number[]): Block {
  const images = spansOf(batch);
  return {
    embeddings: batch.states,
    positions: positionsOf(batch),
    ...(images.length > 0 && { images }),
    ...(batch.isTree && { parents: parentsIn(batch, held) }),
  };
}

/** `Block.positions` of a batch: triples for all rows where some have them. */
function positionsOf({ places }: RowBatch): Int32Array {
  const axes = places.some((place) => place.length > 1) ? 3 : 1;
  const rows = places.length;
  return Int32Array.from({ length: axes * rows }, (_, i) => {
    const place = places[i % rows]!;
    return place[Math.floor(i / rows)] ?? place[0]!;
  });
}

/** `Block.parents` of a batch: rows of it, or held ones; where one is not held, the one before. */
function parentsIn({ slots, parents }: RowBatch, held: readonly number[]): Int32Array {
  const rows = new Map(slots.map((slot, row) => [slot, row]));
  return Int32Array.from(parents, (parent) => {
    const row = rows.get(parent);
    if (row !== undefined) return row;
    let at = held.length;
    while (at > 0 && held[at - 1]! > parent) at--;
    return at - 1 - held.length;
  });
}

/** The image of every row of a block, from its `images`. */
export function imagesOfRows(spans: readonly ImageRows[], rows: number): (BatchImage | null)[] {
  const images = Array.from({ length: rows }, (): BatchImage | null => null);
  for (const { from, to, width } of spans) {
    const image = { rows: to - from, ...(width !== undefined && { width }) };
    for (let row = from; row < to; row++) images[row] = image;
  }
  return images;
}

/** The spans of images in a batch; with their width where all of an image is there. */
function spansOf({ images }: RowBatch): ImageRows[] {
  const spans: ImageRows[] = [];
  for (let from = 0, to = 0; from < images.length; from = to) {
    const image = images[from]!;
    for (to = from + 1; to < images.length && images[to] === image; to++);
    if (image === null) continue;
    const { rows, width } = image;
    const isWhole = to - from === rows && width !== undefined;
    spans.push(isWhole ? { from, to, width } : { from, to });
  }
  return spans;
}
