import type { VisionConfig } from "../../load/vision-config.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { GraphBuilder } from "../graph-builder.ts";
import type { ReductionSteps } from "../token-reduction/lower-reduction.ts";

/** What the parts of a vision encoder are built with. */
export interface EncoderParts {
  readonly graph: GraphBuilder;
  readonly config: VisionConfig;
  readonly checkpoint: Checkpoint;
  /** Null where all rows pass through all layers. */
  readonly reduction: ReductionSteps | null;
}
