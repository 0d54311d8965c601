import { InferenceError } from "@frugal/core";

import { protobufFields } from "./protobuf-reader.ts";

/** Every engine has it; the compiler's ECMAScript library does not. */
declare const TextDecoder: new () => { decode(bytes: Uint8Array): string };

/** An operator call of a model that was read. */
export interface GraphNode {
  readonly type: string;
  /** Values that it reads; an empty name means "not given". */
  readonly inputs: readonly string[];
  /** Values that its parts (of `If`, `Loop`) read, of the graph around them or of their own. */
  readonly inner: readonly string[];
  readonly outputs: readonly string[];
  /** Its integer attributes. */
  readonly ints: ReadonlyMap<string, number>;
}

/** Graphs in graphs; ONNX Runtime's own parser gives up at a similar depth. */
const deepest = 50;

/**
 * Reads a `NodeProto`.
 *
 * @throws {@link InferenceError} `format` if it is broken or its parts are nested too deep.
 */
export function readNode(bytes: Uint8Array, depth = 0): GraphNode {
  if (depth > deepest) {
    throw new InferenceError("format", `onnx: expected at most ${deepest} graphs in each other`);
  }
  const text = new TextDecoder();
  const inputs: string[] = [];
  const outputs: string[] = [];
  const inner: string[] = [];
  const ints = new Map<string, number>();
  let type = "";
  for (const { field, bytes: part } of protobufFields(bytes)) {
    if (field === 1) inputs.push(text.decode(part));
    if (field === 2) outputs.push(text.decode(part));
    if (field === 4) type = text.decode(part);
    if (field === 5) readAttribute(part, ints, inner, depth);
  }
  return { type, inputs, inner, outputs, ints };
}

function readAttribute(
  bytes: Uint8Array,
  ints: Map<string, number>,
  inner: string[],
  depth: number,
): void {
  let name = "";
  let value: number | null = null;
  for (const one of protobufFields(bytes)) {
    if (one.field === 1) name = new TextDecoder().decode(one.bytes);
    if (one.field === 3) value = one.value;
    if (one.field !== 6 && one.field !== 11) continue;
    for (const { field, bytes: node } of protobufFields(one.bytes)) {
      if (field !== 1) continue;
      const part = readNode(node, depth + 1);
      for (const of of part.inputs) inner.push(of);
      for (const of of part.inner) inner.push(of);
    }
  }
  if (value !== null) ints.set(name, value);
}

/**
 * The nodes in an order in which each comes after those whose values it reads.
 *
 * Cost: O(nodes and their inputs). What nothing makes is taken as given.
 *
 * @throws {@link InferenceError} `format` if nodes wait for each other.
 */
export function sortNodes(nodes: readonly GraphNode[]): readonly GraphNode[] {
  const maker = new Map<string, number>();
  for (const [i, { outputs }] of nodes.entries()) for (const name of outputs) maker.set(name, i);
  const readers: number[][] = nodes.map(() => []);
  const waits = new Int32Array(nodes.length);
  for (const [i, { inputs, inner }] of nodes.entries()) {
    for (const name of [...inputs, ...inner]) {
      const from = maker.get(name);
      if (name === "" || from === undefined) continue;
      readers[from]!.push(i);
      waits[i]!++;
    }
  }
  const order: number[] = [];
  for (const [i, count] of waits.entries()) if (count === 0) order.push(i);
  for (let at = 0; at < order.length; at++) {
    for (const reader of readers[order[at]!]!) if (--waits[reader]! === 0) order.push(reader);
  }
  if (order.length === nodes.length) return order.map((i) => nodes[i]!);
  const stuck = nodes[waits.findIndex((count) => count > 0)]!;
  throw new InferenceError("format", `onnx: ${stuck.type} at ${stuck.outputs[0]} waits for itself`);
}
