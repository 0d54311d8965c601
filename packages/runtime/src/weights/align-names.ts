import type { TensorNames } from "../load/model-config.ts";
import type { Weight, WeightMap } from "./weight-map.ts";

/**
 * The weights under the names that the configuration expects.
 *
 * The same decoder is saved with a prefix or without (`transformer.wte`, `wte`), and deeper where it
 * is part of a larger model (`language_model.model.embed_tokens`). The table of embeddings shows
 * which: what comes before its own name is the prefix of all. Weights that have the expected names,
 * or no such table or several, stay as they are; others than the decoder's keep their names.
 */
export function alignNames(weights: WeightMap, names: TensorNames): WeightMap {
  const expected = `${names.embedding}.weight`;
  if (weights.has(expected)) return weights;
  const own = expected.slice(expected.indexOf(".") + 1);
  const found = [...weights.keys()].filter((name) => name === own || name.endsWith(`.${own}`));
  if (found.length !== 1) return weights;
  const prefix = found[0]!.slice(0, -own.length);
  const base = expected.slice(0, -own.length);
  const head = `${names.head}.weight`;
  const aligned = new Map<string, Weight>();
  for (const [name, weight] of weights) {
    if (name.endsWith(head)) aligned.set(head, weight);
    else if (name.startsWith(prefix)) aligned.set(base + name.slice(prefix.length), weight);
    else aligned.set(name, weight);
  }
  return aligned;
}
