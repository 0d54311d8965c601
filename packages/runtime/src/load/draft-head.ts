import { InferenceError } from "@frugal/core";

import { headProjection } from "../architectures/projections.ts";
import type { Weight, WeightMap } from "../weights/weight-map.ts";
import { parseModelConfig } from "./config.ts";
import { count, type Json, object } from "./json-fields.ts";
import type { FeatureConfig, ModelConfig, TensorNames } from "./model-config.ts";

/** A configuration and the tensors that go with it. */
export interface HeadParts {
  readonly config: ModelConfig;
  readonly weights: WeightMap;
}

/**
 * What kind of draft head a checkpoint holds, by the names of its tensors; null: none that is known.
 *
 * `"mtp"` is part of a model's own checkpoint: the layer after its last one.
 */
export function draftHeadKind(
  weights: WeightMap,
  targetLayers: number,
): "eagle" | "eagle3" | "mtp" | "medusa" | null {
  if (weights.has("midlayer.self_attn.q_proj.weight")) return "eagle3";
  if (weights.has("fc.weight") && weights.has("layers.0.self_attn.q_proj.weight")) return "eagle";
  if (weights.has(`model.layers.${targetLayers}.eh_proj.weight`)) return "mtp";
  return weights.has("0.0.linear.weight") ? "medusa" : null;
}

/**
 * Describes a draft head as a decoder of one layer: its configuration, and its tensors under the
 * names of other decoders, with those of the target that it shares.
 *
 * The tensors of both maps must be named by location so that they can be told apart. `vocabulary` is
 * that of {@link readDraftVocabulary}, for EAGLE-3.
 *
 * - EAGLE-1 and 2: `fc`, `layers.0.*` without a norm before the attention, maybe `embed_tokens`; the
 *   target's head reads the layer's output as it is.
 * - EAGLE-3: `fc`, `midlayer.*`, `norm`, `lm_head`, maybe `embed_tokens`; reads the inputs of the
 *   target's layers 2, `L / 2` and `L - 3`.
 * - Multi-token prediction, with DeepSeek's names: `model.layers.{L}.*` of the target's own checkpoint,
 *   in it `enorm`, `hnorm`, `eh_proj`, `shared_head` and maybe `embed_tokens`.
 *
 * @throws {@link InferenceError} `format` for a configuration that is malformed, `shape` for one that
 *   does not fit the target's, `unsupported` for several layers.
 * @see SafeAILab/EAGLE: eagle/model/cnets1.py, cnets.py; deepseek-ai/DeepSeek-V3: README_WEIGHTS.md
 */
export function describeDraftHead(
  kind: "eagle" | "eagle3" | "mtp",
  json: unknown,
  own: WeightMap,
  target: HeadParts,
  vocabulary: Uint32Array | null = null,
): HeadParts {
  const weights = renameHead(kind, own, target);
  const { layers, hiddenSize: width, vocabSize, eosIds } = target.config;
  const fields = object("config.json", json);
  const config = kind === "mtp" ? target.config : parseModelConfig(fields);
  if (kind !== "mtp") checkFit(kind, config, fields, target.config);
  const features: FeatureConfig = {
    reads: kind === "eagle3" ? [2, Math.floor(layers / 2), layers - 3] : ["final"],
    width,
    join: ({ eagle: "project", eagle3: "attend", mtp: "normalize" } as const)[kind],
    bias: weights.has("fc.bias"),
    vocabulary,
  };
  const hasBias = weights.has("model.layers.0.self_attn.q_proj.bias");
  return {
    config: {
      ...config,
      architecture: kind,
      vocabSize,
      eosIds,
      layers: 1,
      layerKinds: [config.layerKinds.at(-1)!],
      tieWordEmbeddings: false,
      biases: { ...config.biases, qkv: hasBias },
      names: headNames(kind, config.names),
      features,
    },
    weights,
  };
}

function checkFit(kind: string, config: ModelConfig, fields: Json, target: ModelConfig): void {
  if (config.layers !== 1) {
    const message = `config.json: num_hidden_layers: expected 1, got ${config.layers}`;
    throw new InferenceError("unsupported", message);
  }
  const width =
    kind === "eagle3" ? count(fields, "target_hidden_size", config.hiddenSize) : config.hiddenSize;
  for (const [field, got, expected] of [
    ["vocab_size", config.vocabSize, target.vocabSize],
    ["hidden_size", width, target.hiddenSize],
  ] as const) {
    if (got === expected) continue;
    throw new InferenceError(
      "shape",
      `config.json: ${field}: expected the target's ${expected}, got ${got}`,
    );
  }
}

function headNames(kind: "eagle" | "eagle3" | "mtp", names: TensorNames): TensorNames {
  const before = { eagle: null, eagle3: "hidden_norm", mtp: names.layer.beforeAttention }[kind];
  return {
    ...names,
    embedding: "model.embed_tokens",
    head: "lm_head",
    finalNorm: kind === "eagle" ? null : "model.norm",
    layers: "model.layers",
    layer: { ...names.layer, beforeAttention: before },
  };
}

/** The tensors under the names of a decoder of one layer. */
function renameHead(kind: string, own: WeightMap, { config, weights }: HeadParts): WeightMap {
  const renamed = new Map<string, Weight>();
  const share = (name: string, from: string): void => {
    const weight = weights.get(`${from}.weight`);
    if (weight !== undefined) renamed.set(`${name}.weight`, weight);
  };
  share("model.embed_tokens", config.names.embedding);
  if (kind !== "eagle3") share("lm_head", headProjection(config).name);
  const prefixes = {
    eagle: [["layers.", "model.layers."]],
    eagle3: [["midlayer.", "model.layers.0."]],
    mtp: mtpPrefixes(`${config.names.layers}.${config.layers}.`),
  }[kind as "eagle" | "eagle3" | "mtp"].concat([
    ["embed_tokens.", "model.embed_tokens."],
    ["norm.", "model.norm."],
    ["lm_head.", "lm_head."],
    ["fc.", "fc."],
  ]);
  for (const [name, weight] of own) {
    const rule = prefixes.find(([prefix]) => name.startsWith(prefix!));
    if (rule !== undefined) renamed.set(rule[1]! + name.slice(rule[0]!.length), weight);
  }
  return renamed;
}

/** The longest prefixes first: the rest of the layer's tensors are those of any other layer. */
function mtpPrefixes(layer: string): string[][] {
  return [
    [`${layer}embed_tokens.`, "model.embed_tokens."],
    [`${layer}shared_head.norm.`, "model.norm."],
    [`${layer}shared_head.head.`, "lm_head."],
    ...["enorm", "hnorm", "eh_proj"].map((name) => [`${layer}${name}.`, `${name}.`]),
    [layer, "model.layers.0."],
  ];
}

/**
 * The target's ids that an EAGLE-3 head has logits for: `i + d2t[i]`, from the bytes of `d2t`.
 *
 * @throws {@link InferenceError} `format` for ids that do not ascend or lie outside the vocabulary.
 */
export function readDraftVocabulary(bytes: Uint8Array, vocabSize: number): Uint32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const ids = new Uint32Array(bytes.length / 8);
  for (let i = 0; i < ids.length; i++) {
    const id = i + Number(view.getBigInt64(8 * i, true));
    const least = i === 0 ? 0 : ids[i - 1]! + 1;
    if (!(id >= least && id < vocabSize)) {
      const expected = `an id in [${least}, ${vocabSize})`;
      throw new InferenceError("format", `d2t[${i}]: expected ${expected}, got ${id}`);
    }
    ids[i] = id;
  }
  return ids;
}
