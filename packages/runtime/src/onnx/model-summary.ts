import { InferenceError } from "@frugal/core";

import type { InferenceSession } from "./ort.ts";
import { protobufFields } from "./protobuf-reader.ts";
import { countValues, type GraphConstant, readConstant, readDimension } from "./read-constant.ts";
import { type GraphNode, readNode, sortNodes } from "./read-nodes.ts";

/** Every engine has it; the compiler's ECMAScript library does not. */
declare const TextDecoder: new () => { decode(bytes: Uint8Array): string };

/** What of an ONNX model matters before a session opens it. */
export interface ModelSummary {
  /** Version of ai.onnx. */
  readonly opset: number;
  /** Values of all weights; those in blocks of 4 bits count two per byte. */
  readonly weights: number;
  /** Files with external data, relative to the model's, and how many bytes each has at least. */
  readonly locations: ReadonlyMap<string, number>;
  readonly constants: ReadonlyMap<string, GraphConstant>;
  /** Each after those whose values it reads. */
  readonly nodes: readonly GraphNode[];
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
 * Reads the parts of a `ModelProto` that say what it needs. Cost: O(fields), whatever they claim.
 *
 * @throws {@link InferenceError} `format` if it is not a model, or not a sound one: negative
 *   dimensions, constants of another size than their dimensions, outputs that nothing makes, nodes that wait for
 *   each other.
 * @see onnx/onnx: onnx/onnx.proto
 */
export function summarizeModel(model: Uint8Array): ModelSummary {
  let opset = 0;
  let weights = 0;
  let hasGraph = false;
  const locations = new Map<string, number>();
  const constants = new Map<string, GraphConstant>();
  const nodes: GraphNode[] = [];
  const inputs: InferenceSession.ValueMetadata[] = [];
  const outputs: InferenceSession.ValueMetadata[] = [];
  for (const { field, bytes } of protobufFields(model)) {
    if (field === 8) opset = Math.max(opset, opsetOf(bytes));
    if (field !== 7) continue;
    hasGraph = true;
    for (const part of protobufFields(bytes)) {
      if (part.field === 1) nodes.push(readNode(part.bytes));
      if (part.field === 5) weights += noteConstant(part.bytes, constants, locations);
      if (part.field === 11) inputs.push(readValue(part.bytes));
      if (part.field === 12) outputs.push(readValue(part.bytes));
    }
  }
  if (!hasGraph) throw new InferenceError("format", "onnx: expected a model, found no graph");
  const made = new Set(nodes.flatMap((node) => node.outputs));
  for (const { name } of inputs) made.add(name);
  const missing = outputs.find(({ name }) => !made.has(name) && !constants.has(name));
  if (missing !== undefined) {
    throw new InferenceError("format", `onnx: expected a node that makes output ${missing.name}`);
  }
  return {
    opset,
    weights,
    locations,
    constants,
    nodes: sortNodes(nodes),
    inputs: inputs.filter(({ name }) => !constants.has(name)),
    outputs,
  };
}

/** Number of its values. */
function noteConstant(
  bytes: Uint8Array,
  constants: Map<string, GraphConstant>,
  locations: Map<string, number>,
): number {
  const constant = readConstant(bytes);
  const { name, type, dims, data } = constant;
  constants.set(name, constant);
  if (data !== null && "location" in data) {
    const end = data.offset + data.length;
    locations.set(data.location, Math.max(locations.get(data.location) ?? 0, end));
  }
  const uint8 = 2;
  return type === uint8 ? countValues(dims) * 2 : countValues(dims);
}

function opsetOf(bytes: Uint8Array): number {
  let [domain, version] = ["", 0];
  for (const { field, value, bytes: text } of protobufFields(bytes)) {
    if (field === 1) domain = new TextDecoder().decode(text);
    if (field === 2) version = value;
  }
  return domain === "" || domain === "ai.onnx" ? version : 0;
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
    if (field === 1) return readDimension(value);
    if (field === 2) return new TextDecoder().decode(name);
  }
  return "";
}

/** The first submessage of a field; empty if there is none. */
function first(message: Uint8Array, wanted: number): Uint8Array {
  for (const { field, bytes } of protobufFields(message)) if (field === wanted) return bytes;
  return new Uint8Array();
}
