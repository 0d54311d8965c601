import type { LayerStage } from "@frugal/core";

import { expectInteger } from "../expect.ts";

/** A stage that knows beforehand how many rows of images it lets on. */
export interface PlannedStage extends LayerStage {
  /** Rows that go on, of as many as the images had before any stage. */
  count(total: number): number;
}

/**
 * How many rows of images each layer sees: the `visual` of `estimateCost`.
 *
 * @throws `InferenceError` `range` for what is no count.
 */
export function countByLayer(
  layers: number,
  visual: number,
  stages: readonly PlannedStage[],
): number[] {
  expectInteger("layers", layers, 1);
  expectInteger("visual", visual, 0);
  return Array.from({ length: layers }, (_, layer) =>
    stages.reduce(
      (seen, stage) => (stage.layer <= layer ? Math.min(seen, stage.count(visual)) : seen),
      visual,
    ),
  );
}
