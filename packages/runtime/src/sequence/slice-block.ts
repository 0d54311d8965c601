import type { Block } from "@frugal/core";

import { sliceFeatures } from "./feature-feeds.ts";

/** Rows `[from, to)` of a chain, as views. Unchecked: the rows are there. */
export function sliceBlock(block: Block, from: number, to: number): Block {
  const more = block.features && { features: sliceFeatures(block.features, from, to) };
  if (block.tokens !== undefined) return { tokens: block.tokens.subarray(from, to), ...more };
  const { cols, data } = block.embeddings!;
  return {
    ...more,
    embeddings: { data: data.subarray(from * cols, to * cols), rows: to - from, cols },
  };
}
