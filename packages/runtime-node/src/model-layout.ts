import { InferenceError } from "@frugal/core";

import { checkFileName } from "./hub/file-name.ts";

/** Kinds of weight files that a model can be loaded from. */
export type ModelFormat = "safetensors" | "onnx";

/** Types of weights that exported graphs come in, by the names that their files carry. */
export type Variant = keyof typeof suffixes;

const suffixes = {
  fp32: "",
  fp16: "_fp16",
  q8: "_quantized",
  int8: "_int8",
  uint8: "_uint8",
  q4: "_q4",
  q4f16: "_q4f16",
  bnb4: "_bnb4",
} as const;

/** Which of the files of a model to use. */
export interface LayoutOptions {
  /** Default: safetensors where there are any, else ONNX. */
  readonly format?: ModelFormat;
  /** Exported graphs only. Default: the first of {@link Variant} that is there, from fp32 on. */
  readonly variant?: Variant;
}

/** The files of a model that belong together. */
export type ModelLayout =
  | { readonly kind: "safetensors"; readonly index: string | null; readonly files: string[] }
  | OnnxLayout;

/** An exported model: its graphs, and the files that hold their weights. */
export interface OnnxLayout {
  readonly kind: "onnx";
  readonly decoder: string;
  /** Turns ids into the decoder's `inputs_embeds`. */
  readonly embedding: string | null;
  readonly vision: string | null;
  /** All of the files, the graphs among them. */
  readonly files: string[];
}

/**
 * Finds the weights among the files of a model.
 *
 * ONNX: what `genai_config.json` names; else `decoder_model_merged` or `model`, with
 * `embed_tokens` and `vision_encoder`, in `onnx/` or beside the configuration; else a single graph
 * of any name. External data are the files whose names continue the graph's.
 *
 * @param genaiConfig text of `genai_config.json`, if there is one
 * @throws {@link InferenceError} `format` if there is nothing of the wanted kind, saying what was
 *   found; `range` for a format or variant that does not exist.
 */
export function modelLayout(
  names: readonly string[],
  genaiConfig: string | null,
  options: LayoutOptions = {},
): ModelLayout {
  const { format, variant } = options;
  checkChoice("format", format, ["safetensors", "onnx"]);
  checkChoice("variant", variant, Object.keys(suffixes));
  const safetensors = format === "onnx" ? null : safetensorsLayout(names);
  if (safetensors !== null) return safetensors;
  const onnx = format === "safetensors" ? null : onnxLayout(names, genaiConfig, variant);
  if (onnx !== null) return onnx;
  const weights = names.filter((name) => /\.(safetensors|onnx|gguf|bin|pth?)$/.test(name));
  const found = (weights.length > 0 ? weights : names).slice(0, 10).join(", ");
  throw new InferenceError(
    "format",
    `model: expected ${
      format === undefined
        ? "model.safetensors or an ONNX graph"
        : format === "onnx"
          ? "an ONNX graph"
          : "model.safetensors"
    }, found ${found === "" ? "no files" : found}`,
  );
}

function safetensorsLayout(names: readonly string[]): ModelLayout | null {
  const [single, index] = ["model.safetensors", "model.safetensors.index.json"];
  if (names.includes(single)) return { kind: "safetensors", index: null, files: [single] };
  return names.includes(index) ? { kind: "safetensors", index, files: [index] } : null;
}

function onnxLayout(
  names: readonly string[],
  genaiConfig: string | null,
  variant: Variant | undefined,
): OnnxLayout | null {
  const parts =
    genaiConfig === null ? optimumParts(names, variant) : genaiParts(names, genaiConfig);
  if (parts === null) return null;
  const graphs = [parts.decoder, parts.embedding, parts.vision].filter((name) => name !== null);
  return {
    kind: "onnx",
    ...parts,
    files: [...graphs, ...graphs.flatMap((at) => dataOf(at, names))],
  };
}

type Parts = Pick<OnnxLayout, "decoder" | "embedding" | "vision">;

const folders = ["onnx/", ""];
const decoders = ["decoder_model_merged", "model"];
const others = ["embed_tokens", "vision_encoder"];

/** Names of graphs to ask a server for that does not list its files. */
export function candidateGraphs(variant: Variant | undefined): readonly string[] {
  const wanted = variant === undefined ? Object.values(suffixes) : [suffixes[variant]];
  return folders.flatMap((folder) =>
    [...decoders, ...others].flatMap((stem) =>
      wanted.map((suffix) => `${folder}${stem}${suffix}.onnx`),
    ),
  );
}

/** The layout of optimum and transformers.js. */
function optimumParts(names: readonly string[], variant: Variant | undefined): Parts | null {
  for (const folder of folders) {
    const decoder =
      pick(names, folder + decoders[0]!, variant) ?? pick(names, folder + decoders[1]!, variant);
    if (decoder === null) continue;
    const beside = (name: string): string | null =>
      pick(names, folder + name, variant) ?? pick(names, folder + name, undefined);
    return { decoder, embedding: beside("embed_tokens"), vision: beside("vision_encoder") };
  }
  const graphs = names.filter((name) => name.endsWith(".onnx"));
  if (graphs.length > 1 && variant !== undefined) {
    throw new InferenceError(
      "format",
      `variant: expected a decoder with "${variant}" weights, found ${graphs.join(", ")}`,
    );
  }
  return graphs.length === 1 ? { decoder: graphs[0]!, embedding: null, vision: null } : null;
}

function pick(names: readonly string[], stem: string, variant: Variant | undefined): string | null {
  const wanted = variant === undefined ? Object.values(suffixes) : [suffixes[variant]];
  return (
    wanted.map((suffix) => `${stem}${suffix}.onnx`).find((name) => names.includes(name)) ?? null
  );
}

/** The layout of onnxruntime-genai. */
function genaiParts(names: readonly string[], text: string): Parts {
  type Part = { filename?: unknown } | undefined;
  let model: { decoder?: Part; embedding?: Part; vision?: Part } | undefined;
  try {
    ({ model } = JSON.parse(text) as { model?: typeof model });
  } catch (cause) {
    throw new InferenceError("format", "genai_config.json: not JSON", { cause });
  }
  const find = (part: Part): string | null => {
    if (part?.filename === undefined) return null;
    checkFileName(part.filename);
    if (names.includes(part.filename)) return part.filename;
    throw new InferenceError(
      "format",
      `genai_config.json: filename "${part.filename}": no such file`,
    );
  };
  const decoder = find(model?.decoder);
  if (decoder === null) {
    throw new InferenceError("format", "genai_config.json: model.decoder.filename: missing");
  }
  return { decoder, embedding: find(model?.embedding), vision: find(model?.vision) };
}

/** External data of a graph: `model.onnx_data`, `model.onnx_data_1`, ..., `model.onnx.data`. */
function dataOf(graph: string, names: readonly string[]): readonly string[] {
  return names.filter(
    (name) => name.startsWith(graph) && /^([._]data)(_\d+)?$/.test(name.slice(graph.length)),
  );
}

function checkChoice(name: string, value: string | undefined, choices: readonly string[]): void {
  if (value === undefined || choices.includes(value)) return;
  const list = choices.map((choice) => `"${choice}"`).join(", ");
  throw new InferenceError(
    "range",
    `${name}: expected one of ${list}, got ${JSON.stringify(value)}`,
  );
}
