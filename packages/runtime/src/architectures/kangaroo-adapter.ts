import { InferenceError } from "@frugal/core";

import type { ModelConfig } from "../load/model-config.ts";
import type { WeightMap } from "../weights/weight-map.ts";

/**
 * The configuration of a Kangaroo adapter: sizes and rotary embedding from its own `config.json`, its
 * published tensor names, and the head of the model.
 *
 * @throws {@link InferenceError} `shape` if the two do not have the same width and vocabulary.
 * @see Equationliu/Kangaroo: kangaroo/adapter.py
 */
export function adapterConfig(adapter: ModelConfig, model: ModelConfig): ModelConfig {
  for (const size of ["hiddenSize", "vocabSize"] as const) {
    if (adapter[size] === model[size]) continue;
    const message = `adapter: expected a ${size} of ${model[size]}, got ${adapter[size]}`;
    throw new InferenceError("shape", message);
  }
  return {
    ...adapter,
    architecture: "kangaroo-adapter",
    intermediateSize: 0,
    eosIds: model.eosIds,
    logitCap: model.logitCap,
    maxLength: Math.min(adapter.maxLength, model.maxLength),
    tieWordEmbeddings: model.tieWordEmbeddings,
    names: {
      ...model.names,
      finalNorm: "norm",
      layers: "layers",
      layer: { ...adapter.names.layer, beforeMlp: null, afterMlp: null },
    },
  };
}

/** The tensors that `buildKangarooAdapter` reads: the adapter's, and the model's head. */
export function adapterWeights(
  adapter: WeightMap,
  model: WeightMap,
  { names }: ModelConfig,
): WeightMap {
  const heads = [`${names.embedding}.weight`, `${names.head}.weight`];
  const isHead = (name: string): boolean => heads.some((head) => name.startsWith(head));
  return new Map([...[...model].filter(([name]) => isHead(name)), ...adapter]);
}
