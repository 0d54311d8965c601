import type { ImageEffort, ImageRows } from "@frugal/core";

/** What of an `ImageEffort` concerns the rows of a chunk. */
export interface ChunkEffort {
  readonly effort: ImageEffort;
  /** 1 for the slots of images, up to and including those of the chunk. */
  readonly images: readonly number[];
}

/** Whether a row skips a part of a layer. */
export function skips(
  chunk: ChunkEffort | null,
  layer: number,
  part: "attention" | "mlp" | "block",
  slot: number,
): boolean {
  const plan = chunk?.effort.skips;
  if (!chunk || !plan?.layers.includes(layer)) return false;
  if (plan.part !== part && (part === "block" || plan.part !== "block")) return false;
  return plan.rows === "all" || chunk.images[slot] === 1;
}

/** Whether a head neither reads nor writes what stands for images. */
export function isBlind(chunk: ChunkEffort | null, layer: number, head: number): boolean {
  return chunk?.effort.heads?.[layer]?.[head] === 0;
}

/** Slots that a row sees: of its own image its neighbours, those behind it too. */
export function nearSlots(
  visible: Int32Array,
  row: number,
  start: number,
  spans: readonly ImageRows[],
  reach: number,
): Int32Array {
  const image = spans.find(({ from, to }) => row >= from && row < to);
  if (image === undefined) return visible;
  const { from, to, width = 1 } = image;
  const others = visible.filter((slot) => slot < start + from || slot >= start + to);
  const near: number[] = [];
  for (let other = from; other < to; other++) {
    const [a, b] = [row - from, other - from];
    const lines = Math.abs(Math.floor(a / width) - Math.floor(b / width));
    if (lines <= reach && Math.abs((a % width) - (b % width)) <= reach) near.push(start + other);
  }
  return Int32Array.from([...others, ...near]);
}
