import type { LayerRange } from "../graph/decoder.ts";
import type { ModelConfig } from "../load/model-config.ts";

/** What of a model a graph holds, beside the final norm and the head (without `range.head`: false). */
export interface ModelPart {
  readonly range: LayerRange;
  /** Whether it begins with the table of embeddings; otherwise it takes hidden states only. */
  readonly tokens: boolean;
}

/** All of a model. */
export function wholeModel({ layers }: ModelConfig): ModelPart {
  return { range: { from: 0, to: layers }, tokens: true };
}

/** A range of a model's layers. */
export function layersOf(range: LayerRange): ModelPart {
  return { range, tokens: range.from === 0 };
}
