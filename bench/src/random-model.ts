import { mkdir, open, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { philox } from "@frugal/core";

/** Dimensions of a Llama-layout model. */
export interface Shape {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly vocabSize: number;
  readonly maxLength: number;
}

/** The shape of SmolLM2-135M, with room for long contexts. */
export const shape135M: Shape = {
  hiddenSize: 576,
  intermediateSize: 1536,
  layers: 30,
  heads: 9,
  kvHeads: 3,
  vocabSize: 49_152,
  maxLength: 65_536,
};

/** The shape of Qwen2.5-0.5B, without its biases and with a smaller vocabulary. */
export const shape500M: Shape = {
  hiddenSize: 896,
  intermediateSize: 4864,
  layers: 24,
  heads: 14,
  kvHeads: 2,
  vocabSize: 32_000,
  maxLength: 32_768,
};

/** Writes a model of random weights as Hugging Face would lay it out, unless it is there. */
export async function writeRandomModel(folder: string, shape: Shape): Promise<void> {
  await writeRandomCheckpoint(folder, llamaTensors(shape), configOf(shape));
}

/**
 * Writes `config.json` and bfloat16 weights, unless they are there: ones for vectors, which are norms
 * and biases, and noise for everything else.
 *
 * The weights come from a table of a million seeded numbers that every tensor reads from another
 * place: random enough to time, fast enough to write.
 */
export async function writeRandomCheckpoint(
  folder: string,
  tensors: readonly (readonly [name: string, dims: readonly number[]])[],
  config: Readonly<Record<string, unknown>>,
): Promise<void> {
  if (await stat(join(folder, "config.json")).catch(() => null)) return;
  await mkdir(folder, { recursive: true });
  const header: Record<string, unknown> = {};
  let at = 0;
  for (const [name, dims] of tensors) {
    const length = 2 * dims.reduce((product, n) => product * n, 1);
    header[name] = { dtype: "BF16", shape: dims, data_offsets: [at, at + length] };
    at += length;
  }
  const json = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(json.length));

  const table = randomTable();
  const file = await open(join(folder, "model.safetensors"), "w");
  await file.writeFile(prefix);
  await file.writeFile(json);
  for (const [name, dims] of tensors) {
    const length = dims.reduce((product, n) => product * n, 1);
    if (dims.length === 1) await file.writeFile(new Uint16Array(length).fill(0x3f80));
    else await writeNoise(file, table, length, name.length * 7919);
  }
  await file.close();
  await writeFile(join(folder, "config.json"), JSON.stringify(config, null, 2));
}

function llamaTensors(shape: Shape): [string, number[]][] {
  const { hiddenSize: h, intermediateSize: f } = shape;
  const kv = (h / shape.heads) * shape.kvHeads;
  const layers = Array.from({ length: shape.layers }, (_, l): [string, number[]][] => [
    [`model.layers.${l}.self_attn.q_proj.weight`, [h, h]],
    [`model.layers.${l}.self_attn.k_proj.weight`, [kv, h]],
    [`model.layers.${l}.self_attn.v_proj.weight`, [kv, h]],
    [`model.layers.${l}.self_attn.o_proj.weight`, [h, h]],
    [`model.layers.${l}.mlp.gate_proj.weight`, [f, h]],
    [`model.layers.${l}.mlp.up_proj.weight`, [f, h]],
    [`model.layers.${l}.mlp.down_proj.weight`, [h, f]],
    [`model.layers.${l}.input_layernorm.weight`, [h]],
    [`model.layers.${l}.post_attention_layernorm.weight`, [h]],
  ]);
  return [
    ["model.embed_tokens.weight", [shape.vocabSize, h]],
    ...layers.flat(),
    ["model.norm.weight", [h]],
  ];
}

/** A million bfloat16 numbers, uniform with the deviation 0.02 of an initialised model. */
function randomTable(): Uint16Array {
  const random = philox(1);
  const values = Float32Array.from(
    { length: 1 << 20 },
    (_, i) => (random.uniform(i) - 0.5) * 2 * 0.02 * Math.sqrt(3),
  );
  const words = new Uint32Array(values.buffer);
  return Uint16Array.from(words, (word) => word >>> 16);
}

async function writeNoise(
  file: { writeFile(data: Uint16Array): Promise<void> },
  table: Uint16Array,
  length: number,
  start: number,
): Promise<void> {
  let from = start % table.length;
  for (let left = length; left > 0; from = 0) {
    const part = table.subarray(from, Math.min(table.length, from + left));
    await file.writeFile(part);
    left -= part.length;
  }
}

function configOf(shape: Shape): Record<string, unknown> {
  return {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    vocab_size: shape.vocabSize,
    hidden_size: shape.hiddenSize,
    intermediate_size: shape.intermediateSize,
    num_hidden_layers: shape.layers,
    num_attention_heads: shape.heads,
    num_key_value_heads: shape.kvHeads,
    hidden_act: "silu",
    max_position_embeddings: shape.maxLength,
    rms_norm_eps: 1e-5,
    rope_theta: 10_000,
    tie_word_embeddings: true,
    eos_token_id: 0,
    torch_dtype: "bfloat16",
  };
}
