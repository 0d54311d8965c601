import { InferenceError, type Sequence } from "@frugal/core";

import { Decoding } from "./decoding.ts";
import type { GenerateEvent } from "./events.ts";
import { type GenerateOptions, resolveOptions } from "./options.ts";
import { createMeter, type GenerateStats } from "./stats.ts";

/** A running generation. Iterate it once; nothing happens before that. */
export interface Generation extends AsyncIterable<GenerateEvent> {
  /** Statistics so far; a new object at each reading. */
  readonly stats: GenerateStats;
}

/**
 * Continues a text, token by token, with or without a drafter.
 *
 * `ids` is appended to what the sequence has cached, then tokens are emitted until a stop. The token
 * at text position `t` is drawn from the processed law of that position with the random number of
 * that position, so with the default verifier the text depends on the model, the prompt and the
 * seed, and not on the drafter, the draft lengths or the way logits cross the boundary. (A backend
 * whose results for a block of rows differ in the last bits from those for single rows can break a
 * near tie differently.)
 *
 * The sequence stays the caller's. Whenever the iteration ends, by a stop, by `break`, by an error
 * or by abort, its cache holds the whole text but the last token, evicted rows aside: a next call
 * begins its `ids` with that token. Nothing is emitted past a stop id, the completion of a stop
 * string or `maxTokens`; what a block computed beyond is rolled back.
 *
 * With a cache policy the context never fills up. The policy is asked before each emitted token as
 * if it came alone, and drafts end where the next eviction is due, so that eviction does not make
 * the text depend on the drafter.
 *
 * Cost per step outside the model: see `Sampler` for each row looked at, O(draft length) for the
 * rest. Times come from `options.clock` only.
 *
 * @throws {@link InferenceError} at once, `range` or `unsupported`, for options that do not hold;
 *   while iterating, what the sequence throws, `backend` for NaN logits, and the reason of an abort.
 * @see `docs/algorithms/speculative-decoding.md`
 */
export function generate(
  sequence: Sequence,
  ids: Uint32Array,
  options: GenerateOptions = {},
): Generation {
  const plan = resolveOptions(sequence, ids, options);
  const meter = createMeter(options.clock);
  meter.promptTokens = ids.length;
  let isUsed = false;
  return {
    get stats() {
      return meter.stats();
    },
    [Symbol.asyncIterator]() {
      if (isUsed) throw new InferenceError("state", "generation: expected one iteration, got two");
      isUsed = true;
      const events = new Decoding(sequence, plan, meter).run(ids);
      const metered = async <T>(advance: () => Promise<T>): Promise<T> => {
        meter.resume();
        try {
          return await advance();
        } finally {
          meter.pause();
        }
      };
      return {
        next: () => metered(() => events.next()),
        return: () => metered(() => events.return()),
      };
    },
  };
}
