import { InferenceError } from "@frugal/core";

import type { ExternalData } from "./model-proto.ts";
import { protobufFields } from "./protobuf-reader.ts";

/** Every engine has it; the compiler's ECMAScript library does not. */
declare const TextDecoder: new () => { decode(bytes: Uint8Array): string };

/** A constant of a model that was read. */
export interface GraphConstant {
  readonly name: string;
  /** Number in `TensorProto.DataType`. */
  readonly type: number;
  readonly dims: readonly number[];
  /** Its bytes, a view; where they lie; null where they are a list of numbers. */
  readonly data: Uint8Array | ExternalData | null;
}

/** Bytes per value by number in `TensorProto.DataType`, of types whose values fill whole bytes. */
const widths: Readonly<Record<number, number>> = {
  1: 4,
  2: 1,
  3: 1,
  6: 4,
  7: 8,
  9: 1,
  10: 2,
  11: 8,
  16: 2,
};

/**
 * Reads a `TensorProto` and checks that there are as many bytes as its dimensions say.
 *
 * @throws {@link InferenceError} `format` if there are not, or a dimension is none.
 */
export function readConstant(bytes: Uint8Array): GraphConstant {
  const dims: number[] = [];
  const entries = new Map<string, string>();
  let [type, name] = [0, ""];
  let raw: Uint8Array | null = null;
  for (const { field, value, bytes: part } of protobufFields(bytes)) {
    if (field === 1) for (const dim of dimsOf(value, part)) dims.push(readDimension(dim));
    if (field === 2) type = value;
    if (field === 8) name = new TextDecoder().decode(part);
    if (field === 9) raw = part;
    if (field === 13) entries.set(...readEntry(part));
  }
  const needed = countValues(dims) * (widths[type] ?? 0);
  const external = raw === null ? readLocation(entries, needed) : null;
  const found = raw?.length ?? external?.length ?? needed;
  const isRight = raw === null || widths[type] === undefined ? found >= needed : found === needed;
  if (isRight && !((external?.offset ?? 0) + found >= 2 ** 53)) {
    return { name, type, dims, data: raw ?? external };
  }
  throw new InferenceError(
    "format",
    `onnx: constant ${name} [${dims.join(", ")}]: expected ${needed} bytes, found ${found}`,
  );
}

/** Values in a tensor of these dimensions. */
export function countValues(dims: readonly number[]): number {
  return dims.reduce((product, dim) => product * dim, 1);
}

/**
 * A dimension from its varint, in which negative numbers are unsigned ones of 64 bits.
 *
 * @throws {@link InferenceError} `format`
 */
export function readDimension(value: number): number {
  if (value < 2 ** 53) return value;
  // As a float the number itself is rounded.
  const got = value >= 2 ** 63 ? "a negative one" : value;
  throw new InferenceError("format", `onnx: expected a dimension below 2^53, got ${got}`);
}

/** Repeated integers come one per field or packed in one. */
function dimsOf(value: number, packed: Uint8Array): number[] {
  if (packed.length === 0) return [value];
  const dims: number[] = [];
  let dim = 0;
  let shift = 1;
  for (const byte of packed) {
    dim += (byte & 0x7f) * shift;
    shift *= 128;
    if (byte >= 0x80) continue;
    dims.push(dim);
    [dim, shift] = [0, 1];
  }
  return dims;
}

function readEntry(entry: Uint8Array): [key: string, value: string] {
  const text: [string, string] = ["", ""];
  for (const { field, bytes } of protobufFields(entry)) {
    if (field === 1 || field === 2) text[field - 1] = new TextDecoder().decode(bytes);
  }
  return text;
}

function readLocation(entries: ReadonlyMap<string, string>, needed: number): ExternalData | null {
  const location = entries.get("location");
  if (location === undefined) return null;
  const number = (key: string, otherwise: number): number => {
    const value = Number(entries.get(key) ?? otherwise);
    if (value >= 0) return value;
    throw new InferenceError("format", `onnx: external data: ${key} ${entries.get(key)}`);
  };
  return { location, offset: number("offset", 0), length: number("length", needed) };
}
