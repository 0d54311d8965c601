import type { TidalDecodePolicy } from "@frugal/core";

import type { Ort } from "../../onnx/ort.ts";
import { CandidateBias, noBias } from "./candidate-bias.ts";
import type { PolicyFeeds, PolicyState, PolicyStep } from "./policy-state.ts";
import { flag, isSparse, scalar } from "./scalars.ts";

/** The host's part of `tidalDecode`: everything else happens within a step. */
export class TidalState implements PolicyState {
  readonly #ort: Ort;
  readonly #policy: TidalDecodePolicy;
  readonly #bias: CandidateBias;

  constructor(ort: Ort, policy: TidalDecodePolicy) {
    this.#ort = ort;
    this.#policy = policy;
    this.#bias = new CandidateBias(ort, policy.sinkSlots);
  }

  begin(step: PolicyStep): PolicyFeeds {
    const { store } = step;
    const sparse = isSparse(this.#policy, step);
    return {
      tensors: {
        sparse: flag(this.#ort, sparse),
        selected_count: scalar(this.#ort, this.#policy.budget),
        selection_bias: sparse
          ? this.#bias.over(store.capacity, 0, store.length, [1, 1])
          : noBias(this.#ort),
      },
      outputs: [],
      sparse,
    };
  }

  /** The choice of a step ends with it. */
  finish(): void {}

  keep(): void {}

  fork(): TidalState {
    return new TidalState(this.#ort, this.#policy);
  }
}
