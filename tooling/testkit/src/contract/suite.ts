import {
  InferenceError,
  type Block,
  type Capabilities,
  type InferenceErrorCode,
  type LanguageModel,
  type LogitsWanted,
  type Matrix,
  type Sequence,
  type SequenceOptions,
} from "@frugal/core";
import { expect } from "vitest";

import { expectClose, largestDifference } from "../expect-close.ts";

/** A numbering of `createSequence`. */
export type PositionMode = NonNullable<SequenceOptions["positions"]>;

/** The two numberings. */
export const positionModes: readonly PositionMode[] = ["cache-relative", "absolute"];

/** What a case is given. */
export interface Suite {
  /** The model under test, shared by the cases. */
  readonly model: LanguageModel;
  /** The same weights in an implementation that is known to be right, if there is one. */
  readonly reference: LanguageModel | null;
  /** Another instance of the model, for what ends its life. */
  readonly load: () => Promise<LanguageModel>;
  readonly tolerance: number;
  /** How many random trees to try. */
  readonly trees: number;
  /** The numberings of `createSequence` to try. */
  readonly positionModes: readonly PositionMode[];
  /** Ends the case as skipped. */
  skip(why: string): never;
}

/** One thing that every implementation of the port must do. */
export interface ContractCase {
  readonly title: string;
  readonly run: (suite: Suite) => Promise<void>;
}

/** The reference; where there is none the case ends here, skipped. */
export function referenceOf(suite: Suite): LanguageModel {
  return suite.reference ?? suite.skip("no reference given");
}

/** Creates a sequence, hands it to `use` and disposes it. */
export async function withSequence<T>(
  model: LanguageModel,
  use: (sequence: Sequence) => Promise<T>,
  options?: SequenceOptions,
): Promise<T> {
  const sequence = await model.createSequence(options);
  try {
    return await use(sequence);
  } finally {
    await sequence.dispose();
  }
}

/** Appends tokens (or a whole block) and returns the logits asked for. */
export async function append(
  sequence: Sequence,
  block: Iterable<number> | Block,
  logits: Exclude<LogitsWanted, "none" | object> = "last",
): Promise<Matrix> {
  const whole = Symbol.iterator in block ? { tokens: Uint32Array.from(block) } : block;
  const output = await sequence.step(whole, { logits });
  return output.logits!;
}

/** Fills the cache without asking for anything. */
export async function fill(sequence: Sequence, tokens: Iterable<number>): Promise<void> {
  const ids = Uint32Array.from(tokens);
  if (ids.length > 0) await sequence.step({ tokens: ids }, { logits: "none" });
}

/** Logits of every position of a text that is fed in one block to a new sequence. */
export function fresh(model: LanguageModel, tokens: Iterable<number>): Promise<Matrix> {
  return withSequence(model, (sequence) => append(sequence, tokens, "all"));
}

/** The last row of {@link fresh}. */
export function freshLast(model: LanguageModel, tokens: Iterable<number>): Promise<Matrix> {
  return withSequence(model, (sequence) => append(sequence, tokens));
}

/** Compares logits within the suite's tolerance. */
export function expectSame(suite: Suite, actual: Matrix, expected: Matrix): void {
  expectClose(actual, expected, suite.tolerance);
}

/** Compares within the tolerance, relative to the largest entry where that exceeds one. */
export function expectSameScale(suite: Suite, actual: Matrix, expected: Matrix): void {
  const zero: Matrix = { ...expected, data: new Float32Array(expected.data.length) };
  const scale = Math.max(1, largestDifference(expected, zero));
  expectClose(actual, expected, suite.tolerance * scale);
}

/** Fails unless the call rejects with an error of one of the codes. */
export async function expectRefusal(
  call: () => Promise<unknown>,
  ...codes: InferenceErrorCode[]
): Promise<void> {
  const outcome = await call().then(
    () => "no error",
    (error: unknown) => (InferenceError.is(error) ? error.code : error),
  );
  expect(codes).toContain(outcome);
}

/**
 * True if the model has the capability; otherwise checks that it refuses `block` (or `run`) with
 * `unsupported` and returns false.
 */
export async function supports(
  suite: Suite,
  capability: keyof Capabilities,
  attempt: (sequence: Sequence) => Promise<unknown>,
): Promise<boolean> {
  if (suite.model.capabilities[capability]) return true;
  await withSequence(suite.model, async (sequence) => {
    await fill(sequence, [1, 1, 1]);
    await expectRefusal(() => attempt(sequence), "unsupported");
    expect(sequence.length).toBe(3);
  });
  return false;
}

/** The numbers from 0 up to `end`. */
export function range(end: number): number[] {
  return Array.from({ length: end }, (_, i) => i);
}

/** Rows from the root down to `node`. */
export function pathTo(parents: Int32Array, node: number): number[] {
  const path: number[] = [];
  for (let row = node; row >= 0; row = parents[row]!) path.unshift(row);
  return path;
}
