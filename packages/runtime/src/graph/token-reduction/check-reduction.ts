import { InferenceError } from "@frugal/core";

import type { Size, VisionConfig } from "../../load/vision-config.ts";
import type { ExpeditReduction } from "./token-reduction.ts";

/** Counts of each layer, of one for all of them or a list. */
export function perLayerCounts(
  perLayer: number | readonly number[],
  { layers }: VisionConfig,
): readonly number[] {
  const counts = typeof perLayer === "number" ? Array<number>(layers).fill(perLayer) : perLayer;
  expectEntries("perLayer", counts, layers);
  for (const count of counts) expectWithin("perLayer", count, 0, Infinity);
  return counts;
}

/** Rows per layer, of which one is the class token and one more is left at least. */
export function checkSchedule(
  name: string,
  kept: readonly number[],
  { layers }: VisionConfig,
): void {
  expectEntries(name, kept, layers);
  for (const count of kept) expectWithin(name, count, 2, Infinity);
}

/** Layers of the encoder, ascending. */
export function checkLayers(name: string, list: readonly number[], layers: number): void {
  let previous = -1;
  for (const layer of list) {
    expectWithin(name, layer, previous + 1, layers - 1);
    previous = layer;
  }
}

/** Everything about clusters. */
export function checkExpedit(
  reduction: Required<Omit<ExpeditReduction, "method">>,
  grid: Size,
  { layers }: VisionConfig,
): void {
  const { from, to, clusters, temperature, iterations, window, neighbours } = reduction;
  expectWithin("from", from, 0, layers - 1);
  expectWithin("to", to, from + 1, layers);
  for (const [i, count] of clusters.entries()) expectWithin("clusters", count, 1, grid[i]!);
  expectWithin("iterations", iterations, 0, Infinity);
  expectWithin("neighbours", neighbours, 1, Infinity);
  expectWithin("window", window, 1, Infinity);
  if (window % 2 === 0) throw outOf("window", "an odd number", window);
  if (!(temperature > 0 && temperature < Infinity)) {
    throw outOf("temperature", "a positive number", temperature);
  }
}

function expectEntries(name: string, list: readonly number[], layers: number): void {
  if (list.length === layers) return;
  const text = `reduce: ${name}: expected an entry for each of ${layers} layers, got ${list.length}`;
  throw new InferenceError("shape", text);
}

function expectWithin(name: string, value: number, low: number, high: number): void {
  if (Number.isInteger(value) && value >= low && value <= high) return;
  const interval = high === Infinity ? `>= ${low}` : `in [${low}, ${high}]`;
  throw outOf(name, `an integer ${interval}`, value);
}

function outOf(name: string, expected: string, value: number): InferenceError {
  return new InferenceError("range", `reduce: ${name}: expected ${expected}, got ${value}`);
}
