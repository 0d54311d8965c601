import { InferenceError } from "@frugal/core";

import type { InferenceSession } from "../onnx/ort.ts";

/** Element types of inputs and outputs that are read here. */
export type FloatType = "float32" | "float16";
type IndexType = "int64" | "int32";

/** An input or output by name and type. */
export interface Port<T extends string = string> {
  readonly name: string;
  readonly type: T;
}

/** One tensor of the cache: what goes in, and what comes out with the new rows appended. */
export interface CachePort extends Port<FloatType> {
  readonly present: string;
  readonly layer: number;
  /** Keys turn when their position changes; null where both are in one tensor. */
  readonly side: "key" | "value" | null;
  /** Dimensions before the positions, with a batch of one. */
  readonly before: readonly number[];
  /** Values per position and head. */
  readonly width: number;
}

/** What a decoder's graph takes and gives, whoever exported it. */
export interface DecoderSignature {
  readonly ids: Port<IndexType> | null;
  readonly embeddings: (Port<FloatType> & { readonly width: number | null }) | null;
  readonly mask: Port<IndexType> | null;
  /** `rows` is 3 for M-RoPE: time, height and width. */
  readonly positions: (Port<IndexType> & { readonly rows: 1 | 3 }) | null;
  /** Scalar: how many of the last rows to compute logits for, 0 for all. */
  readonly logitCount: Port<IndexType> | null;
  /** Additive mask `[1, 1, s, past + s]`, causality included. */
  readonly bias: Port<"float32"> | null;
  readonly branch: Port<"bool"> | null;
  readonly logits: Port<FloatType> & { readonly vocabSize: number | null };
  readonly cache: readonly CachePort[];
}

type Meta = InferenceSession.TensorValueMetadata;

/**
 * Recognises a decoder by the names and shapes of its inputs and outputs, as optimum,
 * transformers.js and onnxruntime-genai write them.
 *
 * @param rename gives the usual name of an input or output that a configuration renames
 * @throws {@link InferenceError} `unsupported` naming what is missing, or the input that nothing is
 *   known of: a recurrent state, for one, which cannot be rolled back; `format` for a cache that no
 *   memory holds.
 */
export function decoderSignature(
  inputs: readonly InferenceSession.ValueMetadata[],
  outputs: readonly InferenceSession.ValueMetadata[],
  rename: (name: string) => string = (name) => name,
): DecoderSignature {
  const given = byName(inputs, rename);
  const made = byName(outputs, rename);
  const cache: CachePort[] = [];
  for (const [name, meta] of given) {
    const cached = cachePort(name, meta, made);
    if (cached === null) continue;
    cache.push(cached);
    given.delete(name);
  }
  const take = (name: string): Meta | null => {
    const meta = given.get(name) ?? null;
    given.delete(name);
    return meta;
  };
  const logits = made.get("logits");
  if (logits === undefined) throw refuse("no output called logits");
  const embeddings = take("inputs_embeds");
  const positions = take("position_ids");
  const signature: DecoderSignature = {
    ids: port(take("input_ids"), ["int64", "int32"]),
    embeddings: embeddings && {
      ...port(embeddings, ["float32", "float16"])!,
      width: known(embeddings.shape.at(-1)),
    },
    mask: port(take("attention_mask"), ["int64", "int32"]),
    positions: positions && {
      ...port(positions, ["int64", "int32"])!,
      rows: positions.shape.length === 3 ? 3 : 1,
    },
    logitCount: port(take("num_logits_to_keep"), ["int64", "int32"]),
    bias: port(take("attention_bias"), ["float32"]),
    branch: port(take("use_cache_branch"), ["bool"]),
    logits: { ...port(logits, ["float32", "float16"])!, vocabSize: known(logits.shape.at(-1)) },
    cache,
  };
  const [unknown] = given.keys();
  if (unknown !== undefined) throw refuse(`an input that is not known: ${unknown}`);
  if (cache.length === 0) throw refuse("no inputs for cached keys and values");
  if (signature.ids === null && signature.embeddings === null) {
    throw refuse("neither input_ids nor inputs_embeds");
  }
  return signature;
}

function byName(
  values: readonly InferenceSession.ValueMetadata[],
  rename: (name: string) => string,
): Map<string, Meta> {
  const tensors = new Map<string, Meta>();
  for (const value of values) {
    if (value.isTensor) tensors.set(rename(value.name), value);
  }
  return tensors;
}

/** Values of a cached row, of all heads: a thousand times those of the largest models. */
const largestRow = 2 ** 24;

/** `past_key_values.{l}.key`, `past.{l}.value`, `past_{l}`, with an output `present...`. */
function cachePort(name: string, meta: Meta, outputs: Map<string, Meta>): CachePort | null {
  const match = /^past(?:_key_values)?[._](\d+)(?:[._](key|value))?$/.exec(name);
  if (match === null) return null;
  const present = outputs.get(name.replace(/^past(_key_values)?/, "present"));
  if (present === undefined) throw refuse(`no output for the rows that ${name} grows by`);
  const { shape } = meta;
  // Names of dimensions stand for the batch, which is one, and for the positions.
  const before = shape.slice(0, -2).map((dim) => (typeof dim === "number" && dim > 0 ? dim : 1));
  const width = known(shape.at(-1));
  if (shape.length < 4 || width === null) throw refuse(`${name} of shape [${shape.join(", ")}]`);
  const row = before.reduce((product, dim) => product * dim, width);
  if (row > largestRow) {
    const message = `graph: expected at most ${largestRow} values per row of ${name}, got ${row}`;
    throw new InferenceError("format", message);
  }
  const side = (match[2] ?? null) as CachePort["side"];
  const { type } = port(meta, ["float32", "float16"])!;
  return {
    name: meta.name,
    present: present.name,
    type,
    layer: Number(match[1]),
    side,
    before,
    width,
  };
}

function known(dim: number | string | undefined): number | null {
  return typeof dim === "number" && dim > 0 ? dim : null;
}

function port<T extends string>(meta: Meta | null, types: readonly T[]): Port<T> | null {
  if (meta === null) return null;
  const type = types.find((one) => one === meta.type);
  if (type !== undefined) return { name: meta.name, type };
  throw refuse(`${meta.name} of type ${meta.type} instead of ${types.join(" or ")}`);
}

function refuse(what: string): InferenceError {
  return new InferenceError("unsupported", `graph: expected a decoder with a cache, found ${what}`);
}
