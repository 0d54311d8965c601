import {
  type Block,
  type Capabilities,
  InferenceError,
  type ModelInfo,
  type Sequence,
  type StepOptions,
  type StepOutput,
} from "@frugal/core";

import { expectCount } from "./expect.ts";

/**
 * A sequence that reads its last tokens again with full attention, from time to time, and replaces
 * their keys and values: rows that sparse layers have written drift away from what full attention
 * would have written, and later rows are computed from them.
 *
 * Before a step that finds `every` tokens or more since the last correction, these run as one block.
 * Blocks of embeddings and trees that are not kept yet are left as they are. Takes the sequence over.
 *
 * _Cost_: one full step of `every` rows in `every` tokens. It is not aborted by the step's signal,
 * so that nothing is lost; should the backend fail in it, the sequence is disposed.
 *
 * @throws {@link InferenceError} `range` unless `every` is a positive integer.
 * @see TidalDecode (Yang et al.), arXiv:2410.05076, cache correction; not in the published code
 */
export function correctingSequence(sequence: Sequence, every: number): Sequence {
  expectCount("every", every, 1);
  return new CorrectingSequence(sequence, every, []);
}

class CorrectingSequence implements Sequence {
  readonly #inner: Sequence;
  readonly #every: number;
  /** Tokens of the last rows, not corrected yet. */
  #tokens: number[];
  /** Whether the cache may hold branches. */
  #hasTree = false;

  constructor(inner: Sequence, every: number, tokens: number[]) {
    this.#inner = inner;
    this.#every = every;
    this.#tokens = tokens;
  }

  get info(): ModelInfo {
    return this.#inner.info;
  }

  get capabilities(): Capabilities {
    return this.#inner.capabilities;
  }

  get length(): number {
    return this.#inner.length;
  }

  async step(block: Block, options: StepOptions): Promise<StepOutput> {
    if (this.#tokens.length >= this.#every && !this.#hasTree) await this.#correct();
    const output = await this.#inner.step(block, options);
    if (block.tokens === undefined) this.#tokens = [];
    else if (output.sparse === true || this.#tokens.length > 0) this.#tokens.push(...block.tokens);
    if (block.parents !== undefined) this.#hasTree = true;
    return output;
  }

  async keep(positions: Uint32Array): Promise<void> {
    const start = this.#inner.length - this.#tokens.length;
    await this.#inner.keep(positions);
    const kept = Array.from(
      positions.filter((slot) => slot >= start),
      (slot) => slot - start,
    );
    this.#tokens = kept.map((index) => this.#tokens[index]!);
    this.#hasTree = false;
  }

  async fork(): Promise<Sequence> {
    const copy = new CorrectingSequence(await this.#inner.fork(), this.#every, [...this.#tokens]);
    copy.#hasTree = this.#hasTree;
    return copy;
  }

  dispose(): Promise<void> {
    return this.#inner.dispose();
  }

  async #correct(): Promise<void> {
    const tokens = Uint32Array.from(this.#tokens);
    const start = this.#inner.length - tokens.length;
    this.#tokens = [];
    try {
      await this.#inner.keep(Uint32Array.from({ length: start }, (_, i) => i));
      await this.#inner.step({ tokens }, { logits: "none", attention: "full" });
    } catch (cause) {
      await this.#inner.dispose();
      throw new InferenceError("backend", "correction of the cache failed", { cause });
    }
  }
}
