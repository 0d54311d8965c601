import { type LogitsWanted, type Sequence, type StepOutput, throwIfAborted } from "@frugal/core";

import type { Draft } from "../drafters/drafter.ts";
import { createTokenHistory, type TokenHistory } from "../drafters/token-view.ts";
import { rowReach, type Sampler, samplerOver } from "../sampling/sampler.ts";
import { createSeenTokens } from "../sampling/seen-tokens.ts";
import type { Candidates } from "../verifiers/verifier.ts";
import { askDrafter } from "./ask-drafter.ts";
import type { CacheTrimmed, FinishReason, GenerateEvent, TokenAccepted } from "./events.ts";
import { readLogprobs } from "./logprobs.ts";
import type { Plan } from "./options.ts";
import { prefill, stepOptions, trim } from "./prefill.ts";
import type { Meter } from "./stats.ts";
import { createStopStrings, type StopStrings } from "./stop-strings.ts";

const noDraft: Draft = { tokens: new Uint32Array(0), runMs: 0 };
const noCandidates: Candidates = { tokens: new Uint32Array(0), law: null };

/** A block that went through the target: the root and the draft after it, one row each. */
interface Block {
  /** Cached positions before the root. */
  readonly base: number;
  readonly draft: Draft;
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
  readonly #draftSampler: Sampler;
  readonly #reach: number | null;
  readonly #text: StopStrings | null;
  readonly #trims: CacheTrimmed[] = [];
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
    this.#draftSampler = samplerOver(sampling, vocabSize, seen);
    this.#reach = rowReach(sampling);
    this.#text = text === null ? null : createStopStrings(text, plan.stopStrings);
  }

  async *run(ids: Uint32Array): AsyncGenerator<GenerateEvent, void, void> {
    let block: Block | null = await this.#readPrompt(ids);
    while (block !== null) {
      yield* this.#trims.splice(0);
      yield* this.#verify(block);
      block = this.#end === null ? await this.#advance() : null;
    }
    yield* this.#trims.splice(0);
    const reason = this.#end ?? "context-full";
    const rest = reason === "stop-string" ? "" : (this.#text?.flush().text ?? "");
    const text = this.#text === null ? {} : { text: rest };
    yield { type: "finish", reason, ...text, stats: this.#meter.stats() };
  }

  async #readPrompt(ids: Uint32Array): Promise<Block> {
    const { cache: policy, prefillChunk: chunk, signal } = this.#plan;
    throwIfAborted(signal);
    const options = { policy, chunk, logits: this.#wanted(1), signal, onTrim: this.#onTrim };
    const { output, runMs } = await prefill(this.#sequence, ids, options);
    this.#meter.prefillMs = runMs;
    this.#meter.modelMs = runMs;
    this.#meter.targetSteps = 1;
    return { base: this.#sequence.length - 1, draft: noDraft, output, cost: null };
  }

  /** Runs the next block through the target; null where the context has no room for its root. */
  async #advance(): Promise<Block | null> {
    const { cache, signal, drafter } = this.#plan;
    const sequence = this.#sequence;
    throwIfAborted(signal);
    await trim(sequence, cache, 1, this.#onTrim);
    const base = sequence.length;
    if (base + 1 > sequence.info.maxLength) return null;

    const left = this.#plan.maxTokens - this.#meter.tokens;
    const room = Math.min(left, sequence.info.maxLength - base) - 1;
    const begin = this.#meter.now();
    const draft = drafter === null ? noDraft : await this.#propose(drafter, base, room);
    const drafted = this.#meter.now();
    const tokens = new Uint32Array(1 + draft.tokens.length);
    tokens[0] = this.#history.at(this.#history.length - 1);
    tokens.set(draft.tokens, 1);
    const logits = this.#wanted(tokens.length);
    const output = await sequence.step({ tokens }, stepOptions(logits, signal));
    this.#meter.modelMs += output.runMs;
    this.#meter.targetSteps++;
    this.#meter.drafted += draft.tokens.length;
    // A clock also sees the way to the model and back, which a draft model walks for every token.
    const draftMs = (drafted === null ? draft.runMs : drafted - begin!) - (draft.prefillMs ?? 0);
    const targetMs = drafted === null ? output.runMs : this.#meter.now()! - drafted;
    return { base, draft, output, cost: { draftMs: Math.max(0, draftMs), targetMs } };
  }

  async #propose(drafter: NonNullable<Plan["drafter"]>, base: number, room: number) {
    const plan = this.#plan;
    const maxTokens = askableTokens(plan, base, room);
    if (maxTokens < 1) return noDraft;
    const draft = await askDrafter(drafter, {
      history: this.#history,
      maxTokens,
      kind: plan.kind,
      sampler: this.#draftSampler,
      rowReach: this.#reach,
      random: plan.random,
      stopIds: plan.stopIds,
      ...(plan.signal === undefined ? {} : { signal: plan.signal }),
    });
    this.#meter.draftMs += draft.runMs;
    return draft;
  }

  /** Emits tokens as long as they are the drafted ones, and the one that differs or follows. */
  async *#verify(block: Block): AsyncGenerator<GenerateEvent, void, void> {
    const { base, draft, output, cost } = block;
    const position = this.#history.start + this.#history.length;
    let emitted = 0;
    let accepted = 0;
    try {
      for (let isDrafted = true; isDrafted && this.#end === null;) {
        const event = this.#emit(block, emitted);
        emitted++;
        isDrafted = event.drafted;
        if (isDrafted) accepted++;
        yield event;
      }
    } finally {
      // The root, and all but the last token of this block; also when the consumer leaves early.
      const length = base + emitted;
      if (this.#sequence.length > length) await this.#sequence.keep(prefix(length));
    }
    const drafted = draft.tokens.length;
    if (this.#plan.drafter !== null && cost !== null) {
      const cut = this.#end !== null;
      this.#plan.draftLength.observe({ drafted, accepted, cut, ...cost });
    }
    if (drafted === 0) return;
    const { runMs: targetMs } = output;
    const { runMs: draftMs } = draft;
    yield { type: "draft-verified", position, drafted, accepted, targetMs, draftMs };
  }

  /** Chooses the token of one row of a block and books it. */
  #emit({ draft, output }: Block, row: number): TokenAccepted {
    const { verifier, random, logprobs } = this.#plan;
    const position = this.#history.start + this.#history.length;
    const candidates =
      row < draft.tokens.length
        ? { tokens: draft.tokens.subarray(row, row + 1), law: draft.laws?.[row] ?? null }
        : noCandidates;
    const law = this.#sampler.law(output, row, position);
    const token = verifier.choose(law, candidates, position, random);
    const drafted = candidates.tokens[0] === token;
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
    if (!capabilities.top || this.#reach === null) return which;
    const top = Math.max(this.#reach, this.#plan.logprobs ?? 0);
    return { top: Math.min(info.vocabSize, top), rows: which };
  }

  readonly #onTrim = (kept: Uint32Array, from: number): void => {
    this.#trims.push({ type: "cache-trimmed", from, to: kept.length });
  };
}

/**
 * How many tokens to draft after a root at slot `base`. Ends where the policy would evict, so that
 * it does so at the same tokens as without a draft.
 */
function askableTokens({ draftLength, cache }: Plan, base: number, room: number): number {
  const asked = room < 1 ? 0 : Math.min(room, draftLength.next(room));
  if (cache === null) return asked;
  let count = 0;
  while (count < asked) {
    const length = base + count + 1;
    const kept = cache(length, 1);
    if (kept !== null && kept.length < length) break;
    count++;
  }
  return count;
}

/** The slots `[0, length)`. */
function prefix(length: number): Uint32Array {
  return Uint32Array.from({ length }, (_, i) => i);
}
