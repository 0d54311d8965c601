import type { Sequence } from "@frugal/core";

import { SplitSequence } from "../layers/split-sequence.ts";
import type { SelfDraft } from "./kangaroo.ts";
import { createSelfDrafter, type EarlyVoice, type SelfDraftOptions } from "./self-drafter.ts";

/**
 * Self-speculation without any further weights: the first layers draft with the model's own final
 * norm and head, and the other layers verify on the hidden states that are already there.
 *
 * The exit layer is where the two ranges meet; `shallow` is a range with norm and head. Takes the
 * sequences over, which must be empty. Lossless for every model; pays only for one that was trained
 * to exit early, because others say little of use before their last layers. Cost per drafted token:
 * the first layers and the head.
 *
 * @throws {@link InferenceError} `range` for an option outside its interval; `shape`, `state` or
 *   `unsupported` for ranges that do not fit together.
 * @see Elhoushi et al., arXiv:2404.16710; `docs/algorithms/self-speculation.md`
 */
export function earlyExitSelfDraft(
  ranges: { readonly shallow: Sequence; readonly deep: Sequence },
  options: SelfDraftOptions = {},
): SelfDraft {
  const sequence = new SplitSequence([ranges.shallow, ranges.deep], null);
  const voice: EarlyVoice = {
    top: ranges.shallow.capabilities.top,
    speak: (tokens, logits, signal) => sequence.runAhead(tokens, logits, signal),
    catchUp: async () => 0,
  };
  return { sequence, drafter: createSelfDrafter(sequence, voice, options) };
}
