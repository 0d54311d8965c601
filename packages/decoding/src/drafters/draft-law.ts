import { InferenceError, type StepOutput } from "@frugal/core";

import type { Law } from "../sampling/law.ts";
import type { Sampler } from "../sampling/sampler.ts";

/**
 * The law that a row of a draft model gives, of size and total 0 where no token is left.
 *
 * That is an error of the target's rows only: a bias that bans all that a draft model knows, of a
 * vocabulary partly shared for instance, may well leave the target something. Nothing is drafted
 * then. Borrowed, as {@link Sampler.law} is.
 *
 * @throws {@link InferenceError} `backend` for a logit that is NaN or `+Infinity`.
 */
export function draftLaw(sampler: Sampler, output: StepOutput, row: number, position: number): Law {
  try {
    return sampler.law(output, row, position);
  } catch (error) {
    if (!InferenceError.is(error, "range")) throw error;
    return { ids: new Uint32Array(0), weights: new Float64Array(0), size: 0, total: 0 };
  }
}
