import {
  InferenceError,
  type LogitsWanted,
  type Matrix,
  type ModelInfo,
  type StepOptions,
  type StepOutput,
  type TopLogits,
} from "@frugal/core";

import type { Ort, Tensor } from "../onnx/ort.ts";

/**
 * Checks what a step asks for.
 *
 * @throws {@link InferenceError} `range` for a `top` that is no positive integer or a tap that is
 *   no layer; `unsupported` for logits without a head.
 */
export function checkLogits(
  { logits, taps = [] }: StepOptions,
  info: ModelInfo,
  hasHead = true,
): void {
  if (logits !== "none" && !hasHead) {
    throw new InferenceError("unsupported", "logits: this range of layers has no head");
  }
  if (typeof logits === "object") {
    const { top } = logits;
    if (!Number.isInteger(top) || top < 1) {
      throw new InferenceError("range", `top: expected a positive integer, got ${top}`);
    }
  }
  for (const tap of taps) {
    if (tap === "final" || (Number.isInteger(tap) && tap >= 0 && tap <= info.layers)) continue;
    const expected = `a layer in [0, ${info.layers}] or "final"`;
    throw new InferenceError("range", `taps: expected ${expected}, got ${tap}`);
  }
}

/** Whether logits of every row are wanted. */
export function wantsAllRows(wanted: LogitsWanted): boolean {
  return wanted === "all" || (typeof wanted === "object" && wanted.rows !== "last");
}

/** Requests whose tensors are kept: a generation alternates between a handful. */
const keptRequests = 64;

/**
 * Inputs of the head: which rows, and how far the reduction reads.
 *
 * Their content depends on the request alone, so the tensors are made once per request.
 */
export class LogitFeeds {
  readonly #ort: Ort;
  readonly #vocabSize: number;
  readonly #kept = new Map<string, Record<string, Tensor>>();

  constructor(ort: Ort, vocabSize: number) {
    this.#ort = ort;
    this.#vocabSize = vocabSize;
  }

  /** Tensors for a block of `rows`. */
  for(wanted: LogitsWanted, rows: number): Record<string, Tensor> {
    const last = !wantsAllRows(wanted);
    const top = typeof wanted === "object" ? Math.min(wanted.top, this.#vocabSize) : 0;
    const request = `${rows} ${last} ${top}`;
    let feeds = this.#kept.get(request);
    if (feeds === undefined) {
      feeds = this.#create(rows, last, top);
      if (this.#kept.size < keptRequests) this.#kept.set(request, feeds);
    }
    return feeds;
  }

  #create(rows: number, last: boolean, top: number): Record<string, Tensor> {
    const { Tensor } = this.#ort;
    const chosen = last ? Int32Array.of(rows - 1) : Int32Array.from({ length: rows }, (_, i) => i);
    const extent = top > 0 ? [chosen.length, this.#vocabSize] : [1, 1];
    return {
      logit_rows: new Tensor("int32", chosen, [chosen.length]),
      top_extent: new Tensor("int64", BigInt64Array.from(extent, BigInt), [2]),
      top_k: new Tensor("int64", BigInt64Array.of(BigInt(Math.max(top, 1))), [1]),
    };
  }
}

/** Names of the outputs to fetch: what is not fetched is not copied. */
export function logitOutputs(wanted: LogitsWanted): readonly string[] {
  if (wanted === "none") return [];
  return typeof wanted === "object" ? ["top_values", "top_ids", "log_sum_exp"] : ["logits"];
}

/** Ids that a head of fewer outputs than the vocabulary has logits for, ascending. */
export interface HeadVocabulary {
  readonly ids: Uint32Array;
  /** Size of the whole vocabulary. */
  readonly size: number;
}

/** Logits of the whole vocabulary; ids that the head does not have cannot occur. */
function spreadLogits({ data, rows, cols }: Matrix, { ids, size }: HeadVocabulary): Matrix {
  const spread = new Float32Array(rows * size).fill(-Infinity);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < cols; i++) spread[row * size + ids[i]!] = data[row * cols + i]!;
  }
  return { data: spread, rows, cols: size };
}

/** The step's result from the graph's outputs. Takes over their buffers. */
export function readStep(
  outputs: Record<string, Tensor>,
  wanted: LogitsWanted,
  hidden: readonly string[],
  tapRows: StepOptions["tapRows"],
  runMs: number,
  vocabulary: HeadVocabulary | null = null,
): StepOutput {
  const states = hidden.map((name) => toMatrix(outputs[name]!));
  const isFull = wanted === "last" || wanted === "all";
  const logits = isFull ? toMatrix(outputs["logits"]!) : null;
  const top = typeof wanted === "object" ? toTop(outputs) : null;
  return {
    logits: logits && vocabulary ? spreadLogits(logits, vocabulary) : logits,
    top: top && vocabulary ? { ...top, ids: top.ids.map((i) => vocabulary.ids[i]!) } : top,
    taps: tapRows === "last" ? states.map(lastRow) : states,
    runMs,
  };
}

/** The last row: a copy, so that the other rows need not be kept or sent along. */
export function lastRow({ data, rows, cols }: Matrix): Matrix {
  return { data: data.slice((rows - 1) * cols), rows: 1, cols };
}

/** Leading dimensions become rows. */
function toMatrix({ data, dims }: Tensor): Matrix {
  const cols = dims.at(-1)!;
  return { data: data as Float32Array, rows: data.length / cols, cols };
}

/** The reduction that `addTop` adds to a graph. Takes over the buffers. */
export function toTop(outputs: Record<string, Tensor>): TopLogits {
  const values = outputs["top_values"]!;
  const wide = outputs["top_ids"]!.data as BigInt64Array;
  // Ids are below 2^31: the low word of each int64 is the id.
  const words = new Uint32Array(wide.buffer, wide.byteOffset, wide.length * 2);
  const ids = new Uint32Array(wide.length);
  for (let i = 0; i < ids.length; i++) ids[i] = words[2 * i]!;
  return {
    rows: values.dims[0]!,
    k: values.dims[1]!,
    ids,
    values: values.data as Float32Array,
    logSumExp: outputs["log_sum_exp"]!.data as Float32Array,
  };
}

/** One result from those of consecutive chunks. */
export function joinOutputs(parts: readonly StepOutput[]): StepOutput {
  const tapped = parts.filter((part) => part.taps.length > 0);
  const count = tapped[0]?.taps.length ?? 0;
  const taps = Array.from({ length: count }, (_, i) =>
    joinMatrices(tapped.map((part) => part.taps[i]!)),
  );
  const logits = parts.flatMap((part) => part.logits ?? []);
  const tops = parts.flatMap((part) => part.top ?? []);
  const sparse = parts.at(-1)?.sparse;
  return {
    logits: logits.length === 0 ? null : joinMatrices(logits),
    top: tops.length === 0 ? null : joinTops(tops),
    taps,
    runMs: parts.reduce((sum, part) => sum + part.runMs, 0),
    ...(sparse === undefined ? {} : { sparse }),
  };
}

function joinMatrices(parts: readonly Matrix[]): Matrix {
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  const { cols } = parts[0]!;
  return {
    data: join(
      parts.map((part) => part.data),
      Float32Array,
    ),
    rows,
    cols,
  };
}

function joinTops(parts: readonly TopLogits[]): TopLogits {
  return {
    rows: parts.reduce((sum, part) => sum + part.rows, 0),
    k: parts[0]!.k,
    ids: join(
      parts.map((part) => part.ids),
      Uint32Array,
    ),
    values: join(
      parts.map((part) => part.values),
      Float32Array,
    ),
    logSumExp: join(
      parts.map((part) => part.logSumExp),
      Float32Array,
    ),
  };
}

function join<T extends Float32Array | Uint32Array>(
  parts: readonly T[],
  Type: new (length: number) => T,
): T {
  if (parts.length === 1) return parts[0]!;
  const joined = new Type(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
