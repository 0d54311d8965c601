import {
  type AbortLike,
  type CachePolicy,
  InferenceError,
  philox,
  type Rng,
  type Sequence,
  type TextStream,
} from "@frugal/core";

import type { DraftKind, Drafter } from "../drafters/drafter.ts";
import type { DraftLength } from "../length/draft-length.ts";
import { measuredCost } from "../length/measured-cost.ts";
import {
  expectRange,
  isIndex,
  type ResolvedSampling,
  resolveSampling,
  type SamplingOptions,
} from "../sampling/sampling-options.ts";
import { sampleMatch } from "../verifiers/sample-match.ts";
import type { Verifier } from "../verifiers/verifier.ts";

/** Options of `generate`. Every one has a default; without any, decoding is greedy. */
export interface GenerateOptions extends SamplingOptions {
  /** Seeds Philox. The same seed and settings give the same text. Default 0. */
  readonly seed?: number | bigint;
  /** A random source to use instead of Philox. */
  readonly random?: Rng;

  /** The most tokens to emit, at least 1. Default: until the context is full. */
  readonly maxTokens?: number;
  /** Ids that end the text; they are emitted. Default: those of the model. */
  readonly stopIds?: readonly number[];
  /** Strings that end the text; they are not shown. Needs `text`. */
  readonly stopStrings?: readonly string[];
  /** Makes the decoder of the answer's text, which then arrives with the events. */
  readonly text?: () => TextStream;
  /** Reports log probabilities, with this many alternatives. Default: not at all. */
  readonly logprobs?: number;

  /** Proposes tokens to be checked several at a time. Default: none. */
  readonly drafter?: Drafter;
  /** How they are checked. Default `sampleMatch()`. */
  readonly verifier?: Verifier;
  /** How many are asked for. Default `measuredCost()`. */
  readonly draftLength?: DraftLength;

  /** What the cache keeps. Default: everything, until the context is full. */
  readonly cache?: CachePolicy;
  /** Rows per step while the prompt is read. Default: all, or fewer where they do not fit. */
  readonly prefillChunk?: number;
  /**
   * The text before `ids`, which the cache already holds. Penalties and drafters look at it, and
   * its length makes positions absolute. Default: `sequence.length` unknown tokens.
   */
  readonly history?: Uint32Array;

  /** Checked between steps and inside them. */
  readonly signal?: AbortLike;
  /**
   * Milliseconds, `performance.now` for instance. Without it the statistics know only the time
   * inside the models, and so does the choice of draft lengths.
   */
  readonly clock?: () => number;
}

/** {@link GenerateOptions}, checked against a sequence and completed. */
export interface Plan {
  readonly sampling: ResolvedSampling;
  readonly random: Rng;
  readonly maxTokens: number;
  readonly stopIds: ReadonlySet<number>;
  readonly stopStrings: readonly string[];
  readonly text: TextStream | null;
  readonly logprobs: number | null;
  readonly drafter: Drafter | null;
  readonly kind: DraftKind;
  readonly verifier: Verifier;
  readonly draftLength: DraftLength;
  readonly cache: CachePolicy | null;
  readonly prefillChunk: number | null;
  /** Positions before the first known token, then the known tokens, `ids` last. */
  readonly start: number;
  readonly tokens: Uint32Array;
  readonly signal: AbortLike | undefined;
}

/**
 * Checks the options, before any work.
 *
 * @throws {@link InferenceError} `range` for a value outside its interval or a prompt that cannot
 *   fit; `unsupported` for a combination that the model, the drafter or the verifier denies.
 */
export function resolveOptions(sequence: Sequence, ids: Uint32Array, o: GenerateOptions): Plan {
  const { info, capabilities } = sequence;
  const { vocabSize, maxLength } = info;
  const { maxTokens = Infinity, stopStrings = [], logprobs = null, prefillChunk = null } = o;
  if (!capabilities.tokens)
    throw unsupported("sequence", "a model of tokens", "one of hidden states");
  expectRange("ids", ids.length, "at least one token", ids.length > 0);
  const room = maxLength - sequence.length;
  const fits = ids.length <= room || o.cache !== undefined;
  expectRange("ids", ids.length, `at most ${room} tokens without a cache policy`, fits);
  expectRange("maxTokens", maxTokens, "an integer >= 1", isCount(maxTokens, 1, true));
  expectRange("prefillChunk", prefillChunk, "an integer >= 1", isCount(prefillChunk ?? 1, 1));
  const inVocabulary = `an integer in [0, ${vocabSize}]`;
  const isLogprobs = isIndex(logprobs ?? 0, vocabSize + 1);
  expectRange("logprobs", logprobs, inVocabulary, isLogprobs);
  for (const id of o.stopIds ?? []) {
    expectRange("stopIds", id, `ids in [0, ${vocabSize})`, isIndex(id, vocabSize));
  }
  for (const stop of stopStrings) expectRange("stopStrings", '""', "no empty string", stop !== "");
  const hasText = stopStrings.length === 0 || o.text !== undefined;
  expectRange("stopStrings", "no decoder", "the option text beside it", hasText);
  if (o.cache !== undefined && !capabilities.evict) {
    throw unsupported("cache", "a model that can evict", "one that keeps prefixes only");
  }

  if ((o.drafter?.wants?.taps?.length ?? 0) > 0 && !capabilities.taps) {
    throw unsupported("drafter", "a model with hidden states", "one without");
  }

  const sampling = resolveSampling(o, vocabSize);
  const verifier = o.verifier ?? sampleMatch();
  if (verifier.greedyOnly === true && sampling.temperature !== 0) {
    throw unsupported("verifier", "temperature 0", `temperature ${sampling.temperature}`);
  }
  const history = o.history ?? null;
  return {
    sampling,
    random: o.random ?? philox(o.seed ?? 0),
    maxTokens,
    stopIds: new Set(o.stopIds ?? info.eosIds),
    stopStrings,
    text: o.text?.() ?? null,
    logprobs,
    drafter: o.drafter ?? null,
    kind: agreeOnKind(verifier, o.drafter, vocabSize),
    verifier,
    draftLength: o.draftLength ?? o.drafter?.draftLength ?? measuredCost(),
    cache: o.cache ?? null,
    prefillChunk,
    start: history === null ? sequence.length : 0,
    tokens: history === null ? ids : concat(history, ids),
    signal: o.signal,
  };
}

/** The kind of draft the verifier likes best among those the drafter can make. */
function agreeOnKind(verifier: Verifier, drafter: Drafter | undefined, vocab: number): DraftKind {
  if (drafter === undefined) return "point";
  const size = drafter.vocabSize ?? vocab;
  if (size !== vocab) throw unsupported("drafter", `a vocabulary of ${vocab}`, `one of ${size}`);
  const kind = verifier.kinds.find((wanted) => drafter.kinds.includes(wanted));
  if (kind !== undefined) return kind;
  const wanted = verifier.kinds.join(" or ");
  throw unsupported("drafter", `drafts that are ${wanted}`, drafter.kinds.join(" or "));
}

function unsupported(subject: string, expected: string, got: string): InferenceError {
  return new InferenceError("unsupported", `${subject}: expected ${expected}, got ${got}`);
}

function isCount(value: number, low: number, orInfinity = false): boolean {
  return (Number.isInteger(value) && value >= low) || (orInfinity && value === Infinity);
}

function concat(a: Uint32Array, b: Uint32Array): Uint32Array {
  const all = new Uint32Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}
