import { type AttentionPolicy, InferenceError } from "@frugal/core";

import { LandmarkSelector } from "../landmark/landmark-attention.ts";
import { QuestSelector } from "./quest.ts";
import { RefreshSelector } from "./refresh-kv.ts";
import type { Geometry, RowSelector } from "./row-selector.ts";
import { TidalSelector } from "./tidal-decode.ts";
import { TokenSelector } from "./token-select.ts";

/**
 * The selection of a policy on typed arrays, for one sequence of a model.
 *
 * @throws {@link InferenceError} `range` for a policy that names layers the model does not have;
 *   `unsupported` for an unknown kind.
 */
export function createRowSelector(policy: AttentionPolicy, geometry: Geometry): RowSelector {
  switch (policy.kind) {
    case "token-select":
      return new TokenSelector(policy, geometry);
    case "tidal-decode": {
      const last = policy.selectAt.at(-1)!;
      if (last >= geometry.layers) {
        throw new InferenceError(
          "range",
          `selectAt: expected layers below ${geometry.layers}, got ${last}`,
        );
      }
      return new TidalSelector(policy, geometry);
    }
    case "refresh-kv":
      return new RefreshSelector(policy, geometry);
    case "quest":
      return new QuestSelector(policy, geometry);
    case "landmark":
      return new LandmarkSelector(policy, geometry);
    default: {
      const { kind } = policy as { readonly kind: unknown };
      throw new InferenceError("unsupported", `policy: unknown kind ${JSON.stringify(kind)}`);
    }
  }
}
