import { InferenceError } from "@frugal/core";

import type { InferenceSession } from "./ort.ts";
import { protobufFields } from "./protobuf-reader.ts";

/** Every engine has it; the compiler's ECMAScript library does not. */
declare const TextDecoder: new () => { decode(bytes: Uint8Array): string };

/** What of an ONNX model matters before a session opens it. */
export interface ModelSummary {
  /** Version of ai.onnx. */
  readonly opset: number;
  /** Values of all weights; those in blocks of 4 bits count two per byte. */
  readonly weights: number;
  /** Files with external data, relative to the model's. */
  readonly locations: readonly string[];
  /** Inputs that are no constants, as a session describes them. */
  readonly inputs: readonly InferenceSession.ValueMetadata[];
  readonly outputs: readonly InferenceSession.ValueMetadata[];
}

/** Names of element types by their number in `TensorProto.DataType`. */
const typeNames: Readonly<Record<number, string>> = {
  1: "float32",
  2: "uint8",
  3: "int8",
  6: "int32",
  7: "int64",
  9: "bool",
  10: "float16",
  11: "float64",
};

/**
 * Reads the parts of a `ModelProto` that say what it needs.
 *
 * @throws {@link InferenceError} `format` if it is not a model.
 * @see onnx/onnx: onnx/onnx.proto
 */
export function summarizeModel(model: Uint8Array): ModelSummary {
  let opset = 0;
  let weights = 0;
  let hasGraph = false;
  const locations = new Set<string>();
  const constants = new Set<string>();
  const inputs: InferenceSession.ValueMetadata[] = [];
  const outputs: InferenceSession.ValueMetadata[] = [];
  for (const { field, bytes } of protobufFields(model)) {
    if (field === 8) opset = Math.max(opset, opsetOf(bytes));
    if (field !== 7) continue;
    hasGraph = true;
    for (const part of protobufFields(bytes)) {
      if (part.field === 5) weights += readTensor(part.bytes, locations, constants);
      if (part.field === 11) inputs.push(readValue(part.bytes));
      if (part.field === 12) outputs.push(readValue(part.bytes));
    }
  }
  if (!hasGraph) throw new InferenceError("format", "onnx: expected a model, found no graph");
  return {
    opset,
    weights,
    locations: [...locations],
    inputs: inputs.filter(({ name }) => !constants.has(name)),
    outputs,
  };
}

function opsetOf(bytes: Uint8Array): number {
  let [domain, version] = ["", 0];
  for (const { field, value, bytes: text } of protobufFields(bytes)) {
    if (field === 1) domain = new TextDecoder().decode(text);
    if (field === 2) version = value;
  }
  return domain === "" || domain === "ai.onnx" ? version : 0;
}

/** Number of values; notes the tensor's name and the file that it lies in. */
function readTensor(bytes: Uint8Array, locations: Set<string>, constants: Set<string>): number {
  let count = 1;
  let type = 0;
  for (const { field, value, bytes: part } of protobufFields(bytes)) {
    if (field === 1) for (const dim of dimsOf(value, part)) count *= dim;
    if (field === 2) type = value;
    if (field === 8) constants.add(new TextDecoder().decode(part));
    if (field === 13) noteLocation(part, locations);
  }
  const uint8 = 2;
  return type === uint8 ? count * 2 : count;
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

function noteLocation(entry: Uint8Array, locations: Set<string>): void {
  const text: string[] = [];
  for (const { field, bytes } of protobufFields(entry)) {
    if (field === 1 || field === 2) text[field] = new TextDecoder().decode(bytes);
  }
  if (text[1] === "location" && text[2] !== undefined) locations.add(text[2]);
}

/** `ValueInfoProto`: name, and `type.tensor_type` with its element type and shape. */
function readValue(bytes: Uint8Array): InferenceSession.ValueMetadata {
  const name = new TextDecoder().decode(first(bytes, 1));
  const tensor = first(first(bytes, 2), 1);
  if (tensor.length === 0) return { name, isTensor: false };
  const shape: (number | string)[] = [];
  let type = 0;
  for (const { field, value, bytes: part } of protobufFields(tensor)) {
    if (field === 1) type = value;
    if (field !== 2) continue;
    for (const dim of protobufFields(part)) if (dim.field === 1) shape.push(dimension(dim.bytes));
  }
  // Types that are not listed are none of those that a decoder's inputs may have.
  const typeName = (typeNames[type] ?? "string") as InferenceSession.TensorValueMetadata["type"];
  return { name, isTensor: true, type: typeName, shape };
}

/** A number, or the name of one that is known only at run time. */
function dimension(bytes: Uint8Array): number | string {
  for (const { field, value, bytes: name } of protobufFields(bytes)) {
    if (field === 1) return value;
    if (field === 2) return new TextDecoder().decode(name);
  }
  return "";
}

/** The first submessage of a field; empty if there is none. */
function first(message: Uint8Array, wanted: number): Uint8Array {
  for (const { field, bytes } of protobufFields(message)) if (field === wanted) return bytes;
  return new Uint8Array();
}
