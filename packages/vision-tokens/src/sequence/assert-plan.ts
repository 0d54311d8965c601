import { InferenceError } from "@frugal/core";

import type { SequencePlan } from "./plan-sequence.ts";

/** What is known of an input of a decoder: an entry of `inputMetadata` of an ONNX Runtime session. */
export interface DecoderInput {
  readonly name: string;
  /** Such as `int64` or `float32`. */
  readonly type?: string;
  /** Sizes, or names of sizes that are not fixed. */
  readonly shape?: readonly (number | string)[];
}

/**
 * Refuses a plan that a decoder cannot follow, before it answers wrongly without a word.
 *
 * A graph without `position_ids` counts the tokens it is given, so gaps close: only positions without
 * gaps are possible. Fractions of positions need a graph that computes angles from floats. Three
 * coordinates need an input of three, and one coordinate an input without.
 *
 * @param inputs of the decoder graph.
 * @throws {@link InferenceError} `unsupported` if the graph cannot place tokens as the plan says.
 * @see `docs/algorithms/sequence-plans.md`
 */
export function assertPlan(inputs: readonly DecoderInput[], plan: SequencePlan): void {
  const input = inputs.find(({ name }) => name === "position_ids");
  if (input === undefined) {
    if (isConsecutive(plan)) return;
    throw new InferenceError(
      "unsupported",
      "position_ids: expected an input of the graph, which gaps and grids need, got none",
    );
  }
  const { type = "unknown", shape } = input;
  if (plan.unitsPerPosition !== 1 && !type.startsWith("float")) {
    throw new InferenceError(
      "unsupported",
      `position_ids: expected an input of floats for fractions of positions, got ${type}`,
    );
  }
  if (shape === undefined || takesAxes(shape) === (plan.axes === 3)) return;
  throw new InferenceError(
    "unsupported",
    `position_ids: expected ${plan.axes} per token, got an input of [${shape.join(", ")}]`,
  );
}

/** Whether positions are those that a graph counts by itself. */
function isConsecutive({ axes, unitsPerPosition, positions }: SequencePlan): boolean {
  if (axes !== 1) return false;
  return positions.every((position, i) => position === positions[0]! + i * unitsPerPosition);
}

/** Whether an input has a row per coordinate: `[3, batch, sequence]`. */
function takesAxes(shape: readonly (number | string)[]): boolean {
  return shape.length === 3 && (typeof shape[0] === "string" || shape[0] === 3);
}
