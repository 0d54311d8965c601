import { InferenceError } from "@frugal/core";

import { gridOf } from "../../architectures/vision/vision-layout.ts";
import type { Projector } from "../../load/vision-config.ts";
import { activate } from "../activation.ts";
import { project, vector } from "../linear.ts";
import { rowsOf } from "./embed-patches.ts";
import type { EncoderParts } from "./encoder-parts.ts";

/** The rows of an encoder that a projector can read. */
export interface EncoderRows {
  /** Inputs of the layers, and the output of the last one; undefined for a layer that is not there. */
  readonly hidden: (tap: number) => string | undefined;
  readonly final: string;
}

/**
 * Adds the output `features` `[n, tokens, width of the decoder]`, where there is a projector and it can
 * read the rows: those of hidden states that it joins are equally many, and neighbours are all there.
 */
export function addFeatures(encoder: EncoderParts, rows: EncoderRows): void {
  const { graph, config, checkpoint, reduction } = encoder;
  const { projector, hiddenSize } = config;
  if (projector === null) return;
  if (reduction !== null && (projector.join !== null || projector.reads.length > 1)) return;
  const { reads, patchesOnly, linears, activation, bias } = projector;
  const parts = reads.flatMap((tap) => (tap === "final" ? rows.final : (rows.hidden(tap) ?? [])));
  if (parts.length < reads.length) return;
  const read = parts.length === 1 ? parts[0]! : graph.node("Concat", parts, { axis: { int: 2 } });
  const patches = patchesOnly
    ? graph.node("Slice", [read, graph.ints([1]), graph.ints([2 ** 31]), graph.ints([1])])
    : read;
  let width = hiddenSize * reads.length * (projector.join === null ? 1 : projector.join.side ** 2);
  let x = joinNeighbours(encoder, projector, patches);
  for (const [i, { name, outputs }] of linears.entries()) {
    if (i > 0) x = activate(graph, activation, x);
    [x] = project(graph, checkpoint, x, [{ name, inputs: width, outputs, bias }]) as [string];
    width = outputs;
  }
  graph.output("features", x, "float32", ["n", tokensOf(encoder, projector), width]);
  addNewline(encoder, projector, width);
}

/** Adds the output `newline` `[1, width of the decoder]`, where there is such a row. */
function addNewline(
  { graph, checkpoint }: EncoderParts,
  { newline }: Projector,
  width: number,
): void {
  if (newline === null) return;
  const row = vector(graph, checkpoint, newline, width);
  graph.output("newline", graph.node("Reshape", [row, graph.ints([1, width])]), "float32", [
    1,
    width,
  ]);
}

/** Squares of neighbouring rows as one, row by row of the square. */
function joinNeighbours(
  { graph, config }: EncoderParts,
  { join, reads }: Projector,
  rows: string,
): string {
  if (join === null) return rows;
  const { side, from } = join;
  const width = config.hiddenSize * reads.length;
  const joined = graph.ints([0, -1, side ** 2 * width]);
  if (from === "order") return graph.node("Reshape", [rows, joined]);
  const [height, breadth] = gridOf(config.imageSize!, config.patchSize);
  if (height % side !== 0 || breadth % side !== 0) {
    const message = `expected rows and columns of patches in multiples of ${side}`;
    throw new InferenceError("shape", `features: ${message}, got ${height} x ${breadth}`);
  }
  const cells = graph.ints([-1, height / side, side, breadth / side, side, width]);
  const squares = graph.node("Transpose", [graph.node("Reshape", [rows, cells])], {
    perm: { ints: [0, 1, 3, 2, 4, 5] },
  });
  const flat = graph.ints([-1, (height / side) * (breadth / side), side ** 2 * width]);
  return graph.node("Reshape", [squares, flat]);
}

function tokensOf(
  { config, reduction }: EncoderParts,
  { join, patchesOnly }: Projector,
): number | string {
  const rows = rowsOf(config);
  if (typeof rows === "string" || reduction !== null) return "tokens";
  return join === null ? rows - (patchesOnly ? 1 : 0) : rows / join.side ** 2;
}
