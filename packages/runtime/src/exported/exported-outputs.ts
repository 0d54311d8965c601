import {
  float16ToFloat32,
  type Matrix,
  type StepOptions,
  type StepOutput,
  type TopLogits,
} from "@frugal/core";

import type { Tensor } from "../onnx/ort.ts";
import { floatData } from "../onnx/typed-tensor.ts";
import { lastRow, readStep, wantsAllRows } from "../sequence/outputs.ts";
import type { DecoderSignature } from "./decoder-signature.ts";
import { reduced } from "./reduced-logits.ts";
import { tapName } from "./taps.ts";

/** Names of the outputs to fetch, beside the cache: what is not fetched is not copied. */
export function outputNames(
  { logits }: DecoderSignature,
  { logits: wanted, taps = [] }: StepOptions,
): readonly string[] {
  const states = taps.map(tapName);
  if (wanted === "none") return states;
  if (typeof wanted !== "object") return [logits.name, ...states];
  return [reduced.values, reduced.ids, reduced.logSumExp, ...states];
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
  { logits: wanted, taps = [], tapRows }: StepOptions,
  runMs: number,
): StepOutput {
  const named = {
    ...outputs,
    top_values: outputs[reduced.values]!,
    top_ids: outputs[reduced.ids]!,
    log_sum_exp: outputs[reduced.logSumExp]!,
  };
  const reads = typeof wanted === "object" ? wanted : "none";
  const step = readStep(named, reads, taps.map(tapName), tapRows, runMs);
  if (step.top !== null) return wantsAllRows(wanted) ? step : { ...step, top: lastOf(step.top) };
  if (wanted === "none") return step;
  const all = matrixOf(outputs[logits.name]!);
  return { ...step, logits: wanted === "all" || all.rows === 1 ? all : lastRow(all) };
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
