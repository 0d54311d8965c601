import { InferenceError } from "@frugal/core";
import { checkFileName } from "@frugal/runtime";

/** Kinds of weight files that a model can be loaded from. */
export type ModelFormat = "safetensors" | "onnx" | "gguf";

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
  /** Default: safetensors where there are any, else ONNX, else GGUF. */
  readonly format?: ModelFormat;
  /** Exported graphs only. Default: the first of {@link Variant} that is there, from fp32 on. */
  readonly variant?: Variant;
  /** GGUF only: which file. Default: the only one. A source that ends with its name says it too. */
  readonly file?: string;
}

/** The files of a model that belong together. */
export type ModelLayout =
  | { readonly kind: "safetensors"; readonly index: string | null; readonly files: string[] }
  | OnnxLayout
  | { readonly kind: "gguf"; readonly file: string; readonly files: string[] };

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
 * ONNX: what `genai_config.json` names, or the wanted variant beside it; else `decoder_model_merged` or `model`, with
 * `embed_tokens` and `vision_encoder`, in `onnx/` or beside the configuration; else a single graph
 * of any name. External data are the files whose names continue the graph's. GGUF: the file that is
 * asked for, else the only one.
 *
 * @param genaiConfig text of `genai_config.json`, if there is one
 * @throws {@link InferenceError} `format` if there is nothing of the wanted kind or several GGUF files,
 *   saying what was found; `range` for a format or variant that does not exist; `unsupported` for
 *   a GGUF file that is one of several parts.
 */
export function modelLayout(
  names: readonly string[],
  genaiConfig: string | null,
  options: LayoutOptions = {},
): ModelLayout {
  const { format = options.file === undefined ? undefined : "gguf", variant } = options;
  checkChoice("format", format, ["safetensors", "onnx", "gguf"]);
  checkChoice("variant", variant, Object.keys(suffixes));
  const wants = (kind: ModelFormat): boolean => format === undefined || format === kind;
  const layout =
    (wants("safetensors") ? safetensorsLayout(names) : null) ??
    (wants("onnx") ? onnxLayout(names, genaiConfig, variant) : null) ??
    (wants("gguf") ? ggufLayout(names, options.file) : null);
  if (layout !== null) return layout;
  const weights = names.filter((name) => /\.(safetensors|onnx|gguf|bin|pth?)$/.test(name));
  const found = (weights.length > 0 ? weights : names).slice(0, 10).join(", ");
  throw new InferenceError(
    "format",
    `model: expected ${expected(options.file, format)}, found ${found === "" ? "no files" : found}`,
  );
}

function expected(file: string | undefined, format: ModelFormat | undefined): string {
  if (file !== undefined) return file;
  const kinds = {
    safetensors: "model.safetensors",
    onnx: "an ONNX graph",
    gguf: "one GGUF file (`file` says which)",
  };
  return format === undefined
    ? `${kinds.safetensors}, ${kinds.onnx} or ${kinds.gguf}`
    : kinds[format];
}

function ggufLayout(
  names: readonly string[],
  wanted: string | undefined,
): Extract<ModelLayout, { kind: "gguf" }> | null {
  if (wanted !== undefined) checkFileName(wanted);
  const files = names.filter((name) => /\.gguf$/i.test(name));
  const file = wanted ?? (files.length === 1 ? files[0]! : undefined);
  if (file === undefined || !names.includes(file)) return null;
  if (/-\d{5}-of-\d{5}\.gguf$/i.test(file)) {
    throw new InferenceError("unsupported", `${file}: expected a model in one file`);
  }
  return { kind: "gguf", file, files: [file] };
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
    genaiConfig === null ? optimumParts(names, variant) : genaiParts(names, genaiConfig, variant);
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
  if (graphs.length > 1 && variant !== undefined) wrongVariant(names, variant);
  return graphs.length === 1 ? { decoder: graphs[0]!, embedding: null, vision: null } : null;
}

function pick(names: readonly string[], stem: string, variant: Variant | undefined): string | null {
  const wanted = variant === undefined ? Object.values(suffixes) : [suffixes[variant]];
  return (
    wanted.map((suffix) => `${stem}${suffix}.onnx`).find((name) => names.includes(name)) ?? null
  );
}

/**
 * The layout of onnxruntime-genai. A variant is a file beside the named one, with the suffix of the
 * variant instead of its own; else it is looked for in the layout of optimum.
 */
function genaiParts(names: readonly string[], text: string, variant: Variant | undefined): Parts {
  type Part = { filename?: unknown } | undefined;
  let model: { decoder?: Part; embedding?: Part; vision?: Part } | undefined;
  try {
    ({ model } = JSON.parse(text) as { model?: typeof model });
  } catch (cause) {
    throw new InferenceError("format", "genai_config.json: not JSON", { cause });
  }
  const find = (part: Part): string | null => {
    if (part?.filename === undefined) return null;
    const { filename } = part;
    checkFileName(filename);
    if (names.includes(filename)) return filename;
    throw new InferenceError("format", `genai_config.json: filename "${filename}": no such file`);
  };
  const decoder = find(model?.decoder);
  if (decoder === null) {
    throw new InferenceError("format", "genai_config.json: model.decoder.filename: missing");
  }
  const parts = { decoder, embedding: find(model?.embedding), vision: find(model?.vision) };
  if (variant === undefined) return parts;
  const beside = (name: string): string | null => pick(names, stemOf(name), variant);
  const wanted = beside(decoder);
  if (wanted === null) return optimumParts(names, variant) ?? wrongVariant(names, variant);
  const orNamed = (name: string | null): string | null => name && (beside(name) ?? name);
  return { decoder: wanted, embedding: orNamed(parts.embedding), vision: orNamed(parts.vision) };
}

/** A graph's name without the suffix of a variant. */
function stemOf(name: string): string {
  const stem = name.replace(/\.onnx$/, "");
  const suffix = Object.values(suffixes).find((one) => one !== "" && stem.endsWith(one)) ?? "";
  return stem.slice(0, stem.length - suffix.length);
}

function wrongVariant(names: readonly string[], variant: Variant): never {
  const graphs = names.filter((name) => name.endsWith(".onnx")).join(", ");
  const message = `variant: expected a decoder with "${variant}" weights, found ${graphs}`;
  throw new InferenceError("format", message);
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
