import {
  type CachePolicy,
  InferenceError,
  joinRows,
  type LogitsWanted,
  type Matrix,
  pickRows,
  type Sequence,
  type StepOutput,
  type Tap,
} from "@frugal/core";

import { stepOptions, trim } from "../generate/prefill.ts";
import type { DraftContext, PromptRows, VerifiedBlock } from "./drafter.ts";
import type { TokenView } from "./token-view.ts";

/** What {@link FeatureCache.follow} leaves behind. */
export interface FollowedText {
  /** Of the last row, with the head's own state as its tap; null where there is no room. */
  readonly output: StepOutput | null;
  readonly runMs: number;
  /** What of it went into the prompt. */
  readonly prefillMs: number;
}

/** Keeps a draft head's cache in step with a text and with what the target made of it. */
export interface FeatureCache {
  /** The states that the head reads of its target. */
  readonly reads: readonly Tap[];
  readPrompt(rows: PromptRows): void;
  observe(block: VerifiedBlock): void;
  /** Feeds what is missing; the policy makes room for `ahead` rows more. */
  follow(context: DraftContext, logits: LogitsWanted, ahead: number): Promise<FollowedText>;
}

/** States of consecutive tokens that the head has not read yet. */
interface Stretch {
  /** Index in the text of the first token. */
  readonly from: number;
  /** `[rows, width]` each. */
  readonly taps: readonly Matrix[];
  readonly isPrompt: boolean;
}

/** Rows per step of a long text. */
const chunk = 256;

/**
 * A draft head guesses token `t + 2` from the target's state at token `t` and token `t + 1`: the row
 * of state `t` carries the token after it, and can be fed as soon as that is known. Only states of
 * tokens in the text get here, so the cache never has to be rolled back.
 *
 * Holds the states until the next draft: of a prompt those buffers that the target returned, of a
 * block copies of the accepted rows. Once the head's context is full and no policy makes room, it
 * gives up until the next text.
 *
 * @throws {@link InferenceError} `unsupported` for a model that reads no other.
 */
export function createFeatureCache(sequence: Sequence, policy: CachePolicy | null): FeatureCache {
  const { reads, layers, maxLength } = sequence.info;
  if (reads === undefined) {
    const message = "sequence: expected a draft head, got a model that reads no other";
    throw new InferenceError("unsupported", message);
  }
  let text: TokenView | null = null;
  let pending: Stretch[] = [];
  /** Index in the text of the first token whose state is not known. */
  let known = 0;
  let isNew = true;
  let isFull = false;

  const makeRoom = async (rows: number, ahead: number): Promise<boolean> => {
    await trim(sequence, policy, rows + ahead, () => {});
    return sequence.length + rows <= maxLength;
  };

  return {
    reads,
    readPrompt({ history, from, taps }) {
      if (history !== text) {
        text = history;
        pending = [];
        isNew = true;
        isFull = false;
      }
      pending.push({ from, taps, isPrompt: true });
      known = from + taps[0]!.rows;
    },
    observe({ from, path, taps }) {
      // The state at the prompt's last token came with the prompt.
      const rows = path.subarray(known - from);
      if (rows.length === 0 || isFull) return;
      const accepted = taps.map((states) => pickRows(states, rows));
      pending.push({ from: known, taps: accepted, isPrompt: false });
      known += rows.length;
    },
    async follow({ history, signal }, logits, ahead) {
      if (isNew && sequence.length > 0) await sequence.keep(new Uint32Array(0));
      isNew = false;
      let output: StepOutput | null = null;
      let runMs = 0;
      let prefillMs = 0;
      while (pending.length > 0) {
        const { from, taps, isPrompt } = takeRows(pending);
        const { rows } = taps[0]!;
        const isLast = pending.length === 0;
        isFull = !(await makeRoom(rows, isLast ? ahead : 0));
        if (isFull) {
          pending = [];
          return { output: null, runMs, prefillMs };
        }
        const block = { tokens: history.slice(from + 1, from + 1 + rows), features: taps };
        const how = stepOptions(isLast ? logits : "none", signal, isLast ? [layers] : []);
        output = await sequence.step(block, { ...how, tapRows: "last" });
        runMs += output.runMs;
        if (isPrompt) prefillMs += output.runMs;
      }
      return { output, runMs, prefillMs };
    },
  };
}

/** Takes the next rows to feed, at most {@link chunk}: part of a long stretch, or several short ones. */
function takeRows(pending: Stretch[]): Stretch {
  const first = pending[0]!;
  const { rows } = first.taps[0]!;
  if (rows > chunk) {
    const part = (from: number, to: number) => first.taps.map((taps) => slice(taps, from, to));
    pending[0] = { ...first, from: first.from + chunk, taps: part(chunk, rows) };
    return { ...first, taps: part(0, chunk) };
  }
  let count = 0;
  let total = 0;
  while (count < pending.length && total + pending[count]!.taps[0]!.rows <= chunk) {
    total += pending[count++]!.taps[0]!.rows;
  }
  const parts = pending.splice(0, count);
  if (count === 1) return first;
  const taps = first.taps.map((_, i) => joinRows(...parts.map((part) => part.taps[i]!)));
  return { ...first, taps };
}

function slice({ data, cols }: Matrix, from: number, to: number): Matrix {
  return { data: data.subarray(from * cols, to * cols), rows: to - from, cols };
}
