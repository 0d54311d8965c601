import type { RowBudget } from "@frugal/core";

import type { Ort, Tensor } from "../../onnx/ort.ts";
import type { PolicyStep } from "./policy-state.ts";

/** Whether a step attends to a part of the cache, by what every policy has. */
export function isSparse(policy: RowBudget, { store, rows, full }: PolicyStep): boolean {
  const { length } = store;
  const isLong = length > policy.budget && length >= policy.minLength;
  return !full && isLong && rows <= policy.maxRows;
}

/** A bool `[1]`. */
export function flag(ort: Ort, value: boolean): Tensor {
  return new ort.Tensor("bool", Uint8Array.of(value ? 1 : 0), [1]);
}

/** An int64 `[1]`. */
export function scalar(ort: Ort, value: number): Tensor {
  return new ort.Tensor("int64", BigInt64Array.of(BigInt(value)), [1]);
}
