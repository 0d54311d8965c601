import type { GenerateStats } from "@frugal/decoding";

/** One finished generation. */
export interface Result {
  readonly text: string;
  readonly ids: readonly number[];
  readonly finish: string;
  readonly stats: GenerateStats;
}

/** The part of the statistics that people look at. */
export interface Summary {
  readonly promptTokens: number;
  readonly tokens: number;
  /** Tokens after the first, over the time after the first. */
  readonly tokensPerSecond: number;
  readonly tokensPerStep: number;
  readonly acceptanceRate: number | null;
  readonly timeToFirstTokenMs: number;
  readonly modelMs: number;
  readonly draftMs: number;
  readonly outsideMs: number;
  readonly memoryMB: number;
}

/** Sums a generation up. Needs the statistics of a generation with a clock. */
export function summarize(stats: GenerateStats): Summary {
  const elapsedMs = stats.elapsedMs ?? 0;
  const timeToFirstTokenMs = stats.timeToFirstTokenMs ?? 0;
  const rest = elapsedMs - timeToFirstTokenMs;
  return {
    promptTokens: stats.promptTokens,
    tokens: stats.tokens,
    tokensPerSecond: rest > 0 ? round(((stats.tokens - 1) * 1000) / rest) : 0,
    tokensPerStep: round(stats.tokensPerStep),
    acceptanceRate: stats.acceptanceRate === null ? null : round(stats.acceptanceRate),
    timeToFirstTokenMs: round(timeToFirstTokenMs),
    modelMs: round(stats.modelMs),
    draftMs: round(stats.draftMs),
    outsideMs: round(stats.outsideMs ?? 0),
    memoryMB: Math.round(process.memoryUsage().rss / 1e6),
  };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

/** The line below the text. */
export function statsLine(summary: Summary): string {
  return [
    `${summary.tokens} tokens`,
    `${summary.tokensPerSecond.toFixed(0)} tokens/s`,
    `${summary.tokensPerStep.toFixed(2)} tokens per step`,
    `first token after ${summary.timeToFirstTokenMs.toFixed(0)} ms`,
    `${summary.memoryMB} MB`,
  ].join(" · ");
}

/** How a run with a draft compares to the one without. */
export interface Comparison {
  /** The ids are the same. */
  readonly equal: boolean;
  /** Tokens per second with the draft over those without. */
  readonly ratio: number;
}

/** Compares two results for the same prompt and seed. */
export function compareResults(plain: Result, drafted: Result): Comparison {
  const speed = ({ stats }: Result): number => summarize(stats).tokensPerSecond;
  return {
    equal:
      plain.ids.length === drafted.ids.length && plain.ids.every((id, i) => id === drafted.ids[i]),
    ratio: speed(plain) > 0 ? round(speed(drafted) / speed(plain)) : 0,
  };
}
