// Writes a vision encoder with the inputs of SmolVLM's, small enough to compute its result by hand.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import type { Matrix } from "@frugal/core";

import { GraphBuilder } from "../../../runtime/src/graph/graph-builder.ts";

/** An image of three patches, and the rows that the encoder makes of it. */
export interface EncodedImage {
  readonly input: { readonly data: Float32Array; readonly dims: readonly number[] };
  readonly expected: Matrix;
}

/** Writes `vision_encoder.onnx`: a product of patches and weights, masked. */
export async function writeVisionEncoder(
  folder: string,
  hiddenSize: number,
): Promise<EncodedImage> {
  const graph = new GraphBuilder();
  const pixels = graph.input("pixel_values", "float32", ["images", 3, 4]);
  const mask = graph.input("pixel_attention_mask", "bool", ["images", 3]);
  const weights = Float32Array.from({ length: 4 * hiddenSize }, (_, i) => Math.sin(i));
  const product = graph.node("MatMul", [pixels, graph.floats("w", weights, [4, hiddenSize])]);
  const seen = graph.node("Cast", [graph.node("Unsqueeze", [mask, graph.ints([2])])], {
    to: { int: 1 },
  });
  const rows = graph.node("Mul", [product, seen]);
  graph.output("image_features", rows, "float32", ["images", 3, hiddenSize]);
  await writeFile(join(folder, "vision_encoder.onnx"), graph.finish("vision"));

  const data = Float32Array.from({ length: 12 }, (_, i) => i / 10 - 0.5);
  const expected = new Float32Array(3 * hiddenSize);
  for (let patch = 0; patch < 2; patch++) {
    for (let c = 0; c < hiddenSize; c++) {
      let sum = 0;
      for (let k = 0; k < 4; k++) sum += data[patch * 4 + k]! * weights[k * hiddenSize + c]!;
      expected[patch * hiddenSize + c] = sum;
    }
  }
  return {
    input: { data, dims: [1, 3, 4] },
    expected: { data: expected, rows: 3, cols: hiddenSize },
  };
}

/**
 * Writes an encoder of images with as many patches of four values each, `[images, patches, 4]`: a
 * product by weights, and a row of positions on each, whose number no dimension of the input tells.
 */
export async function writePatchEncoder(
  path: string,
  hiddenSize: number,
  patches: number,
): Promise<void> {
  const graph = new GraphBuilder();
  const pixels = graph.input("pixel_values", "float32", ["images", "patches", 4]);
  const weights = Float32Array.from({ length: 4 * hiddenSize }, (_, i) => Math.sin(3 * i) / 2);
  const product = graph.node("MatMul", [pixels, graph.floats("w", weights, [4, hiddenSize])]);
  const places = Float32Array.from({ length: patches * hiddenSize }, (_, i) => Math.cos(i) / 4);
  const table = graph.floats("positions", places, [patches, hiddenSize]);
  const rows = graph.node("Add", [product, table]);
  graph.output("image_features", rows, "float32", ["images", "patches", hiddenSize]);
  await writeFile(path, graph.finish("vision"));
}

/**
 * Writes the graph that onnxruntime-genai splices images with: rows of a table by `input_ids`, those of
 * the placeholder in turn replaced by the rows of `image_features`.
 */
export async function writeSplicer(
  path: string,
  { data, shape }: { readonly data: Float32Array; readonly shape: readonly number[] },
  placeholder: number,
): Promise<void> {
  const graph = new GraphBuilder();
  const cols = shape[1]!;
  const ids = graph.input("input_ids", "int64", ["batch_size", "s"]);
  const features = graph.input("image_features", "float32", ["rows", cols]);
  const rows = graph.node("Gather", [graph.floats("table", data, shape), ids]);
  const flat = graph.node("Reshape", [rows, graph.ints([-1, cols])]);
  const isImage = graph.node("Equal", [ids, graph.ints([placeholder], [])]);
  const list = graph.node("Reshape", [isImage, graph.ints([-1])]);
  const places = graph.node("Transpose", [graph.node("NonZero", [list])]);
  const spliced = graph.node("ScatterND", [flat, places, features]);
  const whole = graph.node("Unsqueeze", [spliced, graph.ints([0])]);
  graph.output("inputs_embeds", whole, "float32", ["batch_size", "s", cols]);
  await writeFile(path, graph.finish("embedding"));
}
