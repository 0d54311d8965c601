import type { AttentionKind, ModelConfig } from "../load/model-config.ts";
import type { KeyFrequencies } from "./kv-store.ts";
import { type Rotation, rotationOf } from "./rotary.ts";

/** What the host computes for the layers of one attention kind. */
export interface AttentionRule {
  readonly window: number | null;
  readonly rotation: Rotation | null;
}

/** The rule of every attention kind. */
export function attentionRules(kinds: readonly AttentionKind[]): readonly AttentionRule[] {
  return kinds.map(({ window, rotary }) => ({
    window,
    rotation: rotary === null ? null : rotationOf(rotary),
  }));
}

/**
 * How the keys of every layer turn when their position changes; null where they cannot, because
 * positions are learned.
 */
export function keyFrequencies(
  { layerKinds, learnedPositions }: ModelConfig,
  rules: readonly AttentionRule[],
): KeyFrequencies | null {
  if (learnedPositions) return null;
  return layerKinds.map((kind) => rules[kind]!.rotation?.frequencies ?? null);
}
