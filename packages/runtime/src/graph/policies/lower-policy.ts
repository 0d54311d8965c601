import { type AttentionPolicy, InferenceError } from "@frugal/core";

import type { ModelConfig } from "../../load/model-config.ts";
import type { SegmentAttention } from "../attention/segments.ts";
import type { GraphBuilder } from "../graph-builder.ts";
import { lowerLandmark } from "./landmark.ts";
import { lowerQuest } from "./quest.ts";
import { lowerRefreshKv } from "./refresh-kv.ts";
import { lowerTidalDecode } from "./tidal-decode.ts";
import { lowerTokenSelect } from "./token-select.ts";

/**
 * Declares the inputs of a policy; returns the attention of a layer under it.
 *
 * @throws {@link InferenceError} `unsupported` for a model with sliding windows or capped scores, or an unknown kind;
 *   `range` for a policy that names layers the model does not have.
 */
export function lowerPolicy(
  graph: GraphBuilder,
  config: ModelConfig,
  policy: AttentionPolicy,
): SegmentAttention {
  if (config.attentionKinds.some(({ window }) => window !== null)) {
    throw new InferenceError("unsupported", `attention: ${policy.kind} with sliding windows`);
  }
  if (config.attentionCap !== null) {
    throw new InferenceError("unsupported", `attention: ${policy.kind} with capped scores`);
  }
  switch (policy.kind) {
    case "token-select":
      return lowerTokenSelect(graph, config, policy);
    case "tidal-decode": {
      const last = policy.selectAt.at(-1)!;
      if (last < config.layers) return lowerTidalDecode(graph, config, policy);
      throw new InferenceError(
        "range",
        `attention: selectAt: expected layers below ${config.layers}, got ${last}`,
      );
    }
    case "refresh-kv":
      return lowerRefreshKv(graph, config);
    case "quest":
      return lowerQuest(graph, config, policy);
    case "landmark":
      return lowerLandmark(graph, config, policy);
    default: {
      const { kind } = policy as { readonly kind: unknown };
      throw new InferenceError("unsupported", `attention: unknown kind ${JSON.stringify(kind)}`);
    }
  }
}
