// Writes Llama decoders the way other tools export them, so that reading such graphs can be tested
// against the same weights in a graph of our own and in the reference transformer.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { GraphBuilder } from "../../../packages/runtime/src/graph/graph-builder.ts";
import { llamaConfigJson, type ReferenceConfig } from "./reference-config.ts";
import type { TensorMap } from "./reference-weights.ts";

/** How an export differs from others. */
export interface ExportStyle {
  /**
   * `concat`: attention in single operators over `concat(past, new)`, rotary positions and a mask
   * as inputs, as optimum does. `grouped`: one operator for all of it, without positions, as the
   * builder of onnxruntime-genai does. `bias`: as `concat`, with an additive mask instead.
   */
  readonly attention: "concat" | "grouped" | "bias";
  readonly type?: "float32" | "float16";
  /** Embeddings are looked up by another graph. */
  readonly split?: boolean;
  /** How many of the last rows get logits is an input. */
  readonly logitCount?: boolean;
  /** Weights lie in this file beside the graph. */
  readonly dataFile?: string;
  /** Projections in blocks by name, for graphs with a `dataFile`; the others are floats. */
  readonly blocks?: ReadonlyMap<string, BlockWeight>;
}

/** Weights of a projection as `MatMulNBits` takes them. */
export interface BlockWeight {
  readonly bits: number;
  readonly blockSize: number;
  readonly outputs: number;
  readonly inputs: number;
  /** `[outputs, blocks, blockSize * bits / 8]` */
  readonly quantized: Uint8Array;
  /** float32 `[outputs, blocks]` */
  readonly scales: Uint8Array;
}

/** The files of an export. */
export interface Export {
  readonly decoder: Uint8Array;
  readonly embedding: Uint8Array | null;
  readonly data: Uint8Array;
}

/** Writes the graphs. */
export function exportDecoder(
  config: ReferenceConfig,
  tensors: TensorMap,
  style: ExportStyle,
): Export {
  const weights = new Weights(tensors, style);
  const decoder = new Exporter(config, weights, style).build();
  return {
    decoder,
    embedding: style.split ? embeddingGraph(config, tensors) : null,
    data: weights.data(),
  };
}

/** Writes an export into a temporary folder, as optimum or as onnxruntime-genai lays it out. */
export async function writeExport(
  config: ReferenceConfig,
  tensors: TensorMap,
  style: ExportStyle,
  layout: "optimum" | "genai" = style.attention === "grouped" ? "genai" : "optimum",
): Promise<{ readonly folder: string; readonly remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "frugal-export-"));
  const stem = style.split ? "decoder_model_merged" : "model";
  const name = layout === "genai" ? "model.onnx" : `onnx/${stem}.onnx`;
  const dataFile = layout === "genai" ? `${name}.data` : `${stem}.onnx_data`;
  const named = style.dataFile === undefined ? style : { ...style, dataFile };
  const { decoder, embedding, data } = exportDecoder(config, tensors, named);
  await mkdir(join(folder, "onnx"));
  await writeFile(join(folder, name), decoder);
  if (data.length > 0) {
    await writeFile(join(folder, layout === "genai" ? dataFile : `onnx/${dataFile}`), data);
  }
  if (embedding !== null) await writeFile(join(folder, "onnx/embed_tokens.onnx"), embedding);
  const json = JSON.stringify(llamaConfigJson(config));
  await writeFile(join(folder, "config.json"), json);
  if (layout === "genai") {
    const text = JSON.stringify(genaiConfig(config, name));
    await writeFile(join(folder, "genai_config.json"), text);
  }
  return { folder, remove: () => rm(folder, { recursive: true }) };
}

function genaiConfig(config: ReferenceConfig, filename: string): object {
  return {
    model: {
      type: "llama",
      context_length: config.maxLength,
      vocab_size: config.vocabSize,
      eos_token_id: config.eosIds,
      decoder: {
        filename,
        head_size: config.headDim,
        hidden_size: config.hiddenSize,
        num_attention_heads: config.heads,
        num_key_value_heads: config.kvHeads,
        num_hidden_layers: config.layers,
        inputs: {
          input_ids: "input_ids",
          attention_mask: "attention_mask",
          past_key_names: "past_key_values.%d.key",
          past_value_names: "past_key_values.%d.value",
        },
        outputs: {
          logits: "logits",
          present_key_names: "present.%d.key",
          present_value_names: "present.%d.value",
        },
      },
    },
    search: { past_present_share_buffer: true },
  };
}

/** Constants of a graph, inside it or in a file of their own. */
class Weights {
  readonly #tensors: TensorMap;
  readonly #style: ExportStyle;
  readonly #stored = new Map<string, string>();
  readonly #chunks: Uint8Array[] = [];
  #length = 0;

  constructor(tensors: TensorMap, style: ExportStyle) {
    this.#tensors = tensors;
    this.#style = style;
  }

  constant(graph: GraphBuilder, name: string): string {
    const { data, shape } = this.#tensors.get(name)!;
    const stored = this.#stored.get(name) ?? this.#floats(graph, name, data, shape);
    this.#stored.set(name, stored);
    return stored;
  }

  /** The matrix with its sides exchanged: `MatMul` wants `[inputs, outputs]`. */
  turned(graph: GraphBuilder, name: string): string {
    const { data, shape } = this.#tensors.get(name)!;
    const [rows, cols] = shape as [number, number];
    const turned = new Float32Array(data.length);
    for (let row = 0; row < rows; row++) {
      for (let col = 0; col < cols; col++) turned[col * rows + row] = data[row * cols + col]!;
    }
    return this.#floats(graph, `${name}.T`, turned, [cols, rows]);
  }

  /** `x` times a projection in blocks; null where there is none of this name. */
  blockProduct(graph: GraphBuilder, x: string, name: string): string | null {
    const block = this.#style.blocks?.get(name);
    if (block === undefined) return null;
    const { bits, blockSize, inputs, outputs, quantized, scales } = block;
    const dims = [outputs, inputs / blockSize, (blockSize * bits) / 8];
    const weights = [
      this.#external(graph, `${name}.quantized`, "uint8", quantized, dims),
      this.#external(graph, `${name}.scales`, "float32", scales, [scales.length / 4]),
    ];
    return graph.node("MatMulNBits", [x, ...weights], {
      K: { int: inputs },
      N: { int: outputs },
      bits: { int: bits },
      block_size: { int: blockSize },
      accuracy_level: { int: 4 },
    });
  }

  #floats(graph: GraphBuilder, name: string, data: Float32Array, shape: readonly number[]): string {
    const { dataFile, type = "float32" } = this.#style;
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const stored =
      dataFile === undefined
        ? graph.floats(name, data, shape)
        : this.#external(graph, name, "float32", bytes, shape);
    return type === "float32" ? stored : graph.node("Cast", [stored], { to: { int: 10 } });
  }

  #external(
    graph: GraphBuilder,
    name: string,
    type: "float32" | "uint8",
    bytes: Uint8Array,
    shape: readonly number[],
  ): string {
    const range = {
      location: this.#style.dataFile!,
      offset: this.#length,
      length: bytes.length,
    };
    this.#chunks.push(bytes);
    this.#length += bytes.length;
    return graph.external(name, type, shape, range);
  }

  data(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.#chunks));
  }
}

/** Builds one decoder. */
class Exporter {
  readonly #config: ReferenceConfig;
  readonly #weights: Weights;
  readonly #style: ExportStyle;
  readonly #type: "float32" | "float16";
  readonly #graph = new GraphBuilder();

  constructor(config: ReferenceConfig, weights: Weights, style: ExportStyle) {
    this.#config = config;
    this.#weights = weights;
    this.#style = style;
    this.#type = style.type ?? "float32";
  }

  build(): Uint8Array {
    const { layers, vocabSize, tieWordEmbeddings } = this.#config;
    const graph = this.#graph;
    const attend = this.#style.attention === "grouped" ? this.#grouped() : this.#decomposed();
    let hidden = this.#embed();
    for (let l = 0; l < layers; l++) {
      const prefix = `model.layers.${l}`;
      const x = this.#norm(hidden, `${prefix}.input_layernorm.weight`);
      const [q, k, v] = ["q", "k", "v"].map((p) =>
        this.#linear(x, `${prefix}.self_attn.${p}_proj`),
      );
      const mixed = this.#linear(attend(l, q!, k!, v!), `${prefix}.self_attn.o_proj`);
      hidden = graph.node("Add", [hidden, mixed]);
      const y = this.#norm(hidden, `${prefix}.post_attention_layernorm.weight`);
      const gate = this.#linear(y, `${prefix}.mlp.gate_proj`);
      const silu = graph.node("Mul", [gate, graph.node("Sigmoid", [gate])]);
      const up = graph.node("Mul", [silu, this.#linear(y, `${prefix}.mlp.up_proj`)]);
      hidden = graph.node("Add", [hidden, this.#linear(up, `${prefix}.mlp.down_proj`)]);
    }
    const last = this.#norm(this.#lastRows(hidden), "model.norm.weight");
    const isTied = tieWordEmbeddings && this.#style.blocks?.has("lm_head") !== true;
    const logits = isTied ? this.#tied(last) : this.#linear(last, "lm_head");
    graph.output("logits", logits, this.#type, ["batch_size", "rows", vocabSize]);
    return graph.finish("export");
  }

  #embed(): string {
    const { hiddenSize } = this.#config;
    const graph = this.#graph;
    if (this.#style.split === true) {
      return graph.input("inputs_embeds", this.#type, ["batch_size", "s", hiddenSize]);
    }
    const ids = graph.input("input_ids", "int64", ["batch_size", "s"]);
    return graph.node("Gather", [this.#weights.constant(graph, "model.embed_tokens.weight"), ids]);
  }

  /** The last `num_logits_to_keep` rows; all for 0. */
  #lastRows(hidden: string): string {
    const graph = this.#graph;
    if (this.#style.logitCount !== true) return hidden;
    const count = graph.input("num_logits_to_keep", "int64", []);
    // -0 is the beginning.
    const start = graph.node("Neg", [graph.node("Reshape", [count, graph.ints([1])])]);
    const end = graph.ints([2 ** 40]);
    return graph.node("Slice", [hidden, start, end, graph.ints([1])]);
  }

  #linear(x: string, name: string): string {
    const graph = this.#graph;
    return (
      this.#weights.blockProduct(graph, x, name) ??
      graph.node("MatMul", [x, this.#weights.turned(graph, `${name}.weight`)])
    );
  }

  /** Logits by the table of embeddings, which is stored once. */
  #tied(x: string): string {
    const table = this.#weights.constant(this.#graph, "model.embed_tokens.weight");
    const turned = this.#graph.node("Transpose", [table], { perm: { ints: [1, 0] } });
    return this.#graph.node("MatMul", [x, turned]);
  }

  #norm(x: string, name: string): string {
    const scale = this.#weights.constant(this.#graph, name);
    const epsilon = { float: this.#config.normEpsilon };
    return this.#graph.node("SimplifiedLayerNormalization", [x, scale], {
      axis: { int: -1 },
      epsilon,
    });
  }

  /** Cosines or sines of every position, `[maxLength, headDim / 2]`. */
  #table(name: string, of: (angle: number) => number): string {
    const { maxLength, headDim, ropeTheta } = this.#config;
    const half = headDim / 2;
    const values = Float32Array.from({ length: maxLength * half }, (_, i) =>
      of(Math.floor(i / half) * ropeTheta ** ((-2 * (i % half)) / headDim)),
    );
    return this.#typed(this.#graph.floats(name, values, [maxLength, half]));
  }

  #typed(value: string): string {
    return this.#type === "float32"
      ? value
      : this.#graph.node("Cast", [value], { to: { int: 10 } });
  }

  #cache(layer: number, side: string): string {
    const { kvHeads, headDim } = this.#config;
    const dims = ["batch_size", kvHeads, "past", headDim];
    return this.#graph.input(`past_key_values.${layer}.${side}`, this.#type, dims);
  }

  #present(layer: number, side: string, value: string): void {
    const { kvHeads, headDim } = this.#config;
    const dims = ["batch_size", kvHeads, "total", headDim];
    this.#graph.output(`present.${layer}.${side}`, value, this.#type, dims);
  }

  #grouped() {
    const { heads, kvHeads } = this.#config;
    const graph = this.#graph;
    const mask = graph.input("attention_mask", "int64", ["batch_size", "total"]);
    const sum = graph.node("ReduceSum", [mask, graph.ints([1])], { keepdims: { int: 0 } });
    const toInt = (value: string): string => graph.node("Cast", [value], { to: { int: 6 } });
    const lengths = toInt(graph.node("Sub", [sum, graph.ints([1])]));
    const total = toInt(graph.node("Gather", [graph.node("Shape", [mask]), graph.ints([1])]));
    const tables = [this.#table("cos_cache", Math.cos), this.#table("sin_cache", Math.sin)];
    return (layer: number, q: string, k: string, v: string): string => {
      const past = ["key", "value"].map((side) => this.#cache(layer, side));
      const [attended, key, value] = graph.nodes(
        "GroupQueryAttention",
        [q, k, v, ...past, lengths, total, ...tables],
        3,
        { num_heads: { int: heads }, kv_num_heads: { int: kvHeads }, do_rotary: { int: 1 } },
      );
      this.#present(layer, "key", key!);
      this.#present(layer, "value", value!);
      return attended!;
    };
  }

  #decomposed() {
    const { heads, kvHeads, headDim } = this.#config;
    const graph = this.#graph;
    const positions = graph.input("position_ids", "int64", ["batch_size", "s"]);
    const bias = this.#typed(this.#style.attention === "bias" ? this.#biasInput() : this.#causal());
    const tables = [this.#table("cos_cache", Math.cos), this.#table("sin_cache", Math.sin)];
    const toHeads = (rows: string, count: number): string => {
      const split = graph.node("Reshape", [rows, graph.ints([1, -1, count, headDim])]);
      return graph.node("Transpose", [split], { perm: { ints: [0, 2, 1, 3] } });
    };
    const rotated = (rows: string, count: number): string =>
      graph.node("RotaryEmbedding", [toHeads(rows, count), positions, ...tables], {});
    const grow = (layer: number, side: string, rows: string): string => {
      const all = graph.node("Concat", [this.#cache(layer, side), rows], { axis: { int: 2 } });
      this.#present(layer, side, all);
      const group = heads / kvHeads;
      // [1, kv, T, D] -> [1, kv, group, T, D] -> [1, heads, T, D]
      const wide = graph.node("Unsqueeze", [all, graph.ints([2])]);
      const repeated = graph.node("Expand", [wide, graph.ints([1, 1, group, 1, 1])]);
      return graph.node("Reshape", [repeated, graph.ints([1, heads, -1, headDim])]);
    };
    const scale = this.#typed(graph.floats("scale", Float32Array.of(headDim ** -0.5), []));
    return (layer: number, q: string, k: string, v: string): string => {
      const keys = grow(layer, "key", rotated(k, kvHeads));
      const values = grow(layer, "value", toHeads(v, kvHeads));
      const turned = graph.node("Transpose", [keys], { perm: { ints: [0, 1, 3, 2] } });
      const scores = graph.node("MatMul", [graph.node("Mul", [rotated(q, heads), scale]), turned]);
      const seen = graph.node("Add", [scores, bias]);
      const attended = graph.node("MatMul", [graph.node("Softmax", [seen]), values]);
      const rows = graph.node("Transpose", [attended], { perm: { ints: [0, 2, 1, 3] } });
      return graph.node("Reshape", [rows, graph.ints([1, -1, heads * headDim])]);
    };
  }

  #biasInput(): string {
    return this.#graph.input("attention_bias", "float32", ["batch_size", 1, "s", "total"]);
  }

  /** Row `i` of `s` sees slot `j` of `t` if `j <= i + t - s` and the mask says so. */
  #causal(): string {
    const graph = this.#graph;
    const mask = graph.input("attention_mask", "int64", ["batch_size", "total"]);
    const shapes = ["position_ids", mask];
    const [s, t] = shapes.map((of) => {
      const size = graph.node("Gather", [graph.node("Shape", [of]), graph.ints([1], [])]);
      return size;
    });
    const count = (to: string): string =>
      graph.node("Range", [graph.ints([0], []), to, graph.ints([1], [])]);
    const offset = graph.node("Sub", [t!, s!]);
    const rows = graph.node("Unsqueeze", [graph.node("Add", [count(s!), offset]), graph.ints([1])]);
    const isLater = graph.node("Greater", [count(t!), rows]);
    const isHidden = graph.node("Equal", [mask, graph.ints([0], [])]);
    const either = graph.node("Or", [isLater, isHidden]);
    const values = [
      graph.floats("masked", Float32Array.of(-10_000), []),
      graph.floats("zero", Float32Array.of(0), []),
    ];
    return graph.node("Where", [either, ...values]);
  }
}

/** `input_ids` -> `inputs_embeds`. */
function embeddingGraph(config: ReferenceConfig, tensors: TensorMap): Uint8Array {
  const graph = new GraphBuilder();
  const ids = graph.input("input_ids", "int64", ["batch_size", "s"]);
  const { data, shape } = tensors.get("model.embed_tokens.weight")!;
  const rows = graph.node("Gather", [graph.floats("table", data, shape), ids]);
  graph.output("inputs_embeds", rows, "float32", ["batch_size", "s", config.hiddenSize]);
  return graph.finish("embed_tokens");
}
