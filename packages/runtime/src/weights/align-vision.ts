import type { VisionConfig } from "../load/vision-config.ts";
import type { Weight, WeightMap } from "./weight-map.ts";

/**
 * A vision encoder's weights under the names and in the shapes that its graph reads.
 *
 * Larger models save it with a prefix (`vit`, `vision_model`, `vision_tower.vision_model`), which the
 * one tensor of the patches shows; with none or several of these, names stay. The convolution becomes
 * a matrix `[hidden, channels * patch * patch]`, class token and positions become vectors.
 */
export function alignVision(weights: WeightMap, { names }: VisionConfig): WeightMap {
  const own = `${names.patches}.weight`;
  const found = [...weights.keys()].filter((name) => name === own || name.endsWith(`.${own}`));
  const prefix = found.length === 1 ? found[0]!.slice(0, -own.length) : "";
  const aligned = new Map<string, Weight>();
  for (const [name, weight] of weights) {
    const short = name.startsWith(prefix) ? name.slice(prefix.length) : name;
    aligned.set(short, weight);
  }
  flatten(aligned, own, ([outputs, ...inputs]) => [outputs!, product(inputs)]);
  for (const name of [names.classToken, names.positions]) {
    if (name !== null) flatten(aligned, name, (shape) => [product(shape)]);
  }
  return aligned;
}

function flatten(
  weights: Map<string, Weight>,
  name: string,
  change: (shape: readonly number[]) => readonly number[],
): void {
  const weight = weights.get(name);
  if (weight === undefined || weight.shape.length === 0) return;
  weights.set(name, { ...weight, shape: change(weight.shape) });
}

function product(shape: readonly number[]): number {
  return shape.reduce((size, dim) => size * dim, 1);
}
