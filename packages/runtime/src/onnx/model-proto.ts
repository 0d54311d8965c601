import { ProtobufWriter } from "./protobuf-writer.ts";

/** ONNX element types that this package writes, with their numbers in `TensorProto.DataType`. */
export const onnxType = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  bfloat16: 16,
} as const;

/** Name of an ONNX element type. */
export type OnnxType = keyof typeof onnxType;

/** An attribute of a node, tagged with its kind because `1` can be an int and a float. */
export type OnnxAttribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly string: string }
  | { readonly ints: readonly number[] }
  | { readonly graph: OnnxSubgraph };

/** A part of the graph that a node runs or not; reads values of the graph around it by name. */
export interface OnnxSubgraph {
  readonly nodes: readonly OnnxNode[];
  readonly outputs: readonly string[];
}

/** One operator call. An empty input name means "not given". */
export interface OnnxNode {
  readonly type: string;
  /** Operator set, `""` for ai.onnx. */
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, OnnxAttribute>>;
}

/** Bytes of a file that hold a tensor. */
export interface ExternalData {
  /** File name, relative to the folder given to the session. */
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

/** A constant of the graph, inside the model file or in another file. */
export interface OnnxInitializer {
  readonly name: string;
  readonly type: OnnxType;
  readonly dims: readonly number[];
  readonly data: Uint8Array | ExternalData;
}

/** An input or output: a name in `dims` is a dimension known only at run time. */
export interface OnnxValue {
  readonly name: string;
  readonly type: OnnxType;
  readonly dims: readonly (number | string)[];
}

/** A whole model. */
export interface OnnxModel {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxInitializer[];
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  /** Version of each operator set by domain. */
  readonly opsets: Readonly<Record<string, number>>;
}

/**
 * Serializes a model as ONNX (`ModelProto`, IR version 10).
 *
 * @see onnx/onnx: onnx/onnx.proto
 */
export function encodeOnnxModel(model: OnnxModel): Uint8Array {
  const writer = new ProtobufWriter();
  writer.int(1, 10);
  writer.string(2, "frugal");
  writer.message(7, (graph) => writeGraph(graph, model));
  for (const [domain, version] of Object.entries(model.opsets)) {
    writer.message(8, (opset) => {
      opset.string(1, domain);
      opset.int(2, version);
    });
  }
  return writer.finish();
}

/**
 * Serializes the nodes, constants, inputs and outputs alone: a second part of a `ModelProto`, which
 * parsers merge into the part that it is appended to.
 */
export function encodeGraphPart(model: Omit<OnnxModel, "name" | "opsets">): Uint8Array {
  const writer = new ProtobufWriter();
  writer.message(7, (graph) => writeGraph(graph, model));
  return writer.finish();
}

function writeGraph(
  writer: ProtobufWriter,
  model: Omit<OnnxModel, "name" | "opsets"> & { readonly name?: string },
): void {
  for (const node of model.nodes) writer.message(1, (to) => writeNode(to, node));
  if (model.name !== undefined) writer.string(2, model.name);
  for (const tensor of model.initializers) writer.message(5, (to) => writeTensor(to, tensor));
  for (const value of model.inputs) writer.message(11, (to) => writeValue(to, value));
  for (const value of model.outputs) writer.message(12, (to) => writeValue(to, value));
}

function writeNode(writer: ProtobufWriter, node: OnnxNode): void {
  for (const name of node.inputs) writer.string(1, name);
  for (const name of node.outputs) writer.string(2, name);
  // Profiles and error messages show the name; the first output is unique and tells the place.
  writer.string(3, node.outputs[0] ?? node.type);
  writer.string(4, node.type);
  for (const [name, attribute] of Object.entries(node.attributes)) {
    writer.message(5, (to) => writeAttribute(to, name, attribute));
  }
  if (node.domain !== "") writer.string(7, node.domain);
}

function writeAttribute(writer: ProtobufWriter, name: string, attribute: OnnxAttribute): void {
  writer.string(1, name);
  if ("float" in attribute) {
    writer.float(2, attribute.float);
    writer.int(20, 1);
  } else if ("int" in attribute) {
    writer.int(3, attribute.int);
    writer.int(20, 2);
  } else if ("string" in attribute) {
    writer.string(4, attribute.string);
    writer.int(20, 3);
  } else if ("graph" in attribute) {
    writer.message(6, (graph) => writeSubgraph(graph, name, attribute.graph));
    writer.int(20, 5);
  } else {
    for (const value of attribute.ints) writer.int(8, value);
    writer.int(20, 7);
  }
}

/** Types and shapes of a part's outputs are inferred. */
function writeSubgraph(writer: ProtobufWriter, name: string, graph: OnnxSubgraph): void {
  for (const node of graph.nodes) writer.message(1, (to) => writeNode(to, node));
  writer.string(2, name);
  for (const output of graph.outputs) writer.message(12, (to) => to.string(1, output));
}

function writeTensor(writer: ProtobufWriter, tensor: OnnxInitializer): void {
  for (const dim of tensor.dims) writer.int(1, dim);
  writer.int(2, onnxType[tensor.type]);
  writer.string(8, tensor.name);
  if (tensor.data instanceof Uint8Array) {
    writer.bytes(9, tensor.data);
    return;
  }
  const { location, offset, length } = tensor.data;
  for (const [key, value] of Object.entries({ location, offset, length })) {
    writer.message(13, (entry) => {
      entry.string(1, key);
      entry.string(2, String(value));
    });
  }
  writer.int(14, 1);
}

function writeValue(writer: ProtobufWriter, value: OnnxValue): void {
  writer.string(1, value.name);
  writer.message(2, (type) => {
    type.message(1, (tensor) => {
      tensor.int(1, onnxType[value.type]);
      tensor.message(2, (shape) => {
        for (const dim of value.dims) {
          shape.message(1, (to) => {
            if (typeof dim === "number") to.int(1, dim);
            else to.string(2, dim);
          });
        }
      });
    });
  });
}
