import {
  type LogitsWanted,
  type Sequence,
  type StepOutput,
  type Tap,
  throwIfAborted,
} from "@frugal/core";

import { createTokenHistory, type TokenHistory } from "../drafters/token-view.ts";
import { rowReach, type Sampler, samplerOver } from "../sampling/sampler.ts";
import { createSeenTokens } from "../sampling/seen-tokens.ts";
import { candidatesAt, childRow, type DraftBlock, layOut } from "./draft-block.ts";
import { type DraftSetting, largestOfRows, propose } from "./drafting.ts";
import type {
  CacheTrimmed,
  DraftDegraded,
  FinishReason,
  GenerateEvent,
  TokenAccepted,
} from "./events.ts";
import { lastRows } from "./last-rows.ts";
import { readLogprobs } from "./logprobs.ts";
import type { Plan } from "./options.ts";
import { prefill, type PrefillOptions, stepOptions, trim } from "./prefill.ts";
import type { Meter } from "./stats.ts";
import { createStopStrings, type StopStrings } from "./stop-strings.ts";

/** A block that went through the target: the root and the draft after it, one row each. */
interface Block extends DraftBlock {
  /** Cached positions before the root. */
  readonly base: number;
  readonly output: StepOutput;
  /** What drafting and the step took, the prompt aside; null for the prompt's own block. */
  readonly cost: { readonly draftMs: number; readonly targetMs: number } | null;
}

/**
 * One run of the loop behind `generate`: read the prompt, then evict, draft, step, verify and roll
 * back until something ends the text.
 *
 * The *root* is the last emitted token; it is not in the cache and leads the next block.
 */
export class Decoding {
  readonly #sequence: Sequence;
  readonly #plan: Plan;
  readonly #meter: Meter;
  readonly #history: TokenHistory;
  readonly #sampler: Sampler;
  readonly #setting: DraftSetting;
  readonly #text: StopStrings | null;
  readonly #notices: (CacheTrimmed | DraftDegraded)[] = [];
  #isDegraded = false;
  #end: FinishReason | null = null;

  constructor(sequence: Sequence, plan: Plan, meter: Meter) {
    const { vocabSize } = sequence.info;
    const { sampling, tokens, text } = plan;
    this.#sequence = sequence;
    this.#plan = plan;
    this.#meter = meter;
    this.#history = createTokenHistory(plan.start, tokens);
    // Drafting looks ahead on the same counts as verifying, each with its own row buffers.
    const seen = createSeenTokens(vocabSize, sampling.window);
    if (sampling.penalizePrompt) for (const token of tokens) seen.push(token);
    this.#sampler = samplerOver(sampling, vocabSize, seen);
    this.#setting = {
      history: this.#history,
      sampler: samplerOver(sampling, vocabSize, seen),
      rowReach: rowReach(sampling),
      tree: sequence.capabilities.tree,
    };
    this.#text = text === null ? null : createStopStrings(text, plan.stopStrings);
  }

  async *run(ids: Uint32Array): AsyncGenerator<GenerateEvent, void, void> {
    let block: Block | null = await this.#readPrompt(ids);
    while (block !== null) {
      yield* this.#notices.splice(0);
      yield* this.#verify(block);
      block = this.#end === null ? await this.#advance() : null;
    }
    yield* this.#notices.splice(0);
    const reason = this.#end ?? "context-full";
    const rest = reason === "stop-string" ? "" : (this.#text?.flush().text ?? "");
    const text = this.#text === null ? {} : { text: rest };
    yield { type: "finish", reason, ...text, stats: this.#meter.stats() };
  }

  async #readPrompt(ids: Uint32Array): Promise<Block> {
    const { cache: policy, prefillChunk: chunk, signal } = this.#plan;
    throwIfAborted(signal);
    const { output, runMs } = await prefill(this.#sequence, ids, {
      policy,
      chunk,
      logits: this.#wanted(1),
      signal,
      onTrim: this.#onTrim,
      taps: this.#taps,
      ...this.#promptReader(this.#history.length - ids.length),
    });
    this.#meter.prefillMs = runMs;
    this.#meter.modelMs = runMs;
    this.#meter.targetSteps = 1;
    const block = layOut(ids.at(-1)!, null, false);
    return { ...block, base: this.#sequence.length - 1, output, cost: null };
  }

  /** Runs the next block through the target; null where the context has no room for its root. */
  async #advance(): Promise<Block | null> {
    const { cache, signal } = this.#plan;
    const sequence = this.#sequence;
    throwIfAborted(signal);
    await trim(sequence, cache, 1, this.#onTrim);
    const base = sequence.length;
    if (base + 1 > sequence.info.maxLength) return null;

    const begin = this.#meter.now();
    const block = await this.#draft();
    const drafted = this.#meter.now();
    const { tokens, parents, draft } = block;
    const logits = this.#wanted(tokens.length);
    const rows = block.isBranching ? { tokens, parents } : { tokens };
    const output = await sequence.step(rows, stepOptions(logits, signal, this.#taps));
    this.#meter.modelMs += output.runMs;
    this.#meter.targetSteps++;
    this.#meter.drafted += tokens.length - 1;
    // A clock also sees the way to the model and back, which a draft model walks for every token.
    const draftMs = (drafted === null ? draft.runMs : drafted - begin!) - (draft.prefillMs ?? 0);
    const targetMs = drafted === null ? output.runMs : this.#meter.now()! - drafted;
    return { ...block, base, output, cost: { draftMs: Math.max(0, draftMs), targetMs } };
  }

  /** The root and what the drafter proposes after it, as rows. */
  async #draft(): Promise<DraftBlock> {
    const history = this.#history;
    const left = this.#plan.maxTokens - this.#meter.tokens;
    const draft = await propose(this.#plan, this.#sequence, this.#setting, left);
    this.#meter.draftMs += draft?.runMs ?? 0;
    const block = layOut(history.at(history.length - 1), draft, this.#setting.tree);
    if (block.dropped > 0 && !this.#isDegraded) {
      this.#isDegraded = true;
      const to = block.draft.tokens.length;
      const position = history.start + history.length;
      this.#notices.push({ type: "draft-degraded", position, from: to + block.dropped, to });
    }
    return block;
  }

  /** Emits tokens as long as they are the drafted ones, and the one that differs or follows. */
  async *#verify(block: Block): AsyncGenerator<GenerateEvent, void, void> {
    const { base, draft, output, cost } = block;
    const position = this.#history.start + this.#history.length;
    /** Rows whose tokens are in the text, and of these the drafted ones with the last. */
    const path: number[] = [];
    const accepted: number[] = [];
    try {
      for (let row = 0; row >= 0 && this.#end === null;) {
        const event = this.#emit(block, row);
        path.push(row);
        row = event.drafted ? childRow(block, row, event.token) : -1;
        if (row > 0) accepted.push(row);
        yield event;
      }
    } finally {
      // The root, and all but the last token of this block; also when the consumer leaves early.
      const length = base + path.length;
      if (this.#sequence.length > length) await this.#sequence.keep(committed(base, path));
    }
    const drafted = block.tokens.length - 1;
    this.#learn(block, path);
    if (this.#plan.drafter !== null && cost !== null) {
      const cut = this.#end !== null;
      const tree = block.isBranching ? { path: Uint32Array.from(accepted, (row) => row - 1) } : {};
      const outcome = { drafted, accepted: accepted.length, cut, ...tree, ...cost };
      this.#plan.draftLength.observe(outcome);
    }
    if (drafted === 0) return;
    const { runMs: targetMs } = output;
    const { runMs: draftMs } = draft;
    const type = "draft-verified";
    yield { type, position, drafted, accepted: accepted.length, targetMs, draftMs };
  }

  /** Shows the block to a drafter that learns from the target's rows. */
  #learn({ tokens, parents, output }: Block, path: readonly number[]): void {
    const { drafter } = this.#plan;
    if (drafter?.wants === undefined || drafter.observe === undefined) return;
    const last = this.#history.length - 1;
    const next = this.#history.at(last);
    const top = largestOfRows(output, drafter.wants.top ?? 0);
    const taps = output.taps.map((states) => lastRows(states, tokens.length));
    const from = last - path.length;
    drafter.observe({ from, tokens, parents, path: Uint32Array.from(path), next, top, taps });
  }

  /** Hidden states that the drafter wants of every row. */
  get #taps(): readonly Tap[] {
    return this.#plan.drafter?.wants?.taps ?? [];
  }

  /** Shows the prompt, whose first token is at `start` of the history, to a drafter that reads it. */
  #promptReader(start: number): Pick<PrefillOptions, "onTaps"> {
    const { drafter } = this.#plan;
    if (drafter?.readPrompt === undefined || this.#taps.length === 0) return {};
    const history = this.#history;
    return { onTaps: (taps, from) => drafter.readPrompt!({ history, from: start + from, taps }) };
  }

  /** Chooses the token of one row of a block and books it. */
  #emit(block: Block, row: number): TokenAccepted {
    const { verifier, random, logprobs } = this.#plan;
    const { output } = block;
    const position = this.#history.start + this.#history.length;
    const candidates = candidatesAt(block, row);
    const law = this.#sampler.law(output, row, position);
    const token = verifier.choose(law, candidates, position, random);
    const drafted = candidates.tokens.includes(token);
    const detail =
      logprobs === null ? {} : { logprobs: readLogprobs(output, row, token, law, logprobs) };

    this.#history.push(token);
    this.#sampler.push(token);
    this.#meter.noteToken();
    if (drafted) this.#meter.accepted++;
    const shown = this.#book(token);
    const text = this.#text === null ? {} : { text: shown };
    return { type: "token-accepted", token, position, drafted, ...text, ...detail };
  }

  /** Notes whether the token ends the text; what may be shown of it. */
  #book(token: number): string {
    const { stopIds, maxTokens } = this.#plan;
    if (this.#meter.tokens >= maxTokens) this.#end = "max-tokens";
    if (stopIds.has(token)) {
      this.#end = "stop-id";
      return "";
    }
    if (this.#text === null) return "";
    const { text, stopped } = this.#text.push(token);
    if (stopped) this.#end = "stop-string";
    return text;
  }

  /** What the rows of a block are needed for, as the sequence can deliver it. */
  #wanted(rows: number): LogitsWanted {
    const which = rows > 1 ? "all" : "last";
    const { info, capabilities } = this.#sequence;
    const reach = this.#setting.rowReach;
    if (!capabilities.top || reach === null) return which;
    const { logprobs, drafter } = this.#plan;
    const top = Math.max(reach, logprobs ?? 0, drafter?.wants?.top ?? 0);
    return { top: Math.min(info.vocabSize, top), rows: which };
  }

  readonly #onTrim = (kept: Uint32Array, from: number): void => {
    this.#notices.push({ type: "cache-trimmed", from, to: kept.length });
  };
}

/** The slots before `base` and those of the rows of `path`. */
function committed(base: number, path: readonly number[]): Uint32Array {
  return Uint32Array.from({ length: base + path.length }, (_, i) =>
    i < base ? i : base + path[i - base]!,
  );
}
