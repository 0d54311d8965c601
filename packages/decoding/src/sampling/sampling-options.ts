import { InferenceError } from "@frugal/core";

/**
 * How a row of logits becomes the law that a token is drawn from.
 *
 * Applied in this order: logit bias, penalties (repetition, then frequency and presence),
 * temperature, top-k, top-p, min-p. Each stage works on what the one before left.
 */
export interface SamplingOptions {
  /** Divides the logits. 0, the default, takes the most probable token (ties to the lower id). */
  readonly temperature?: number;
  /** Keeps the `topK` largest logits; ties at the edge go to the lower id. Default: all. */
  readonly topK?: number;
  /** Keeps the shortest prefix, by descending probability, whose sum reaches it. In (0, 1]. */
  readonly topP?: number;
  /** Keeps what has at least this share of the largest probability. In [0, 1]. */
  readonly minP?: number;
  /** Positive logits of seen ids are divided by it, negative ones multiplied. Above 0; 1 is off. */
  readonly repetitionPenalty?: number;
  /** Subtracted once from the logit of every seen id. */
  readonly presencePenalty?: number;
  /** Subtracted from the logit of a seen id as often as it was seen. */
  readonly frequencyPenalty?: number;
  /** What the penalties count as seen. Default: the whole text. */
  readonly penaltyScope?: PenaltyScope;
  /** Added to the logits of these ids. `-Infinity` bans an id. */
  readonly logitBias?: ReadonlyMap<number, number>;
}

/** Which tokens count as seen for the penalties. */
export interface PenaltyScope {
  /** Only the last `window` tokens. Default: all. */
  readonly window?: number;
  /** Whether the tokens before the first generated one count. Default true. */
  readonly prompt?: boolean;
}

/** {@link SamplingOptions} with every default filled in. */
export interface ResolvedSampling {
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly repetitionPenalty: number;
  readonly presencePenalty: number;
  readonly frequencyPenalty: number;
  readonly window: number;
  readonly penalizePrompt: boolean;
  readonly logitBias: ReadonlyMap<number, number> | null;
  readonly hasPenalties: boolean;
}

/**
 * Checks the options against a vocabulary and fills in the defaults.
 *
 * @throws {@link InferenceError} `range` naming the option that is out of its interval.
 */
export function resolveSampling(options: SamplingOptions, vocabSize: number): ResolvedSampling {
  const resolved: ResolvedSampling = {
    temperature: options.temperature ?? 0,
    topK: options.topK ?? vocabSize,
    topP: options.topP ?? 1,
    minP: options.minP ?? 0,
    repetitionPenalty: options.repetitionPenalty ?? 1,
    presencePenalty: options.presencePenalty ?? 0,
    frequencyPenalty: options.frequencyPenalty ?? 0,
    window: options.penaltyScope?.window ?? Infinity,
    penalizePrompt: options.penaltyScope?.prompt ?? true,
    logitBias: options.logitBias?.size ? options.logitBias : null,
    hasPenalties:
      (options.repetitionPenalty ?? 1) !== 1 ||
      (options.presencePenalty ?? 0) !== 0 ||
      (options.frequencyPenalty ?? 0) !== 0,
  };
  const { temperature, topK, topP, minP, repetitionPenalty, window } = resolved;
  expectRange("temperature", temperature, "a number >= 0", isFiniteFrom(temperature, 0));
  expectRange("topK", topK, "an integer >= 1", Number.isInteger(topK) && topK >= 1);
  expectRange("topP", topP, "a number in (0, 1]", topP > 0 && topP <= 1);
  expectRange("minP", minP, "a number in [0, 1]", minP >= 0 && minP <= 1);
  expectRange(
    "repetitionPenalty",
    repetitionPenalty,
    "a number > 0",
    repetitionPenalty > 0 && repetitionPenalty < Infinity,
  );
  for (const name of ["presencePenalty", "frequencyPenalty"] as const) {
    expectRange(name, resolved[name], "a finite number", Number.isFinite(resolved[name]));
  }
  expectRange(
    "penaltyScope.window",
    window,
    "an integer >= 1",
    window === Infinity || (Number.isInteger(window) && window >= 1),
  );
  for (const [id, bias] of options.logitBias ?? []) {
    expectRange("logitBias", id, `ids in [0, ${vocabSize})`, isIndex(id, vocabSize));
    expectRange("logitBias", bias, "numbers below Infinity", bias < Infinity);
  }
  return resolved;
}

/**
 * Throws unless `valid`.
 *
 * @throws {@link InferenceError} `range` with the message `name: expected X, got Y`.
 */
export function expectRange(name: string, got: unknown, expected: string, valid: boolean): void {
  if (valid) return;
  throw new InferenceError("range", `${name}: expected ${expected}, got ${String(got)}`);
}

/** Whether `value` is an integer in `[low, high]`. */
export function isIn(value: number, low: number, high: number): boolean {
  return Number.isInteger(value) && value >= low && value <= high;
}

/** Whether `value` is an integer in `[0, end)`. */
export function isIndex(value: number, end: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < end;
}

function isFiniteFrom(value: number, low: number): boolean {
  return value >= low && value < Infinity;
}
