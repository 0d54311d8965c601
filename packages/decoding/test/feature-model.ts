import {
  type Block,
  InferenceError,
  type Matrix,
  type Sequence,
  type StepOptions,
  type Tap,
} from "@frugal/core";

import { markovSequence, type MarkovOptions, type MarkovSequence } from "./markov-model.ts";

/**
 * Hidden states that say where they come from: `[tag, token, position]`. The tag is the number of the
 * tap, {@link finalTag} for the state after the final norm, {@link ownTag} for a draft head's own.
 */
const width = 3;
const finalTag = -1;
const ownTag = -2;

/** A {@link markovSequence} with hidden states. */
export function tappedSequence(options: MarkovOptions): MarkovSequence {
  const inner = markovSequence(options);
  return watch(inner, {}, (token, position, tap) => [
    tap === "final" ? finalTag : tap,
    token,
    position,
  ]);
}

/**
 * A draft head of {@link tappedSequence} that refuses every row whose features are not the states of
 * the token before it: those of the target at `reads`, or its own for what it drafted itself.
 */
export function headSequence(
  options: MarkovOptions,
  reads: readonly Tap[] = ["final"],
): MarkovSequence {
  const inner = markovSequence({ tree: true, top: true, ...options });
  /** Where in the text its cache begins: a text that was there before it was not read by it. */
  let first = 0;
  const own = (token: number, position: number) => [ownTag, token, position + 1];
  return watch(inner, { reads }, own, (features, row, position, before) => {
    const states = features.map(({ data }) => [...data.subarray(row * width, (row + 1) * width)]);
    const isOwn = states.length === 1 && states[0]![0] === ownTag;
    const tags = isOwn ? [ownTag] : reads.map((tap) => (tap === "final" ? finalTag : tap));
    if (before === null) first = states[0]![2]!;
    const at = isOwn ? position : first + position;
    const expected = tags.map((tag) => [tag, before ?? states[0]![1]!, at]);
    if (JSON.stringify(states) === JSON.stringify(expected)) return;
    throw new Error(`features: expected ${expected.join(" ")}, got ${states.join(" ")}`);
  });
}

type Check = (
  features: readonly Matrix[],
  row: number,
  position: number,
  before: number | null,
) => void;

/** Adds states to a sequence, and looks at the features of its blocks. */
function watch(
  inner: MarkovSequence,
  more: Partial<Sequence["info"]>,
  stateOf: (token: number, position: number, tap: Tap) => readonly number[],
  check?: Check,
): MarkovSequence {
  /** Token, position and slot before it of every cached row. */
  let slots: { token: number; position: number }[] = [];
  const step = async (block: Block, options: StepOptions) => {
    const { features, ...rest } = block;
    if ((features === undefined) !== (check === undefined)) {
      throw new InferenceError("unsupported", "features");
    }
    const start = inner.length;
    const rows: typeof slots = [];
    for (const [i, token] of block.tokens!.entries()) {
      const parent = block.parents?.[i] ?? i - 1;
      const before = (parent < 0 ? slots[start + parent] : rows[parent]) ?? null;
      const position = (before?.position ?? -1) + 1;
      check?.(features!, i, position, before?.token ?? null);
      rows.push({ token, position });
    }
    const output = await inner.step(rest, options);
    slots = [...slots.slice(0, start), ...rows];
    const shown = options.tapRows === "last" ? rows.slice(-1) : rows;
    const taps = (options.taps ?? []).map((tap) => ({
      data: Float32Array.from(
        shown.flatMap(({ token, position }) => stateOf(token, position, tap)),
      ),
      rows: shown.length,
      cols: width,
    }));
    return { ...output, taps };
  };
  const keep = async (positions: Uint32Array) => {
    await inner.keep(positions);
    slots = Array.from(positions, (slot) => slots[slot]!);
  };
  const capabilities = { ...inner.capabilities, taps: true };
  const info = { ...inner.info, hiddenSize: width, ...more };
  return Object.assign(Object.create(inner) as MarkovSequence, { step, keep, capabilities, info });
}
