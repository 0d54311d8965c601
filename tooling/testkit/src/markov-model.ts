import {
  InferenceError,
  throwIfAborted,
  type Block,
  type Capabilities,
  type LanguageModel,
  type Matrix,
  type ModelInfo,
  type Sequence,
  type StepOptions,
  type StepOutput,
} from "@frugal/core";

import { checkOutputs, planBlock } from "./plan-block.ts";
import { selectLogits, wantedRows } from "./select-logits.ts";
import { SlotBook } from "./slot-book.ts";

/** Options of {@link markovModel}. */
export interface MarkovOptions {
  /** Default 1024. */
  readonly maxLength?: number;
  /** Default none. */
  readonly eosIds?: readonly number[];
}

const capabilities: Capabilities = {
  tokens: true,
  tree: true,
  openTree: true,
  embeddings: false,
  taps: false,
  positions: true,
  evict: true,
  top: true,
};

/**
 * A language model whose next-token logits depend on the last token only: after token `t` they are
 * row `t` of the matrix. For testing decoders against laws that are known in closed form.
 *
 * Shapes: `logits` is `[vocabSize, vocabSize]`. It is not copied. Positions are checked but change
 * nothing; there are no embeddings and no hidden states.
 *
 * @throws {@link InferenceError} `shape` unless the matrix is square and complete.
 */
export function markovModel(logits: Matrix, options: MarkovOptions = {}): LanguageModel {
  const { data, rows, cols } = logits;
  if (rows < 1 || rows !== cols || data.length !== rows * cols) {
    throw new InferenceError("shape", `logits: expected a square matrix, got [${rows}, ${cols}]`);
  }
  const info: ModelInfo = {
    architecture: "markov",
    vocabSize: rows,
    hiddenSize: 1,
    maxLength: options.maxLength ?? 1024,
    layers: 0,
    heads: 1,
    kvHeads: 1,
    headDim: 1,
    eosIds: options.eosIds ?? [],
    rope: null,
    parameters: data.length,
  };
  const model: Model = { logits, info, disposed: false };
  return {
    info,
    capabilities,
    createSequence: async ({ positions = "cache-relative" } = {}) => {
      if (model.disposed) throw new InferenceError("state", "the model is disposed");
      return new MarkovSequence(model, new SlotBook(positions));
    },
    dispose: async () => {
      model.disposed = true;
    },
  };
}

/** What the sequences of a model share. */
interface Model {
  readonly logits: Matrix;
  readonly info: ModelInfo;
  disposed: boolean;
}

class MarkovSequence implements Sequence {
  readonly info: ModelInfo;
  readonly capabilities: Capabilities = capabilities;
  readonly #model: Model;
  readonly #book: SlotBook;
  #disposed = false;

  constructor(model: Model, book: SlotBook) {
    this.info = model.info;
    this.#model = model;
    this.#book = book;
  }

  get length(): number {
    return this.#book.length;
  }

  async step(block: Block, options: StepOptions): Promise<StepOutput> {
    this.#requireLive();
    checkOutputs(options, this.info, capabilities);
    const plan = planBlock(block, this.info, capabilities, this.#book);
    throwIfAborted(options.signal);
    const v = this.info.vocabSize;
    const [first, end] = wantedRows(options.logits, plan.rows);
    const full: Matrix = { data: new Float32Array((end - first) * v), rows: end - first, cols: v };
    for (let r = first; r < end; r++) {
      const token = block.tokens![r]!;
      full.data.set(this.#model.logits.data.subarray(token * v, (token + 1) * v), (r - first) * v);
    }
    this.#book.append(plan);
    return { ...selectLogits(full, options.logits), taps: [], runMs: 0 };
  }

  async keep(positions: Uint32Array): Promise<void> {
    this.#requireLive();
    this.#book.keep(positions);
  }

  async fork(): Promise<Sequence> {
    this.#requireLive();
    return new MarkovSequence(this.#model, this.#book.clone());
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
  }

  #requireLive(): void {
    if (this.#model.disposed || this.#disposed) {
      throw new InferenceError("state", "the sequence or its model is disposed");
    }
  }
}
