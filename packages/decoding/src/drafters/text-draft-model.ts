import { argMax, type CachePolicy, type Sequence } from "@frugal/core";

import { cutAtStop } from "./cut-at-stop.ts";
import { type DraftTokenizer, type DraftTokenizers, encodePlain } from "./draft-tokenizer.ts";
import type { DraftContext, Drafter } from "./drafter.ts";
import { createFollower } from "./follower.ts";
import { Reencoder } from "./reencoder.ts";
import type { TokenView } from "./token-view.ts";

/** How many ids before the drafted ones the decoder is shown. */
const shown = 4;

/** Options of {@link textDraftModel}. */
export interface TextDraftModelOptions extends DraftTokenizers {
  /** What the draft model's own cache keeps. Default: everything, until its context is full. */
  readonly cache?: CachePolicy;
}

/**
 * A drafter that asks a model with another vocabulary, in words: the text is encoded for the draft
 * model, what that continues it with is decoded and encoded for the target.
 *
 * Both ways a few tokens before the seam are encoded along, since what a text is cut into depends on
 * what follows. Where the target's tokenizer would cut across the end of the text, nothing is
 * drafted. The draft model is greedy and its law is not known in the target's tokens, so the drafts
 * are guesses; {@link sharedVocabulary} has laws.
 *
 * Keeps `sequence` in step with the text, as `draftModel` does. Cost: one step of the draft model
 * per token of its own; O(new text) for encoding.
 *
 * @see Timor et al., arXiv:2502.05202; huggingface/transformers, universal assisted generation;
 *   `docs/algorithms/universal-drafting.md`
 */
export function textDraftModel(sequence: Sequence, options: TextDraftModelOptions): Drafter {
  const { draft: own, target } = options;
  const follower = createFollower(sequence, options.cache ?? null);
  let text: TokenView | null = null;
  let read = 0;
  let stream = target.createStream();
  let encoded = new Reencoder(own);
  let ids = viewOf(encoded.ids);

  /** Encodes what is new of the text; how many leading ids are as they were. */
  const follow = (history: TokenView): number => {
    if (history !== text) {
      text = history;
      read = 0;
      stream = target.createStream();
      encoded = new Reencoder(own);
      ids = viewOf(encoded.ids);
    }
    let added = "";
    for (; read < history.length; read++) added += stream.push(history.at(read));
    return added === "" ? ids.length : encoded.append(added);
  };

  /** What the draft model continues the text with, and how long it took. */
  const continueText = async (context: DraftContext, stable: number) => {
    const { maxTokens, signal } = context;
    const logits = sequence.capabilities.top ? ({ top: 1, rows: "last" } as const) : "last";
    const synced = await follower.follow(ids, maxTokens - 1, signal, stable);
    const drafted: number[] = [];
    let runMs = synced.runMs;
    let block = synced.missing;
    while (block !== null && drafted.length < maxTokens) {
      if (sequence.length + block.length > sequence.info.maxLength) break;
      const output = await follower.feed(block, logits, signal);
      runMs += output.runMs;
      const { data, cols } = output.logits ?? { data: null, cols: 0 };
      const token = data === null ? output.top!.ids[0]! : argMax(data, 0, cols);
      if (token < 0 || token >= own.vocabSize || sequence.info.eosIds.includes(token)) break;
      drafted.push(token);
      block = Uint32Array.of(token);
    }
    return { drafted, runMs, prefillMs: synced.runMs };
  };

  return {
    kinds: ["point"],
    async propose(context) {
      const stable = follow(context.history);
      if (ids.length === 0) return { tokens: new Uint32Array(0), runMs: 0 };
      const { drafted, ...times } = await continueText(context, stable);
      const added = decodeAfter(own, encoded.ids.slice(-shown), drafted);
      const tokens = encodeAfter(target, encoded.tail, added).subarray(0, context.maxTokens);
      return { tokens: cutAtStop(tokens, context.stopIds), ...times };
    },
  };
}

/** The text that `ids` add after those of `before`. */
function decodeAfter(
  tokenizer: DraftTokenizer,
  before: readonly number[],
  ids: readonly number[],
): string {
  const stream = tokenizer.createStream();
  for (const id of before) stream.push(id);
  return ids.map((id) => stream.push(id)).join("");
}

/** The ids that `added` becomes after `before`; none if a token reaches over the seam. */
function encodeAfter(tokenizer: DraftTokenizer, before: string, added: string): Uint32Array {
  const { ids, offsets } = encodePlain(tokenizer, before + added);
  let seam = 0;
  while (seam < ids.length && offsets[2 * seam + 1]! <= before.length) seam++;
  return seam < ids.length && offsets[2 * seam]! < before.length
    ? new Uint32Array(0)
    : ids.slice(seam);
}

/** A text of ids that grow and change at the end. */
function viewOf(ids: readonly number[]): TokenView {
  return {
    start: 0,
    get length() {
      return ids.length;
    },
    at: (index) => ids[index]!,
    slice: (from, to) => Uint32Array.from(ids.slice(from, to)),
  };
}
