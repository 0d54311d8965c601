// Writes Llama decoders the way other tools export them, so that reading such graphs can be tested
// against the same weights in a graph of our own and in the reference transformer.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { GraphBuilder } from "../../../packages/runtime/src/graph/graph-builder.ts";
import { Weights, type WeightStyle } from "./export-weights.ts";
import { llamaConfigJson, type ReferenceConfig } from "./reference-config.ts";
import type { TensorMap } from "./reference-weights.ts";

/** How an export differs from others. */
export interface ExportStyle extends WeightStyle {
  /**
   * `concat`: attention in single operators over `concat(past, new)`, rotary positions and a mask
   * as inputs, as optimum does. `grouped`: one operator for all of it, without positions, as the
   * builder of onnxruntime-genai does. `bias`: as `concat`, with an additive mask instead.
   */
  readonly attention: "concat" | "grouped" | "bias";
  /** Embeddings are looked up by another graph. */
  readonly split?: boolean;
  /** How many of the last rows get logits is an input. */
  readonly logitCount?: boolean;
  /** Logits of the last row alone, as `prune_lm_head` of onnxruntime-genai's builder makes them. */
  readonly lastOnly?: boolean;
  /** Sums and the norms behind them are one operator, as the builder of onnxruntime-genai has it. */
  readonly fusedNorms?: boolean;
  /**
   * Positions are triples: pairs of channels in sections, which turn by frame, row and column. For
   * attention in single operators.
   */
  readonly sections?: readonly number[];
}

/** The files of an export. */
export interface Export {
  readonly decoder: Uint8Array;
  readonly embedding: Uint8Array | null;
  readonly files: readonly { readonly name: string; readonly data: Uint8Array }[];
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
    files: weights.files(),
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
  await mkdir(join(folder, "onnx"));
  await addExport(folder, config, tensors, style, layout);
  return { folder, remove: () => rm(folder, { recursive: true }) };
}

/** Writes an export into a folder, in the place of one of its variants. */
export async function addExport(
  folder: string,
  config: ReferenceConfig,
  tensors: TensorMap,
  style: ExportStyle,
  layout: "optimum" | "genai",
  suffix = "",
): Promise<void> {
  const stem = style.split && layout === "optimum" ? "decoder_model_merged" : "model";
  const name = `${stem}${suffix}.onnx`;
  const dataFile = layout === "genai" ? `${name}.data` : `${name}_data`;
  const named = style.dataFile === undefined ? style : { ...style, dataFile };
  const { decoder, embedding, files } = exportDecoder(config, tensors, named);
  const graphs = layout === "genai" ? folder : join(folder, "onnx");
  await writeFile(join(graphs, name), decoder);
  for (const file of files) await writeFile(join(graphs, file.name), file.data);
  const lookUp = layout === "genai" ? "embedding.onnx" : "embed_tokens.onnx";
  if (embedding !== null) await writeFile(join(graphs, lookUp), embedding);
  const json = JSON.stringify(llamaConfigJson(config));
  await writeFile(join(folder, "config.json"), json);
  if (layout === "optimum") return;
  const text = JSON.stringify(genaiConfig(config, "model.onnx", style.split === true));
  await writeFile(join(folder, "genai_config.json"), text);
}

function genaiConfig(config: ReferenceConfig, filename: string, split: boolean): object {
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
          [split ? "inputs_embeds" : "input_ids"]: split ? "inputs_embeds" : "input_ids",
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
      ...(split && { embedding: { filename: "embedding.onnx" } }),
    },
    search: { past_present_share_buffer: true },
  };
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
    let added: string | null = null;
    let x: string;
    for (let l = 0; l < layers; l++) {
      const prefix = `model.layers.${l}`;
      [x, hidden] = this.#addNorm(hidden, added, `${prefix}.input_layernorm.weight`);
      const [q, k, v] = ["q", "k", "v"].map((p) =>
        this.#linear(x, `${prefix}.self_attn.${p}_proj`),
      );
      const mixed = this.#linear(attend(l, q!, k!, v!), `${prefix}.self_attn.o_proj`);
      let y: string;
      [y, hidden] = this.#addNorm(hidden, mixed, `${prefix}.post_attention_layernorm.weight`);
      const gate = this.#linear(y, `${prefix}.mlp.gate_proj`);
      const silu = graph.node("Mul", [gate, graph.node("Sigmoid", [gate])]);
      const up = graph.node("Mul", [silu, this.#linear(y, `${prefix}.mlp.up_proj`)]);
      added = this.#linear(up, `${prefix}.mlp.down_proj`);
    }
    const last = this.#finalNorm(hidden, added!);
    const isTied = tieWordEmbeddings && this.#style.blocks?.has("lm_head") !== true;
    const isTable = isTied && this.#style.weights === undefined;
    const head = isTied ? "model.embed_tokens" : "lm_head";
    const logits = isTable ? this.#tied(last) : this.#linear(last, head);
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
    if (this.#style.lastOnly === true) {
      return graph.node("Slice", [hidden, ...[-1, 2 ** 40, 1].map((value) => graph.ints([value]))]);
    }
    if (this.#style.logitCount !== true) return hidden;
    const count = graph.input("num_logits_to_keep", "int64", []);
    // -0 is the beginning.
    const start = graph.node("Neg", [graph.node("Reshape", [count, graph.ints([1])])]);
    const end = graph.ints([2 ** 40]);
    return graph.node("Slice", [hidden, start, end, graph.ints([1])]);
  }

  #linear(x: string, name: string): string {
    return this.#weights.product(this.#graph, x, name);
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

  /** The norm of a sum, and the sum. */
  #addNorm(hidden: string, added: string | null, name: string): [normed: string, sum: string] {
    const graph = this.#graph;
    if (added === null) return [this.#norm(hidden, name), hidden];
    if (this.#style.fusedNorms !== true) {
      const sum = graph.node("Add", [hidden, added]);
      return [this.#norm(sum, name), sum];
    }
    const inputs = [hidden, added, this.#weights.constant(graph, name)];
    const epsilon = { float: this.#config.normEpsilon };
    const outputs = graph.nodes("SkipSimplifiedLayerNormalization", inputs, 4, { epsilon });
    return [outputs[0]!, outputs[3]!];
  }

  #finalNorm(hidden: string, added: string): string {
    const [graph, name] = [this.#graph, "model.norm.weight"];
    if (this.#style.fusedNorms !== true) {
      return this.#norm(this.#lastRows(graph.node("Add", [hidden, added])), name);
    }
    const inputs = [hidden, added, this.#weights.constant(graph, name)];
    const epsilon = { float: this.#config.normEpsilon };
    return graph.node("SkipSimplifiedLayerNormalization", inputs, { epsilon });
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
    const { sections } = this.#style;
    const axes = sections === undefined ? [] : [3];
    const positions = graph.input("position_ids", "int64", [...axes, "batch_size", "s"]);
    const bias = this.#typed(this.#style.attention === "bias" ? this.#biasInput() : this.#causal());
    const tables = [this.#table("cos_cache", Math.cos), this.#table("sin_cache", Math.sin)];
    const toHeads = (rows: string, count: number): string => {
      const split = graph.node("Reshape", [rows, graph.ints([1, -1, count, headDim])]);
      return graph.node("Transpose", [split], { perm: { ints: [0, 2, 1, 3] } });
    };
    const turns = sections && tables.map((table) => this.#sectioned(table, positions, sections));
    const rotated = (rows: string, count: number): string => {
      const split = toHeads(rows, count);
      return turns === undefined
        ? graph.node("RotaryEmbedding", [split, positions, ...tables], {})
        : this.#rotate(split, turns as [string, string]);
    };
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

  /** Rows of a table by triples of positions, `[1, 1, s, headDim / 2]`: each section by its axis. */
  #sectioned(table: string, positions: string, sections: readonly number[]): string {
    const graph = this.#graph;
    let from = 0;
    const parts = sections.map((pairs, i) => {
      const axis = graph.node("Gather", [positions, graph.ints([i % 3], [])]);
      const rows = graph.node("Gather", [table, axis]);
      const [start, end] = [graph.ints([from]), graph.ints([(from += pairs)])];
      return graph.node("Slice", [rows, start, end, graph.ints([2])]);
    });
    const all = graph.node("Concat", parts, { axis: { int: 2 } });
    return graph.node("Unsqueeze", [all, graph.ints([1])]);
  }

  #rotate(x: string, [cos, sin]: readonly [string, string]): string {
    const graph = this.#graph;
    const half = this.#config.headDim / 2;
    const [a, b] = graph.nodes("Split", [x, graph.ints([half, half])], 2, { axis: { int: -1 } });
    const times = (left: string, right: string): string => graph.node("Mul", [left, right]);
    const first = graph.node("Sub", [times(a!, cos), times(b!, sin)]);
    const second = graph.node("Add", [times(b!, cos), times(a!, sin)]);
    return graph.node("Concat", [first, second], { axis: { int: -1 } });
  }

  #biasInput(): string {
    return this.#graph.input("attention_bias", "float32", ["batch_size", 1, "s", "total"]);
  }

  /** Row `i` of `s` sees slot `j` of `t` if `j <= i + t - s` and the mask says so. */
  #causal(): string {
    const graph = this.#graph;
    const mask = graph.input("attention_mask", "int64", ["batch_size", "total"]);
    const shapes = [
      ["position_ids", this.#style.sections === undefined ? 1 : 2],
      [mask, 1],
    ] as const;
    const [s, t] = shapes.map(([of, axis]) =>
      graph.node("Gather", [graph.node("Shape", [of]), graph.ints([axis], [])]),
    );
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
