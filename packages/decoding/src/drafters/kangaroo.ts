import { InferenceError, type Sequence } from "@frugal/core";

import { LazyRange } from "../layers/lazy-range.ts";
import { SplitSequence } from "../layers/split-sequence.ts";
import type { Drafter } from "./drafter.ts";
import { createSelfDrafter, type EarlyVoice, type SelfDraftOptions } from "./self-drafter.ts";

/** The parts of a model that {@link kangaroo} decodes with: empty sequences, which it owns. */
export interface KangarooParts {
  /** The first layers, up to the early exit. */
  readonly shallow: Sequence;
  /** What turns hidden states of the exit into logits; takes hidden states only. */
  readonly adapter: Sequence;
  /** The other layers; a {@link splitSequence} of them, if they are several ranges. */
  readonly deep: Sequence;
}

/** A model and the drafter that shares its first layers. */
export interface SelfDraft {
  /** The whole model, for `generate`; disposing it disposes the parts. Forks draft no more. */
  readonly sequence: Sequence;
  /** Drafts for this sequence only. */
  readonly drafter: Drafter;
}

/**
 * Self-speculation with two early exits: the first layers and a small adapter draft, and the other
 * layers verify on the hidden states that are already there.
 *
 * Every token runs through the first layers once, drafted or not, so that a draft costs its adapter
 * only where it is accepted. The adapter has a cache of its own; it reads the hidden states of text
 * that it did not draft, the prompt for instance, when it is next asked. The second exit is
 * `threshold`: drafting ends after the first token it was not sure of.
 *
 * Lossless for any adapter, with every verifier; the reference decodes greedily only. Trees are
 * steps like any other; drafts are chains. Cost per drafted token: the first layers and the adapter
 * with its head.
 *
 * @throws {@link InferenceError} `range` for an option outside its interval; `shape`, `state` or
 *   `unsupported` for parts that do not fit together.
 * @see Liu et al., arXiv:2404.18911; `docs/algorithms/self-speculation.md`
 */
export function kangaroo(parts: KangarooParts, options: SelfDraftOptions = {}): SelfDraft {
  const { shallow, adapter, deep } = parts;
  const { hiddenSize, vocabSize } = deep.info;
  const { info, length } = adapter;
  if (info.hiddenSize !== hiddenSize || info.vocabSize !== vocabSize) {
    throw new InferenceError(
      "shape",
      `adapter: expected ${hiddenSize} channels and ${vocabSize} ids, ` +
        `got ${info.hiddenSize} and ${info.vocabSize}`,
    );
  }
  if (length !== shallow.length) {
    const message = `adapter: expected ${shallow.length} cached positions, got ${length}`;
    throw new InferenceError("state", message);
  }
  const reader = new LazyRange(adapter);
  const sequence = new SplitSequence([shallow, deep], reader);
  const voice: EarlyVoice = {
    top: adapter.capabilities.top,
    async speak(tokens, logits, signal) {
      const exit = await sequence.runAhead(tokens, "none", signal);
      const output = await reader.run({ logits, ...(signal && { signal }) });
      return { ...output, runMs: exit.runMs + output.runMs };
    },
    async catchUp(signal) {
      // One row waits where a whole draft was accepted; it goes along with the next.
      if (reader.waiting < 2) return 0;
      return (await reader.run({ logits: "none", ...(signal && { signal }) })).runMs;
    },
  };
  return { sequence, drafter: createSelfDrafter(sequence, voice, options) };
}
