import type { GenerateStats } from "@frugal/decoding";

import type { Run } from "./engine.ts";

/** Tokens after the first over the time after the first; 0 before there are any. */
export function tokensPerSecond({ tokens, elapsedMs, timeToFirstTokenMs }: GenerateStats): number {
  const rest = (elapsedMs ?? 0) - (timeToFirstTokenMs ?? 0);
  return tokens > 1 && rest > 0 ? ((tokens - 1) * 1000) / rest : 0;
}

/** A finished run in words. */
export const reasons: Readonly<Record<Run["reason"], string>> = {
  "stop-id": "end of text",
  "stop-string": "line break",
  "max-tokens": "most tokens",
  "context-full": "full context",
  stopped: "you",
};

/** What two finished runs of the same prompt and seed come to. */
export interface Verdict {
  readonly equal: boolean;
  readonly figures: string;
}

/** Compares a run without a drafter to one with it, token by token. */
export function compareRuns(plain: Run, drafted: Run): Verdict {
  const equal =
    plain.tokens.length === drafted.tokens.length &&
    plain.tokens.every((token, i) => token === drafted.tokens[i]);
  const before = tokensPerSecond(plain.stats);
  const ratio = before > 0 ? tokensPerSecond(drafted.stats) / before : 0;
  const steps = `${drafted.stats.targetSteps} target steps in place of ${plain.stats.targetSteps}`;
  const speed = ratio > 0 ? `, ${ratio.toFixed(2)} times the speed` : "";
  return { equal, figures: steps + speed };
}
