import { InferenceError } from "@frugal/core";

import { parseModelConfig } from "../load/config.ts";
import { describeValue } from "../load/describe-value.ts";
import type { Json } from "../load/json-fields.ts";
import type { ModelConfig } from "../load/model-config.ts";
import type { Weight, WeightMap } from "../weights/weight-map.ts";
import { type CheckpointStreams, readWhole } from "../weights/write-checkpoint.ts";
import { type GgufBlockType, ggufBlocks } from "./gguf-blocks.ts";

/** The directory of a GGUF file, as `gguf()` of `@huggingface/gguf` returns it. */
export interface GgufFile {
  /** Keys such as `general.architecture` to plain values. */
  readonly metadata: object;
  readonly tensorInfos: readonly {
    readonly name: string;
    /** Innermost dimension first. */
    readonly shape: readonly (bigint | number)[];
    /** Number of the type in ggml. */
    readonly dtype: number;
    /** From {@link GgufFile.tensorDataOffset}. */
    readonly offset: bigint | number;
  }[];
  readonly tensorDataOffset: bigint | number;
}

/** A decoder in a GGUF file. */
export interface GgufModel {
  readonly config: ModelConfig;
  /** The `config.json` that says the same. */
  readonly json: Json;
  /** Under the names of a checkpoint of transformers; types are those of ggml. */
  readonly weights: WeightMap;
  /** Names of the weights whose rows are in the order of llama.cpp's rotary embedding. */
  readonly interleaved: ReadonlySet<string>;
}

const types: ReadonlyMap<number, string> = /* @__PURE__ */ new Map([
  [0, "F32"],
  [1, "F16"],
  [2, "Q4_0"],
  [8, "Q8_0"],
  [12, "Q4_K"],
  [14, "Q6_K"],
  [30, "BF16"],
]);

const divisorsName = "rope_freqs.weight";

const outside: ReadonlyMap<string, string> = /* @__PURE__ */ new Map([
  ["token_embd", "model.embed_tokens"],
  ["output_norm", "model.norm"],
  ["output", "lm_head"],
]);

const inside: ReadonlyMap<string, string> = /* @__PURE__ */ new Map([
  ["attn_norm", "input_layernorm"],
  ["attn_q", "self_attn.q_proj"],
  ["attn_k", "self_attn.k_proj"],
  ["attn_v", "self_attn.v_proj"],
  ["attn_output", "self_attn.o_proj"],
  ["attn_q_norm", "self_attn.q_norm"],
  ["attn_k_norm", "self_attn.k_norm"],
  ["ffn_norm", "post_attention_layernorm"],
  ["ffn_gate", "mlp.gate_proj"],
  ["ffn_up", "mlp.up_proj"],
  ["ffn_down", "mlp.down_proj"],
]);

/**
 * Reads configuration and weights of a Llama, Qwen2 or Qwen3 from the directory of a GGUF file that
 * lies at `location`; `read` is asked for a few bytes only. {@link convertGguf} makes a checkpoint of
 * it.
 *
 * @throws {@link InferenceError} `unsupported` for another architecture, rotary scaling, type or
 *   tensor; `format` for metadata that are missing or of the wrong type. Messages name the key.
 */
export async function readGguf(
  file: GgufFile,
  location: string,
  read: CheckpointStreams["read"],
): Promise<GgufModel> {
  const metadata = file.metadata as Readonly<Record<string, unknown>>;
  const architecture = metadata["general.architecture"];
  if (architecture !== "llama" && architecture !== "qwen2" && architecture !== "qwen3") {
    throw new InferenceError(
      "unsupported",
      `general.architecture: expected llama, qwen2 or qwen3, got ${describeValue(architecture)}`,
    );
  }
  const weights = new Map<string, Weight>();
  const interleaved = new Set<string>();
  let divisors: readonly number[] | null = null;
  for (const info of file.tensorInfos) {
    const weight = weightOf(info, Number(file.tensorDataOffset), location);
    if (info.name === divisorsName) {
      divisors = await readDivisors(weight, read);
      continue;
    }
    const name = nameOf(info.name);
    weights.set(name, weight);
    if (architecture === "llama" && /\.self_attn\.[qk]_proj\./.test(name)) interleaved.add(name);
  }
  const json = configOf(metadata, architecture, weights, divisors);
  return { config: parseModelConfig(json), json, weights, interleaved };
}

function nameOf(name: string): string {
  const [, layer, module, part] = /^(?:blk\.(\d+)\.)?(\w+)\.(weight|bias)$/.exec(name) ?? [];
  const known = (layer === undefined ? outside : inside).get(module ?? "");
  // The experts of mixtures end here, among others.
  if (known === undefined) throw new InferenceError("unsupported", `${name}: an unknown tensor`);
  return layer === undefined ? `${known}.${part}` : `model.layers.${layer}.${known}.${part}`;
}

function weightOf(
  { name, shape: inner, dtype: number, offset }: GgufFile["tensorInfos"][number],
  start: number,
  location: string,
): Weight {
  const dtype = types.get(number);
  if (dtype === undefined) {
    const known = [...types.values()].join(", ");
    throw new InferenceError(
      "unsupported",
      `${name}: expected one of ${known}, got type ${number}`,
    );
  }
  const shape = inner.map(Number).reverse();
  const size = shape.reduce((product, dim) => product * dim, 1);
  const isBlocks = Object.hasOwn(ggufBlocks, dtype);
  const { weights, bytes } = isBlocks
    ? ggufBlocks[dtype as GgufBlockType]
    : { weights: 1, bytes: dtype === "F32" ? 4 : 2 };
  if (shape.at(-1)! % weights !== 0) {
    const message = `${name}: expected rows of whole blocks of ${weights}, got ${shape.at(-1)}`;
    throw new InferenceError("format", message);
  }
  return {
    dtype,
    shape,
    offset: start + Number(offset),
    length: (size / weights) * bytes,
    location,
  };
}

/** The divisors of the rotary frequencies, which Llama 3.1 and its followers have. */
async function readDivisors(
  weight: Weight,
  read: CheckpointStreams["read"],
): Promise<readonly number[]> {
  if (weight.dtype !== "F32") {
    const message = `${divisorsName}: expected F32, got ${weight.dtype}`;
    throw new InferenceError("unsupported", message);
  }
  const bytes = (await readWhole(read, divisorsName, weight)).slice();
  return Array.from(new Float32Array(bytes.buffer));
}

function configOf(
  metadata: Readonly<Record<string, unknown>>,
  architecture: string,
  weights: WeightMap,
  divisors: readonly number[] | null,
): Json {
  const value = (key: string): unknown => {
    const found = metadata[`${architecture}.${key}`];
    return typeof found === "bigint" ? Number(found) : found;
  };
  const scaling = value("rope.scaling.type") ?? "none";
  if (scaling !== "none" && scaling !== "linear") {
    throw new InferenceError(
      "unsupported",
      `${architecture}.rope.scaling.type: expected none or linear, got ${describeValue(scaling)}`,
    );
  }
  if (scaling === "linear" && divisors !== null) {
    throw new InferenceError("unsupported", `${divisorsName}: with linear scaling`);
  }
  const factor = value("rope.scaling.factor");
  return {
    model_type: architecture,
    vocab_size: weights.get("model.embed_tokens.weight")?.shape[0],
    hidden_size: value("embedding_length"),
    intermediate_size: value("feed_forward_length"),
    num_hidden_layers: value("block_count"),
    num_attention_heads: value("attention.head_count"),
    num_key_value_heads: value("attention.head_count_kv") ?? value("attention.head_count"),
    head_dim: value("attention.key_length") ?? null,
    max_position_embeddings: value("context_length"),
    rms_norm_eps: value("attention.layer_norm_rms_epsilon"),
    rope_theta: value("rope.freq_base") ?? null,
    rope_scaling:
      scaling === "linear"
        ? { rope_type: "linear", factor }
        : divisors && { rope_type: "longrope", short_factor: divisors, attention_factor: 1 },
    tie_word_embeddings: !weights.has("lm_head.weight"),
    attention_bias: false,
    eos_token_id: eosOf(metadata["tokenizer.ggml.eos_token_id"]),
  };
}

function eosOf(value: unknown): unknown {
  return typeof value === "bigint" ? Number(value) : (value ?? null);
}
