import { InferenceError } from "@frugal/core";

import { headProjection } from "../architectures/projections.ts";
import type { Weight, WeightMap } from "../weights/weight-map.ts";
import type { HeadParts } from "./draft-head.ts";
import { count, object } from "./json-fields.ts";

/** What the graph needs to know of Medusa heads. */
export interface MedusaConfig {
  readonly heads: number;
  /** Residual blocks of each head. */
  readonly blocks: number;
  readonly hiddenSize: number;
  readonly vocabSize: number;
  /** Name of the one projection to the vocabulary, or null where every head has its own. */
  readonly sharedHead: string | null;
}

/**
 * Describes Medusa heads for a target: their configuration, and their tensors with the target's head
 * among them where it serves all of them.
 *
 * Tensors of head `k`: `{k}.{i}.linear.weight` and `.bias` of block `i`, and `{k}.{blocks}.weight` of the
 * projection; without the latter the target's head is meant, which the configuration may say as
 * `original_lm_head`. Sizes are the target's: the published files do not state them.
 *
 * @throws {@link InferenceError} `format` for a configuration that is malformed or promises more heads
 *   than there are.
 */
export function describeMedusa(
  json: unknown,
  own: WeightMap,
  target: HeadParts,
): { readonly config: MedusaConfig; readonly weights: WeightMap } {
  const fields = object("config.json", json);
  let stored = 0;
  while (own.has(`${stored}.0.linear.weight`)) stored++;
  const heads = count(fields, "medusa_num_heads", stored);
  const blocks = count(fields, "medusa_num_layers", 1);
  if (heads > stored) {
    const message = `config.json: medusa_num_heads: expected at most the ${stored} stored, got ${heads}`;
    throw new InferenceError("format", message);
  }
  const weights = new Map<string, Weight>(own);
  const isShared = !own.has(`0.${blocks}.weight`);
  const head = target.weights.get(`${headProjection(target.config).name}.weight`);
  if (isShared && head !== undefined) weights.set("lm_head.weight", head);
  const { hiddenSize, vocabSize } = target.config;
  const sharedHead = isShared ? "lm_head" : null;
  return { config: { heads, blocks, hiddenSize, vocabSize, sharedHead }, weights };
}
