import { InferenceError } from "@frugal/core";

import { gridOf } from "../../architectures/vision/vision-layout.ts";
import type { VisionConfig } from "../../load/vision-config.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { GraphBuilder } from "../graph-builder.ts";
import { classAttention, type LayerProjections } from "./class-attention.ts";
import { clusterRows, reconstructRows } from "./cluster-rows.ts";
import { mergePairs } from "./merge-pairs.ts";
import { modulator } from "./modulate-rows.ts";
import { pruneAndMerge } from "./prune-and-merge.ts";
import { checkExpedit, checkLayers, checkSchedule, perLayerCounts } from "./check-reduction.ts";
import { gatherAt, sliceRows } from "./rows.ts";
import { RowTracker } from "./row-tracker.ts";
import { slimming } from "./slim-rows.ts";
import type {
  DiffRateReduction,
  ExpeditReduction,
  PyraReduction,
  SitReduction,
  TokenReduction,
  TomeReduction,
} from "./token-reduction.ts";

/** A reduction as steps of an encoder that is being built. */
export interface ReductionSteps {
  readonly tracker: RowTracker;
  /** Added to the scores of attention, `[n, 1, rows, rows]`; null: nothing. */
  readonly bias: () => string | null;
  /** By layer, what happens to its input; by the number of layers, to the output of the last. */
  readonly before: ReadonlyMap<number, (rows: string) => string>;
  /** By layer, what happens between its attention and its MLP. */
  readonly inside: ReadonlyMap<number, (rows: string, projections: LayerProjections) => string>;
}

/** What the steps are built with. */
interface Place {
  readonly graph: GraphBuilder;
  readonly config: VisionConfig;
  readonly checkpoint: Checkpoint;
  readonly tracker: RowTracker;
}

/**
 * The steps of a reduction.
 *
 * @param rows how many enter the first layer
 * @throws {@link InferenceError} `range` or `shape` for a reduction that does not fit the encoder;
 *   `unsupported` for an unknown method or one that needs a class token where there is none.
 */
export function lowerReduction(
  graph: GraphBuilder,
  config: VisionConfig,
  checkpoint: Checkpoint,
  reduction: TokenReduction,
  rows: number | string,
): ReductionSteps {
  if (config.positions.kind !== "table" || typeof rows === "string") {
    const message = `reduce: ${config.architecture} tells rows apart by where images end`;
    throw new InferenceError("unsupported", message);
  }
  const place: Place = { graph, config, checkpoint, tracker: new RowTracker(graph, rows) };
  switch (reduction.method) {
    case "tome":
    case "pyra":
      return lowerMerging(place, reduction);
    case "diffrate":
      return lowerDiffRate(place, reduction);
    case "expedit":
      return lowerExpedit(place, reduction);
    case "sit":
      return lowerSit(place, reduction);
    case "select":
      return lowerSelect(place);
    default: {
      const { method } = reduction as { readonly method: unknown };
      throw new InferenceError("unsupported", `reduce: unknown method ${JSON.stringify(method)}`);
    }
  }
}

const none = { before: new Map(), inside: new Map(), bias: () => null } as const;

function lowerMerging(place: Place, reduction: TomeReduction | PyraReduction): ReductionSteps {
  const { graph, config, checkpoint, tracker } = place;
  const { method, proportional = true } = reduction;
  const { heads, hiddenSize, names } = config;
  const classToken = names.classToken !== null;
  const inside = new Map<number, (rows: string, from: LayerProjections) => string>();
  for (const [layer, wanted] of perLayerCounts(reduction.perLayer, config).entries()) {
    if (wanted === 0) continue;
    inside.set(layer, (rows, { keys }) => {
      const most = Math.floor((tracker.count - (classToken ? 1 : 0)) / 2);
      const count = Math.min(wanted, most);
      if (count === 0) return rows;
      const prefix = `${names.layers}.${layer}`;
      const modulate =
        method === "pyra" ? modulator(graph, checkpoint, prefix, hiddenSize, count) : null;
      return mergePairs(graph, tracker, rows, { count, keys, heads, classToken, modulate });
    });
  }
  return { ...none, tracker, inside, bias: () => (proportional ? tracker.attentionBias() : null) };
}

function lowerDiffRate(place: Place, { prune, merge }: DiffRateReduction): ReductionSteps {
  const { graph, config, tracker } = place;
  const { heads, hiddenSize } = config;
  expectClassToken(config, "diffrate");
  checkSchedule("prune", prune, config);
  checkSchedule("merge", merge, config);
  const inside = new Map<number, (rows: string, from: LayerProjections) => string>();
  for (let layer = 0; layer < config.layers; layer++) {
    inside.set(layer, (rows, projections) => {
      const before = tracker.count;
      const pruned = Math.min(before, prune[layer]!);
      const merged = Math.min(pruned, merge[layer]!);
      if (merged === before) return rows;
      const importance = classAttention(graph, projections, heads, hiddenSize);
      return pruneAndMerge(graph, tracker, rows, importance, { pruned, merged });
    });
  }
  return { ...none, tracker, inside, bias: () => tracker.attentionBias() };
}

function lowerExpedit(place: Place, reduction: ExpeditReduction): ReductionSteps {
  const { graph, config, tracker } = place;
  const { from, to = config.layers, clusters, temperature = 0.01 } = reduction;
  const { iterations = 5, window = 5, neighbours = 20 } = reduction;
  const grid = gridOf(config.imageSize!, config.patchSize);
  checkExpedit({ from, to, clusters, temperature, iterations, window, neighbours }, grid, config);
  const count = clusters[0] * clusters[1];
  const all = tracker.count;
  const near = Math.min(neighbours, count);
  let patches = "";
  let centres = "";
  const before = new Map<number, (rows: string) => string>();
  before.set(from, (rows) =>
    besideClassToken(place, rows, (given) => {
      patches = given;
      centres = clusterRows(graph, given, grid, {
        clusters,
        iterations,
        temperature,
        window,
      });
      return [centres, count];
    }),
  );
  before.set(to, (rows) =>
    besideClassToken(place, rows, (after) => [
      reconstructRows(graph, patches, centres, after, { neighbours: near, temperature }),
      config.names.classToken === null ? all : all - 1,
    ]),
  );
  return { ...none, tracker, before };
}

function lowerSit(place: Place, reduction: SitReduction): ReductionSteps {
  const { graph, config, checkpoint, tracker } = place;
  checkLayers("before", reduction.before, config.layers);
  const before = new Map<number, (rows: string) => string>();
  for (const [i, layer] of reduction.before.entries()) {
    const { count, add } = slimming(graph, checkpoint, `tsm.${i}`, config.hiddenSize);
    before.set(layer, (rows) => besideClassToken(place, rows, (given) => [add(given), count]));
  }
  return { ...none, tracker, before };
}

function lowerSelect(place: Place): ReductionSteps {
  const { graph, tracker } = place;
  const before = new Map<number, (rows: string) => string>();
  before.set(0, (rows) => {
    const keep = graph.input("keep", "int64", ["n", "kept"]);
    const column = graph.node("Unsqueeze", [keep, graph.ints([2])]);
    const selected = besideClassToken(place, rows, (given) => [gatherAt(graph, given, column), 0]);
    tracker.rows = "rows";
    return selected;
  });
  return { ...none, tracker, before };
}

/** Changes the rows of patches; the class token's passes by. Notes how many rows there are then. */
function besideClassToken(
  { graph, config, tracker }: Place,
  rows: string,
  change: (patches: string) => readonly [string, number],
): string {
  if (config.names.classToken === null) {
    const [changed, count] = change(rows);
    tracker.rows = count;
    return changed;
  }
  const [changed, count] = change(sliceRows(graph, rows, [1, 2 ** 31]));
  tracker.rows = count + 1;
  const first = sliceRows(graph, rows, [0, 1]);
  return graph.node("Concat", [first, changed], { axis: { int: 1 } });
}

function expectClassToken({ names, architecture }: VisionConfig, method: string): void {
  if (names.classToken !== null) return;
  throw new InferenceError(
    "unsupported",
    `reduce: ${method}: expected an encoder with a class token, ${architecture} has none`,
  );
}
