import {
  type Block,
  type Capabilities,
  InferenceError,
  type ModelInfo,
  type Sequence,
  type StepOptions,
  type StepOutput,
} from "@frugal/core";

import { confidenceOf } from "../sampling/confidence.ts";
import { LazyRange } from "./lazy-range.ts";

/**
 * A sequence that stops at the first range of layers whose law is sure of the next token.
 *
 * A step runs its rows through the first range. If the largest probability after the last row is
 * below that range's threshold the next range runs too, and so on; the last one always answers. Rows
 * that exited early wait, and the first step that goes deeper reads all of them as one causal block,
 * so that an answer from any depth is the one that running every row to that depth would give.
 *
 * Chains only, with logits of the last row at most. `thresholds[i]` belongs to `ranges[i]`.
 */
export class ExitSequence implements Sequence {
  readonly info: ModelInfo;
  readonly capabilities: Capabilities;
  readonly #first: Sequence;
  readonly #rest: readonly LazyRange[];
  /** Layers of every range: the tap of what leaves it. */
  readonly #ends: readonly number[];
  readonly #thresholds: readonly number[];

  constructor(ranges: readonly Sequence[], thresholds: readonly number[]) {
    this.#first = ranges[0]!;
    this.#rest = ranges.slice(1).map((range) => new LazyRange(range));
    this.#ends = ranges.map(({ info }) => info.layers);
    this.#thresholds = thresholds;
    const layers = this.#ends.reduce((sum, count) => sum + count, 0);
    this.info = { ...this.#first.info, layers };
    const top = ranges.every(({ capabilities }) => capabilities.top);
    this.capabilities = {
      ...this.#first.capabilities,
      tree: false,
      openTree: false,
      taps: false,
      top,
    };
  }

  get length(): number {
    return this.#first.length;
  }

  async step(block: Block, options: StepOptions): Promise<StepOutput> {
    const { logits } = options;
    const isLast = logits === "last" || (typeof logits === "object" && logits.rows === "last");
    if (logits !== "none" && !isLast) {
      throw new InferenceError(
        "unsupported",
        `logits: expected the last row, got ${JSON.stringify(logits)}`,
      );
    }
    const start = this.length;
    try {
      return await this.#run(block, options);
    } catch (error) {
      if (this.length > start) await this.keep(Uint32Array.from({ length: start }, (_, i) => i));
      throw error;
    }
  }

  async keep(slots: Uint32Array): Promise<void> {
    await this.#first.keep(slots);
    for (const range of this.#rest) await range.keep(slots);
  }

  async fork(): Promise<Sequence> {
    throw new InferenceError("unsupported", "fork: rows that wait are not shared");
  }

  async dispose(): Promise<void> {
    await Promise.all([this.#first, ...this.#rest].map((range) => range.dispose()));
  }

  async #run(block: Block, { logits, signal }: StepOptions): Promise<StepOutput> {
    const options = { logits, ...(signal && { signal }) };
    let output = await this.#first.step(block, { ...options, taps: [this.#ends[0]!] });
    let runMs = output.runMs;
    this.#rest[0]?.push(output.taps[0]!);
    for (const [i, range] of this.#rest.entries()) {
      if (logits === "none" || confidenceOf(output) >= this.#thresholds[i]!) break;
      const next = this.#rest[i + 1];
      const taps = next === undefined ? [] : [this.#ends[i + 1]!];
      output = await range.run({ ...options, taps });
      next?.push(output.taps[0]!);
      runMs += output.runMs;
    }
    return { ...output, taps: [], runMs };
  }
}
