import { gridOf } from "../../architectures/vision/vision-layout.ts";
import type { Size, VisionConfig } from "../../load/vision-config.ts";
import type { GraphBuilder } from "../graph-builder.ts";
import { project, vector } from "../linear.ts";
import { normalize } from "../norm.ts";
import type { EncoderParts } from "./encoder-parts.ts";

/**
 * Adds the first rows of the stream, `[n, rows, hidden]`: the class token where there is one, then the
 * patches, with their positions.
 *
 * Inputs: `pixel_values` `[n, channels, height, width]`, or where images are given as patches
 * `[n, rows, channels * frames * height * width of a patch]`; with positions by fraction
 * `position_ids` int32 `[n, rows]`, rows of the table.
 */
export function embedPatches(encoder: EncoderParts): string {
  const { graph, config, checkpoint } = encoder;
  const { channels, frames, patchSize, hiddenSize, names, norm } = config;
  const inputs = channels * frames * patchSize[0] * patchSize[1];
  const pixels =
    config.imageSize === null
      ? graph.input("pixel_values", "float32", ["n", "rows", inputs])
      : cutPatches(graph, config, config.imageSize);
  const [rows] = project(graph, checkpoint, pixels, [
    { name: names.patches, inputs, outputs: hiddenSize, bias: config.biases.patches },
  ]);
  const placed = addPositions(encoder, rows!);
  if (names.entryNorm === null) return placed;
  return normalize(graph, checkpoint, names.entryNorm, hiddenSize, norm, placed);
}

/** Rows of an image: one per whole patch, and the class token's; by name where images differ. */
export function rowsOf({ imageSize, patchSize, names }: VisionConfig): number | string {
  if (imageSize === null) return "rows";
  const [height, width] = gridOf(imageSize, patchSize);
  return height * width + (names.classToken === null ? 0 : 1);
}

/** Pixels of each patch as a row, `[n, patches, channels * height * width]`; a rest is cut off. */
function cutPatches(
  graph: GraphBuilder,
  { channels, patchSize: [patchHeight, patchWidth] }: VisionConfig,
  imageSize: Size,
): string {
  const [rows, cols] = gridOf(imageSize, [patchHeight, patchWidth]);
  const [height, width] = [rows * patchHeight, cols * patchWidth];
  const pixels = graph.input("pixel_values", "float32", ["n", channels, ...imageSize]);
  const isWhole = height === imageSize[0] && width === imageSize[1];
  const whole = isWhole
    ? pixels
    : graph.node("Slice", [
        pixels,
        graph.ints([0, 0]),
        graph.ints([height, width]),
        graph.ints([2, 3]),
      ]);
  const split = graph.ints([-1, channels, rows, patchHeight, cols, patchWidth]);
  const byPatch = graph.node("Transpose", [graph.node("Reshape", [whole, split])], {
    perm: { ints: [0, 2, 4, 1, 3, 5] },
  });
  const flat = graph.ints([-1, rows * cols, channels * patchHeight * patchWidth]);
  return graph.node("Reshape", [byPatch, flat]);
}

function addPositions(encoder: EncoderParts, patches: string): string {
  const { graph, config } = encoder;
  const { positions, imageSize, patchSize, hiddenSize } = config;
  if (positions.kind === "rotary") return patches;
  const grid = gridOf(imageSize!, patchSize);
  if (positions.kind === "table") return addTable(encoder, patches, positions.grid, grid);
  const [rows, cols] = positions.grid;
  const table = graph.node("Reshape", [
    positionTable(encoder, rows * cols),
    graph.ints([rows * cols, hiddenSize]),
  ]);
  const ids = graph.input("position_ids", "int32", ["n", grid[0] * grid[1]]);
  return graph.node("Add", [patches, graph.node("Gather", [table, ids])]);
}

/**
 * Adds learned positions, and the class token in front. Its row is one of zeros until it is added, as
 * part of a table that ONNX Runtime folds when it loads the model; so it does with resampling.
 */
function addTable(encoder: EncoderParts, patches: string, stored: Size, grid: Size): string {
  const { graph, config, checkpoint } = encoder;
  const { hiddenSize, names } = config;
  const first = names.classToken === null ? 0 : 1;
  const cells = grid[0] * grid[1];
  const whole = positionTable(encoder, stored[0] * stored[1] + first);
  const isSame = stored[0] === grid[0] && stored[1] === grid[1];
  const positions = isSame ? whole : resample(encoder, whole, stored, grid, first);
  if (names.classToken === null) return graph.node("Add", [patches, positions]);
  const token = graph.node("Reshape", [
    vector(graph, checkpoint, names.classToken, hiddenSize),
    graph.ints([1, 1, hiddenSize]),
  ]);
  const behindToken = graph.ints([0, 0, 0, 0, cells, 0]);
  const table = graph.node("Add", [positions, graph.node("Pad", [token, behindToken])]);
  const behind = graph.node("Pad", [patches, graph.ints([0, 1, 0, 0, 0, 0])]);
  return graph.node("Add", [behind, table]);
}

/** The learned positions, `[1, rows, hidden]`. */
function positionTable({ graph, config, checkpoint }: EncoderParts, rows: number): string {
  const values = vector(graph, checkpoint, config.names.positions!, rows * config.hiddenSize);
  return graph.node("Reshape", [values, graph.ints([1, rows, config.hiddenSize])]);
}

/**
 * Positions of another grid by bicubic interpolation, as `interpolate_pos_encoding` of transformers
 * does it; the class token's stays.
 */
function resample(
  { graph, config }: EncoderParts,
  table: string,
  stored: Size,
  grid: Size,
  first: number,
): string {
  const { hiddenSize } = config;
  const part = (from: number, to: number): string =>
    graph.node("Slice", [table, graph.ints([from]), graph.ints([to]), graph.ints([1])]);
  const cells = stored[0] * stored[1];
  const rows = first === 0 ? table : part(first, first + cells);
  const cellsFirst = graph.node("Reshape", [rows, graph.ints([1, ...stored, hiddenSize])]);
  const planes = graph.node("Transpose", [cellsFirst], { perm: { ints: [0, 3, 1, 2] } });
  const resized = graph.node("Resize", [planes, "", "", graph.ints([1, hiddenSize, ...grid])], {
    mode: { string: "cubic" },
    cubic_coeff_a: { float: -0.75 },
    coordinate_transformation_mode: { string: "half_pixel" },
  });
  const back = graph.node("Transpose", [resized], { perm: { ints: [0, 2, 3, 1] } });
  const flat = graph.node("Reshape", [back, graph.ints([1, grid[0] * grid[1], hiddenSize])]);
  return first === 0 ? flat : graph.node("Concat", [part(0, 1), flat], { axis: { int: 1 } });
}
