import type { Projection } from "../architectures/projections.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { onnxTypeOf, requireWeight, type Weight } from "../weights/weight-map.ts";
import { byteProduct, hasBytes, roundRows } from "./byte-product.ts";
import type { GraphBuilder } from "./graph-builder.ts";
import { productTransposed } from "./product.ts";

/**
 * Applies projections that share the input `x`, `[.., inputs]`, and returns one result each.
 *
 * Weights whose bytes follow each other in the file become a single matrix product, split
 * afterwards: fewer nodes, the same bytes. Floating-point weights are used as stored (`FusedMatMul`
 * with a transposed second operand, after a cast that ONNX Runtime folds when it loads the model);
 * weights in blocks of 4 or 8 bits go to `MatMulNBits`, or as bytes to products of integers.
 *
 * @param rank of `x`; only bytes need to know it
 */
export function project(
  graph: GraphBuilder,
  checkpoint: Checkpoint,
  x: string,
  projections: readonly Projection[],
  rank: 2 | 3 = 3,
): readonly string[] {
  const addBiases = (results: readonly string[]): readonly string[] =>
    results.map((result, i) => addBias(graph, checkpoint, result, projections[i]!));
  if (projections.every((projection) => hasBytes(checkpoint, projection))) {
    const rows = roundRows(graph, x, projections[0]!.inputs, checkpoint.quantization!.blockSize);
    return addBiases(projections.map((each) => byteProduct(graph, checkpoint, rows, each, rank)));
  }
  const run = checkpoint.weights.has(`${projections[0]!.name}.weight.quantized`)
    ? quantizedProduct
    : floatProduct;
  const joined = run(graph, checkpoint, x, projections);
  const results =
    joined === null
      ? projections.map((projection) => run(graph, checkpoint, x, [projection])!)
      : splitColumns(
          graph,
          joined,
          projections.map(({ outputs }) => outputs),
        );
  return addBiases(results);
}

/** The product with all weights at once, or null if they do not lie side by side. */
function floatProduct(
  graph: GraphBuilder,
  checkpoint: Checkpoint,
  x: string,
  projections: readonly Projection[],
): string | null {
  const { inputs, transposed = false } = projections[0]!;
  if (transposed && projections.length > 1) return null;
  const shape = (outputs: number) => (transposed ? [inputs, outputs] : [outputs, inputs]);
  const parts = projections.map(({ name, outputs }) =>
    requireWeight(checkpoint.weights, `${name}.weight`, shape(outputs)),
  );
  if (!areAdjacent(parts)) return null;
  const outputs = projections.reduce((sum, projection) => sum + projection.outputs, 0);
  const name = projections.map((projection) => `${projection.name}.weight`).join("+");
  const weight = floatConstant(graph, name, parts, shape(outputs));
  return transposed ? graph.node("MatMul", [x, weight]) : productTransposed(graph, x, weight, 2);
}

function quantizedProduct(
  graph: GraphBuilder,
  checkpoint: Checkpoint,
  x: string,
  projections: readonly Projection[],
): string | null {
  const { inputs } = projections[0]!;
  const { blockSize, accuracyLevel } = checkpoint.quantization!;
  const blocks = Math.ceil(inputs / blockSize);
  const name = projections.map((projection) => `${projection.name}.weight`).join("+");
  const blobs: Weight[] = [];
  const scales: Weight[] = [];
  const zeros: Weight[] = [];
  const bitsOf = ({ name: part }: Projection): number =>
    ((checkpoint.weights.get(`${part}.weight.quantized`)?.shape[2] ?? 0) * 8) / blockSize;
  const bits = bitsOf(projections[0]!);
  if (projections.some((projection) => bitsOf(projection) !== bits)) return null;
  for (const { name: part, outputs } of projections) {
    const shape = [outputs, blocks, (blockSize * bits) / 8];
    blobs.push(requireWeight(checkpoint.weights, `${part}.weight.quantized`, shape));
    scales.push(requireWeight(checkpoint.weights, `${part}.weight.scales`, [outputs, blocks]));
    const zero = checkpoint.weights.get(`${part}.weight.zeros`);
    if (zero !== undefined) zeros.push(zero);
  }
  if (![blobs, scales, zeros].every(areAdjacent)) return null;
  const outputs = projections.reduce((sum, projection) => sum + projection.outputs, 0);
  const blobDims = [outputs, blocks, (blockSize * bits) / 8];
  return graph.node(
    "MatMulNBits",
    [
      x,
      graph.external(`${name}.quantized`, "uint8", blobDims, joinRanges(blobs)),
      graph.external(`${name}.scales`, "float32", [outputs * blocks], joinRanges(scales)),
      ...(zeros.length === 0
        ? []
        : [graph.external(`${name}.zeros`, "uint8", [byteLength(zeros)], joinRanges(zeros))]),
    ],
    {
      K: { int: inputs },
      N: { int: outputs },
      bits: { int: bits },
      block_size: { int: blockSize },
      accuracy_level: { int: accuracyLevel },
    },
  );
}

/** Cuts the last dimension into parts of the given widths. */
export function splitColumns(
  graph: GraphBuilder,
  joined: string,
  widths: readonly number[],
): readonly string[] {
  if (widths.length === 1) return [joined];
  return graph.nodes("Split", [joined, graph.ints(widths)], widths.length, { axis: { int: -1 } });
}

function addBias(
  graph: GraphBuilder,
  checkpoint: Checkpoint,
  result: string,
  { name, outputs, bias }: Projection,
): string {
  if (!bias) return result;
  return graph.node("Add", [result, vector(graph, checkpoint, `${name}.bias`, outputs)]);
}

/** A one-dimensional weight as float32. */
export function vector(
  graph: GraphBuilder,
  checkpoint: Checkpoint,
  name: string,
  length: number,
): string {
  return matrix(graph, checkpoint, name, [length]);
}

/** A weight of any shape as float32, outside of a product with rows. */
export function matrix(
  graph: GraphBuilder,
  checkpoint: Checkpoint,
  name: string,
  dims: readonly number[],
): string {
  const weight = requireWeight(checkpoint.weights, name, dims);
  return floatConstant(graph, name, [weight], dims);
}

function floatConstant(
  graph: GraphBuilder,
  name: string,
  parts: readonly Weight[],
  dims: readonly number[],
): string {
  const type = onnxTypeOf(name, parts[0]!);
  const stored = graph.external(name, type, dims, joinRanges(parts));
  return type === "float32" ? stored : graph.node("Cast", [stored], { to: { int: 1 } });
}

/** Same file, same type, and each begins where the one before it ends. */
function areAdjacent(parts: readonly Weight[]): boolean {
  return parts.every((part, i) => {
    const before = parts[i - 1];
    return (
      before === undefined ||
      (part.location === before.location &&
        part.dtype === before.dtype &&
        part.offset === before.offset + before.length)
    );
  });
}

function joinRanges(parts: readonly Weight[]): {
  location: string;
  offset: number;
  length: number;
} {
  const { location, offset } = parts[0]!;
  return { location, offset, length: byteLength(parts) };
}

function byteLength(parts: readonly Weight[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}
