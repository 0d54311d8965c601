import { createVisionEncoder, type VisionEncoder } from "../exported/vision-encoder.ts";
import type { VisionGraphOptions } from "../graph/vision-encoder.ts";
import type { VisionConfig } from "../load/vision-config.ts";
import type { InferenceSession, Ort } from "../onnx/ort.ts";
import { createReducedTower } from "./reduced-tower.ts";
import { createVisionTower } from "./vision-tower.ts";

/** What is chosen when a vision encoder is loaded. */
export interface TowerOptions extends Pick<VisionGraphOptions, "reduce" | "layers"> {
  /** What `encode` gives; default what the encoder is for. */
  readonly output?: string | undefined;
}

/** How a vision encoder is built, and what runs it then. */
export interface TowerPlan {
  /** For `buildVisionEncoder`. */
  readonly graph: VisionGraphOptions;
  /** The encoder over a session of that graph: with `reduce` a `ReducedTower`. */
  readonly create: (ort: Ort, session: InferenceSession) => VisionEncoder;
}

/**
 * Plans a vision encoder, for adapters that load it. What `encode` gives by default are the rows for the
 * decoder where there is a projector, else those after the final norm, and of a range that ends before
 * the last layer `"hidden.{to}"`.
 */
export function planTower(
  config: VisionConfig,
  { reduce, layers, output = defaultOutput(config, layers) }: TowerOptions,
): TowerPlan {
  const create: TowerPlan["create"] = (ort, session) => {
    if (reduce !== undefined) return createReducedTower(ort, session, config, output);
    if (layers !== undefined && layers[0] > 0) return createVisionEncoder(ort, session);
    return createVisionTower(ort, session, config);
  };
  return { graph: { outputs: [output], reduce, layers }, create };
}

function defaultOutput(
  { layers: count, projector }: VisionConfig,
  layers: TowerOptions["layers"],
): string {
  if (layers !== undefined && layers[1] < count) return `hidden.${layers[1]}`;
  return projector === null ? "hidden.final" : "features";
}
