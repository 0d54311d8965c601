import {
  type AbortLike,
  type Block,
  type Capabilities,
  InferenceError,
  type LogitsWanted,
  type ModelInfo,
  type Sequence,
  type StepOptions,
  type StepOutput,
  type Tap,
} from "@frugal/core";

import { lastRows } from "../generate/last-rows.ts";
import { expectRange } from "../sampling/sampling-options.ts";
import { checkRanges, joinCapabilities, joinInfo } from "./join-ranges.ts";
import { LazyRange } from "./lazy-range.ts";

/**
 * The sequence of a model whose layers are held as consecutive ranges: the first takes tokens, each
 * other one the hidden states that leave the one before.
 *
 * Equal to the sequence of the whole model: a step runs the ranges one after the other, `keep`,
 * `fork` and `dispose` act on all of them, and taps are numbered as in the whole. Owns the ranges,
 * which must hold the same number of positions, usually none. Cost: that of the ranges, and the
 * hidden states, which cross the boundary between them.
 *
 * @throws {@link InferenceError} `range` for fewer than two ranges; `shape` for ranges of other
 *   widths, `state` of other lengths; `unsupported` for one that takes or gives no hidden states.
 */
export function splitSequence(ranges: readonly Sequence[]): Sequence {
  return new SplitSequence(ranges, null);
}

/** A {@link splitSequence} whose first range can run ahead of the others. */
export class SplitSequence implements Sequence {
  readonly info: ModelInfo;
  readonly capabilities: Capabilities;
  readonly #first: Sequence;
  readonly #rest: readonly LazyRange[];
  /** Reads what leaves the first range, beside the others; never part of a step. */
  readonly #reader: LazyRange | null;
  /** The first layer of every range, and the number of layers. */
  readonly #bounds: readonly number[];
  /** Tokens that only the first range has run. */
  #ahead: number[] = [];
  #busy = false;

  constructor(ranges: readonly Sequence[], reader: LazyRange | null) {
    checkRanges(ranges);
    this.#first = ranges[0]!;
    this.#rest = ranges.slice(1).map((range) => new LazyRange(range));
    this.#reader = reader;
    this.#bounds = ranges.reduce(
      (bounds, { info }) => [...bounds, bounds.at(-1)! + info.layers],
      [0],
    );
    this.info = joinInfo(ranges.map(({ info }) => info));
    this.capabilities = joinCapabilities(ranges.map(({ capabilities }) => capabilities));
  }

  get length(): number {
    return this.#rest[0]!.length;
  }

  step(block: Block, options: StepOptions): Promise<StepOutput> {
    return this.#alone(async () => {
      const start = this.length;
      try {
        const output = await this.#run(block, options);
        this.#ahead = [];
        return output;
      } catch (error) {
        this.#ahead = [];
        await this.#truncate(start);
        throw error;
      }
    });
  }

  /**
   * Runs tokens through the first range only. A step whose block begins with the tokens that ran
   * ahead uses their hidden states; any other step, and `keep`, drops them.
   *
   * @returns the first range's output, with its own early-exit logits.
   */
  runAhead(
    tokens: Uint32Array,
    logits: LogitsWanted,
    signal: AbortLike | undefined,
  ): Promise<StepOutput> {
    return this.#alone(async () => {
      const output = await this.#lead({ tokens }, { logits, ...(signal && { signal }) });
      this.#ahead.push(...tokens);
      return output;
    });
  }

  /** Forgets what ran ahead. */
  dropAhead(): Promise<void> {
    return this.#alone(() => this.#dropAhead(0));
  }

  keep(slots: Uint32Array): Promise<void> {
    return this.#alone(async () => {
      await this.#dropAhead(0);
      await this.#first.keep(slots);
      await Promise.all(this.#followers.map((range) => range.keep(slots)));
    });
  }

  async fork(): Promise<Sequence> {
    return this.#alone(async () => {
      await this.#dropAhead(0);
      return splitSequence(
        await Promise.all([this.#first, ...this.#rest].map((one) => one.fork())),
      );
    });
  }

  async dispose(): Promise<void> {
    await Promise.all([this.#first, ...this.#followers].map((range) => range.dispose()));
  }

  get #followers(): readonly LazyRange[] {
    return this.#reader === null ? this.#rest : [...this.#rest, this.#reader];
  }

  async #run(block: Block, options: StepOptions): Promise<StepOutput> {
    const { taps = [], tapRows = "all", logits, signal } = options;
    const places = taps.map((tap) => this.#placeOf(tap));
    const tapsIn = (range: number) => places.filter((at) => at.range === range).map((at) => at.tap);
    const common = signal === undefined ? {} : { signal };
    const own = tapsIn(0);
    // Of rows that ran ahead nothing is left but what leaves the range.
    const known = own.length > 0 ? 0 : agreement(block, this.#ahead);
    await this.#dropAhead(known);
    const missing = known === 0 ? block : { tokens: block.tokens!.subarray(known) };
    const isKnown = known > 0 && missing.tokens!.length === 0;
    const none: StepOutput = { logits: null, top: null, taps: [], runMs: 0 };
    const outputs = [
      isKnown ? none : await this.#lead(missing, { logits: "none", taps: own, ...common }),
    ];
    for (const [i, range] of this.#rest.entries()) {
      const next = this.#rest[i + 1];
      const end = next === undefined ? [] : [this.#bounds[i + 2]! - this.#bounds[i + 1]!];
      const wanted = next === undefined ? logits : "none";
      const output = await range.run(
        { logits: wanted, taps: [...tapsIn(i + 1), ...end], ...common },
        block,
      );
      next?.push(output.taps.at(-1)!);
      outputs.push(output);
    }
    const taken = outputs.map(() => 0);
    const tapped = places.map(({ range }) => outputs[range]!.taps[taken[range]!++]!);
    return {
      ...outputs.at(-1)!,
      taps: tapRows === "last" ? tapped.map((states) => lastRows(states, 1)) : tapped,
      runMs: outputs.reduce((sum, { runMs }) => sum + runMs, 0),
    };
  }

  /** Runs a block through the first range and hands on what leaves it. */
  async #lead(block: Block, { taps = [], ...options }: StepOptions): Promise<StepOutput> {
    const output = await this.#first.step(block, { ...options, taps: [...taps, this.#bounds[1]!] });
    const hidden = output.taps.at(-1)!;
    this.#rest[0]!.push(hidden);
    this.#reader?.push(hidden);
    return output;
  }

  /** Drops what ran ahead but for the first `count` tokens. */
  async #dropAhead(count: number): Promise<void> {
    if (this.#ahead.length <= count) return;
    this.#ahead.length = count;
    await this.#truncate(this.length + count);
  }

  async #truncate(length: number): Promise<void> {
    const slots = Uint32Array.from({ length }, (_, i) => i);
    if (this.#first.length > length) await this.#first.keep(slots);
    await Promise.all(this.#followers.map((range) => range.keep(slots)));
  }

  /** The range that taps a hidden state of the whole, and its own number there. */
  #placeOf(tap: Tap): { readonly range: number; readonly tap: Tap } {
    const { layers } = this.info;
    if (tap === "final") return { range: this.#bounds.length - 2, tap };
    const isLayer = Number.isInteger(tap) && tap >= 0 && tap <= layers;
    expectRange("taps", tap, `a layer in [0, ${layers}]`, isLayer);
    const after = this.#bounds.findIndex((bound) => bound > tap);
    const range = (after < 0 ? this.#bounds.length - 1 : after) - 1;
    return { range, tap: tap - this.#bounds[range]! };
  }

  async #alone<T>(act: () => Promise<T>): Promise<T> {
    if (this.#busy) {
      throw new InferenceError("state", "sequence: the call before has not finished yet");
    }
    this.#busy = true;
    try {
      return await act();
    } finally {
      this.#busy = false;
    }
  }
}

/** How many tokens of a chain are the first of those that ran ahead. */
function agreement({ tokens, parents, positions }: Block, ahead: readonly number[]): number {
  if (tokens === undefined || parents !== undefined || positions !== undefined) return 0;
  let count = 0;
  while (count < ahead.length && ahead[count] === tokens[count]) count++;
  return count;
}
