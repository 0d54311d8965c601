import { InferenceError, type LandmarkPolicy } from "@frugal/core";

import type { Ort, Tensor } from "../../onnx/ort.ts";
import { CandidateBias } from "./candidate-bias.ts";
import type { PolicyFeeds, PolicyState, PolicyStep } from "./policy-state.ts";
import { pagesOf } from "./quest.ts";
import { flag, isSparse, scalar } from "./scalars.ts";

/** The host's part of `landmarkAttention`: where the landmarks are, and how many blocks to take. */
export class LandmarkState implements PolicyState {
  readonly #ort: Ort;
  readonly #policy: LandmarkPolicy;
  readonly #bias: CandidateBias;

  constructor(ort: Ort, policy: LandmarkPolicy) {
    this.#ort = ort;
    this.#policy = policy;
    this.#bias = new CandidateBias(ort, pagesOf(policy.sinkSlots, policy.blockSize));
  }

  /** A chain runs up to the end of its landmark block: rows beyond belong to the next. */
  chunkRows(length: number): number {
    const { blockSize } = this.#policy;
    return blockSize - (length % blockSize);
  }

  begin(step: PolicyStep): PolicyFeeds {
    const { budget, blockSize } = this.#policy;
    const { length } = step.store;
    if (step.rows > this.chunkRows(length)) {
      throw new InferenceError(
        "unsupported",
        `parents: expected a tree within a landmark block of ${blockSize}, ` +
          `got ${step.rows} rows after ${length}`,
      );
    }
    const blocks = Math.floor(length / blockSize);
    const unfinished = length - blocks * blockSize;
    const isPart = isSparse(this.#policy, step);
    const fitting = Math.floor((budget - unfinished) / blockSize);
    const count = isPart ? Math.min(blocks, fitting) : blocks;
    return {
      tensors: {
        sparse: flag(this.#ort, blocks > 0),
        selected_count: scalar(this.#ort, Math.max(1, count)),
        selection_bias: this.#bias.over(Math.max(1, blocks), 0, Math.max(1, blocks), [1, 1]),
        landmark_rows: this.#landmarks(blocks),
        full_rows: scalar(this.#ort, blocks * blockSize),
        cached: scalar(this.#ort, length),
        section_pads: this.#pads(unfinished),
      },
      outputs: [],
      sparse: isPart,
    };
  }

  finish(): void {}

  keep(same: number, length: number): void {
    if (same === length) return;
    throw new InferenceError(
      "unsupported",
      "keep: landmarks would move; this policy only rolls back",
    );
  }

  fork(): LandmarkState {
    return new LandmarkState(this.#ort, this.#policy);
  }

  /** Zeros before the last of four dimensions. */
  #pads(count: number): Tensor {
    const pads = new BigInt64Array(8);
    pads[3] = BigInt(count);
    return new this.#ort.Tensor("int64", pads, [8]);
  }

  #landmarks(blocks: number): Tensor {
    const { blockSize } = this.#policy;
    const slots = BigInt64Array.from({ length: Math.max(1, blocks) }, (_, block) =>
      BigInt(blocks === 0 ? 0 : (block + 1) * blockSize - 1),
    );
    return new this.#ort.Tensor("int64", slots, [slots.length]);
  }
}
