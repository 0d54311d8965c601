/** What a generation did and where the time went. */
export interface GenerateStats {
  readonly promptTokens: number;
  /** Tokens emitted. */
  readonly tokens: number;
  /** Passes of the target model that yielded tokens; reading the prompt counts as one. */
  readonly targetSteps: number;
  /** `tokens / targetSteps`: 1 without speculation. 0 before the first step. */
  readonly tokensPerStep: number;
  /** Tokens proposed by the drafter and run through the target. */
  readonly drafted: number;
  readonly accepted: number;
  /** `accepted / drafted`, or null while nothing was drafted. */
  readonly acceptanceRate: number | null;
  /** Milliseconds inside the target model for the prompt. */
  readonly prefillMs: number;
  /** Milliseconds inside the target model, the prompt included. */
  readonly modelMs: number;
  /** Milliseconds inside the draft model. */
  readonly draftMs: number;
  /** Milliseconds spent in the generation, without what its consumer did between events. */
  readonly elapsedMs: number | null;
  /** `elapsedMs - modelMs - draftMs`: sampling, drafting without a model, cache, events. */
  readonly outsideMs: number | null;
  /** Elapsed milliseconds until the first token. */
  readonly timeToFirstTokenMs: number | null;
}

/** The counters behind {@link GenerateStats}. The times are null without a clock. */
export interface Meter {
  promptTokens: number;
  tokens: number;
  targetSteps: number;
  drafted: number;
  accepted: number;
  prefillMs: number;
  modelMs: number;
  draftMs: number;
  /** Starts and stops the stop watch; its consumer's time lies between `pause` and `resume`. */
  resume(): void;
  pause(): void;
  /** The clock, or null without one. */
  now(): number | null;
  /** Notes the first token. */
  noteToken(): void;
  stats(): GenerateStats;
}

/** A meter that reads `clock`, in milliseconds, where there is one. */
export function createMeter(clock: (() => number) | undefined): Meter {
  let active = 0;
  let since: number | null = null;
  let firstToken: number | null = null;
  const elapsed = (): number | null => {
    if (clock === undefined) return null;
    return active + (since === null ? 0 : clock() - since);
  };
  return {
    promptTokens: 0,
    tokens: 0,
    targetSteps: 0,
    drafted: 0,
    accepted: 0,
    prefillMs: 0,
    modelMs: 0,
    draftMs: 0,
    resume() {
      since = clock?.() ?? null;
    },
    pause() {
      active = elapsed() ?? 0;
      since = null;
    },
    now: () => clock?.() ?? null,
    noteToken() {
      if (this.tokens++ === 0) firstToken = elapsed();
    },
    stats() {
      const { promptTokens, tokens, targetSteps, drafted, accepted } = this;
      const { prefillMs, modelMs, draftMs } = this;
      const elapsedMs = elapsed();
      return {
        promptTokens,
        tokens,
        targetSteps,
        tokensPerStep: targetSteps === 0 ? 0 : tokens / targetSteps,
        drafted,
        accepted,
        acceptanceRate: drafted === 0 ? null : accepted / drafted,
        prefillMs,
        modelMs,
        draftMs,
        elapsedMs,
        outsideMs: elapsedMs === null ? null : elapsedMs - modelMs - draftMs,
        timeToFirstTokenMs: firstToken,
      };
    },
  };
}
