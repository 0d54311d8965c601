import {
  float16ToFloat32,
  type LogitsWanted,
  type Matrix,
  type StepOutput,
  type TopLogits,
} from "@frugal/core";

import type { Tensor } from "../onnx/ort.ts";
import { floatData } from "../onnx/typed-tensor.ts";
import { readStep } from "../sequence/outputs.ts";
import type { DecoderSignature } from "./decoder-signature.ts";
import { reduced } from "./reduced-logits.ts";
import { wantsAll } from "./exported-feeds.ts";

/** Names of the outputs to fetch, beside the cache: what is not fetched is not copied. */
export function outputNames({ logits }: DecoderSignature, wanted: LogitsWanted): readonly string[] {
  if (wanted === "none") return [];
  if (typeof wanted !== "object") return [logits.name];
  return [reduced.values, reduced.ids, reduced.logSumExp];
}

/** A tensor's values as float32 rows; leading dimensions become rows. */
export function matrixOf(tensor: Tensor): Matrix {
  const bits = floatData(tensor);
  const data = bits instanceof Float32Array ? bits : new Float32Array(bits.length);
  if (!(bits instanceof Float32Array)) float16ToFloat32(bits, data);
  const cols = tensor.dims.at(-1)!;
  return { data, rows: data.length / cols, cols };
}

/** The step's result. Graphs without a choice of rows gave logits of all of them. */
export function readExported(
  outputs: Record<string, Tensor>,
  { logits }: DecoderSignature,
  wanted: LogitsWanted,
  runMs: number,
): StepOutput {
  if (typeof wanted === "object") {
    const named = {
      top_values: outputs[reduced.values]!,
      top_ids: outputs[reduced.ids]!,
      log_sum_exp: outputs[reduced.logSumExp]!,
    };
    const step = readStep(named, wanted, [], undefined, runMs);
    return wantsAll(wanted) ? step : { ...step, top: lastOf(step.top!) };
  }
  if (wanted === "none") return { logits: null, top: null, taps: [], runMs };
  const all = matrixOf(outputs[logits.name]!);
  const { rows, cols, data } = all;
  const isAll = wanted === "all" || rows === 1;
  const last = isAll ? all : { data: data.slice((rows - 1) * cols), rows: 1, cols };
  return { logits: last, top: null, taps: [], runMs };
}

function lastOf(top: TopLogits): TopLogits {
  const { rows, k, ids, values, logSumExp } = top;
  if (rows === 1) return top;
  const from = (rows - 1) * k;
  return {
    rows: 1,
    k,
    ids: ids.slice(from),
    values: values.slice(from),
    logSumExp: logSumExp.slice(rows - 1),
  };
}
