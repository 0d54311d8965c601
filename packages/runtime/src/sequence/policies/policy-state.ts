import type { AttentionPolicy, ModelInfo } from "@frugal/core";

import type { Ort, Tensor } from "../../onnx/ort.ts";
import type { KvStore } from "../kv-store.ts";
import { LandmarkState } from "./landmark.ts";
import { QuestState } from "./quest.ts";
import { RefreshState } from "./refresh-kv.ts";
import { TidalState } from "./tidal-decode.ts";
import { TokenSelectState } from "./token-select.ts";

/** A step about to run. */
export interface PolicyStep {
  readonly store: KvStore;
  /** Rows of the block. */
  readonly rows: number;
  /** Whether everything has to be attended to, whatever the policy says. */
  readonly full: boolean;
}

/** Tensors and outputs that a policy adds to a step. */
export interface PolicyFeeds {
  readonly tensors: Readonly<Record<string, Tensor>>;
  readonly outputs: readonly string[];
  /** Whether layers attend to a part of the cache. */
  readonly sparse: boolean;
}

/** What a sequence remembers of its policy from step to step, and tells the graph. */
export interface PolicyState {
  /** The most rows of a chain that may run at once, where the policy sets a limit. */
  chunkRows?(length: number): number;
  begin(step: PolicyStep): PolicyFeeds;
  /** Reads the outputs of a step that went well. */
  finish(outputs: Readonly<Record<string, Tensor>>): void;
  /** Told that `length` rows stay, the first `same` of them where they were. */
  keep(same: number, length: number): void;
  fork(): PolicyState;
}

/** A state for a new sequence. */
export function createPolicyState(ort: Ort, info: ModelInfo, policy: AttentionPolicy): PolicyState {
  switch (policy.kind) {
    case "token-select":
      return new TokenSelectState(ort, info, policy);
    case "tidal-decode":
      return new TidalState(ort, policy);
    case "refresh-kv":
      return new RefreshState(ort, info, policy);
    case "quest":
      return new QuestState(ort, info, policy);
    default:
      return new LandmarkState(ort, policy);
  }
}

/** What the capacity of a cache must be a multiple of. */
export function pageSizeOf(policy: AttentionPolicy): number {
  if (policy.kind === "quest") return policy.pageSize;
  return policy.kind === "landmark" ? policy.blockSize : 1;
}
