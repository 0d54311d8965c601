import type { VisionConfig } from "../load/vision-config.ts";
import type { Weight, WeightMap } from "./weight-map.ts";

/**
 * A vision encoder's weights under the names and in the shapes that its graph reads.
 *
 * Larger models save it with a prefix (`vit`, `vision_model`, `vision_tower.vision_model`), which the
 * one tensor of the patches shows; with none or several of these, names stay. The convolution becomes
 * a matrix `[hidden, channels * patch * patch]`; class token, positions and the query that pools become
 * vectors; its joined projections become three. A projector's weights are found by the ends of their
 * names, since they lie beside the encoder or in it.
 */
export function alignVision(
  weights: WeightMap,
  { names, pooling, projector }: VisionConfig,
): WeightMap {
  const own = `${names.patches}.weight`;
  const found = [...weights.keys()].filter((name) => name === own || name.endsWith(`.${own}`));
  const prefix = found.length === 1 ? found[0]!.slice(0, -own.length) : "";
  const aligned = new Map<string, Weight>();
  for (const [name, weight] of weights) {
    const short = name.startsWith(prefix) ? name.slice(prefix.length) : name;
    aligned.set(short, weight);
  }
  for (const { name } of projector?.linears ?? []) {
    for (const kind of ["weight", "bias"]) find(weights, `${name}.${kind}`, aligned);
  }
  if (projector?.newline) find(weights, projector.newline, aligned);
  if (pooling?.kind === "attention") {
    const attention = `${pooling.prefix}.attention`;
    for (const kind of ["weight", "bias"]) {
      const into = ["q", "k", "v"].map((part) => `${attention}.${part}_proj.${kind}`);
      splitRows(aligned, `${attention}.in_proj_${kind}`, into);
    }
    flatten(aligned, `${pooling.prefix}.probe`, (shape) => [product(shape)]);
  }
  flatten(aligned, own, ([outputs, ...inputs]) => [outputs!, product(inputs)]);
  for (const name of [names.classToken, names.positions]) {
    if (name !== null) flatten(aligned, name, (shape) => [product(shape)]);
  }
  return aligned;
}

/** Adds the only weight whose name ends so, under that name. */
function find(weights: WeightMap, name: string, into: Map<string, Weight>): void {
  const found = [...weights.keys()].filter((key) => key === name || key.endsWith(`.${name}`));
  if (found.length === 1) into.set(name, weights.get(found[0]!)!);
}

/** Parts of a matrix, or of a vector, by its rows: the same bytes under other names. */
function splitRows(weights: Map<string, Weight>, name: string, into: readonly string[]): void {
  const weight = weights.get(name);
  if (weight === undefined) return;
  const [rows, ...rest] = weight.shape;
  const length = weight.length / into.length;
  for (const [i, part] of into.entries()) {
    const shape = [rows! / into.length, ...rest];
    weights.set(part, { ...weight, shape, offset: weight.offset + i * length, length });
  }
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
