import {
  type AbortLike,
  type CachePolicy,
  InferenceError,
  type LogitsWanted,
  type Sequence,
  type StepOutput,
} from "@frugal/core";

import { prefill, stepOptions, trim } from "../generate/prefill.ts";
import type { TokenView } from "./token-view.ts";

/** Keeps a draft model's cache in step with the text. */
export interface Follower {
  /**
   * Brings the cache up to the text but for a last short block, which is returned so that its
   * step can ask for logits; null where the context has no room. The policy makes room for that
   * block and `ahead` rows more. Of a text that was followed before, at least `stable` leading
   * tokens are as they were; default: all.
   */
  follow(
    history: TokenView,
    ahead: number,
    signal: AbortLike | undefined,
    stable?: number,
  ): Promise<{ readonly missing: Uint32Array | null; readonly runMs: number }>;
  /** Appends tokens that may or may not become text. */
  feed(
    tokens: Uint32Array,
    logits: LogitsWanted,
    signal: AbortLike | undefined,
  ): Promise<StepOutput>;
  /**
   * Appends rows of a tree: `parents` are rows of it, counted from its first one over all calls, or
   * -1 for children of what was fed last. What of it becomes text stays in the cache.
   */
  grow(
    tokens: Uint32Array,
    parents: Int32Array,
    logits: LogitsWanted,
    signal: AbortLike | undefined,
  ): Promise<StepOutput>;
}

/** Keeps a sequence's cache in step with a text that it did not write itself. */
export function createFollower(sequence: Sequence, policy: CachePolicy | null): Follower {
  /** Everything fed, in order, drafted tokens included. */
  const fed: number[] = [];
  /** Index in `fed` of each cached row. */
  let rows: number[] = [];
  /** How many leading tokens of `fed` are known to be those of `text`. */
  let agreed = 0;
  let text: TokenView | null = null;
  /** Rows of a tree after those of `fed`. */
  const tree = { tokens: [] as number[], parents: [] as number[] };

  const onTrim = (kept: Uint32Array): void => {
    rows = Array.from(kept, (slot) => rows[slot]!);
  };

  const note = (tokens: Uint32Array): void => {
    for (const token of tokens) {
      rows.push(fed.length);
      fed.push(token);
    }
  };

  /** Leaves of a tree the path that the text went. */
  const cutTree = async (history: TokenView): Promise<void> => {
    const { tokens, parents } = tree;
    if (tokens.length === 0) return;
    const path: number[] = [];
    for (let node = 0; node < tokens.length; node++) {
      const index = fed.length + path.length;
      if (index >= history.length - 1 || tokens[node] !== history.at(index)) continue;
      if (parents[node] === (path.at(-1) ?? -1)) path.push(node);
    }
    const base = rows.length;
    const slots = base + path.length;
    if (slots < base + tokens.length) {
      await sequence.keep(
        Uint32Array.from({ length: slots }, (_, i) => (i < base ? i : base + path[i - base]!)),
      );
    }
    note(Uint32Array.from(path, (node) => tokens[node]!));
    tokens.length = 0;
    parents.length = 0;
  };

  /** Drops from the cache what the text does not begin with, and always its last token. */
  const rollBack = async (history: TokenView, stable: number): Promise<void> => {
    let common = history === text ? Math.min(agreed, stable) : 0;
    const end = Math.min(fed.length, history.length - 1);
    while (common < end && fed[common] === history.at(common)) common++;
    let slots = rows.length;
    while (slots > 0 && rows[slots - 1]! >= common) slots--;
    if (slots < rows.length) {
      await sequence.keep(Uint32Array.from({ length: slots }, (_, i) => i));
      rows.length = slots;
    }
    fed.length = common;
    agreed = common;
    text = history;
  };

  return {
    async follow(history, ahead, signal, stable = Infinity) {
      if (text === null && sequence.length > 0) {
        const got = `${sequence.length} cached positions`;
        throw new InferenceError("state", `draft model: expected an empty sequence, got ${got}`);
      }
      await cutTree(history);
      await rollBack(history, stable);
      const { maxLength } = sequence.info;
      const missing = history.slice(fed.length);
      const isTooLong = sequence.length + missing.length > maxLength;
      if (isTooLong && policy === null) return { missing: null, runMs: 0 };
      // After a step one or two tokens are missing; more of them are a prompt, or were emitted
      // while nothing was drafted.
      let runMs = 0;
      if (missing.length > 2) {
        const before = missing.subarray(0, -1);
        const options = { policy, chunk: null, logits: "none", signal, onTrim } as const;
        runMs = (await prefill(sequence, before, { ...options, onFed: note })).runMs;
      }
      const rest = history.slice(fed.length);
      await trim(sequence, policy, rest.length + ahead, onTrim);
      return { missing: rest, runMs };
    },
    async feed(tokens, logits, signal) {
      const output = await sequence.step({ tokens }, stepOptions(logits, signal));
      note(tokens);
      return output;
    },
    async grow(tokens, parents, logits, signal) {
      const rowsBefore = tree.tokens.length;
      const block = { tokens, parents: parents.map((parent) => parent - rowsBefore) };
      const output = await sequence.step(block, stepOptions(logits, signal));
      tree.tokens.push(...tokens);
      tree.parents.push(...parents);
      return output;
    },
  };
}
