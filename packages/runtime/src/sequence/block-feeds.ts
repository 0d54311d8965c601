import type { ModelInfo } from "@frugal/core";

import type { Ort, Tensor } from "../onnx/ort.ts";

/** Input tensors of one step and the buffers behind them. */
export interface BlockFeeds {
  readonly ids: Int32Array;
  readonly cos: Float32Array;
  readonly sin: Float32Array;
  readonly blockBias: Float32Array;
  readonly tensors: Readonly<Record<string, Tensor>>;
}

/** Block sizes whose buffers are kept: drafts are short, prefill chunks come in one size. */
const keptSizes = 32;

/**
 * The small input tensors of a step, reused between steps of the same size.
 *
 * ONNX Runtime reads CPU inputs in place, so filling a buffer again is all a new step needs. It
 * reads them some time after the call, so buffers that a step has taken belong to it until it gives
 * them back: steps of two sequences may overlap.
 */
export class BlockFeedsPool {
  readonly #ort: Ort;
  readonly #hiddenSize: number;
  readonly #half: number;
  readonly #group: number;
  readonly #kept = new Map<number, BlockFeeds>();

  constructor(ort: Ort, { hiddenSize, headDim, heads, kvHeads }: ModelInfo) {
    this.#ort = ort;
    this.#hiddenSize = hiddenSize;
    this.#half = headDim / 2;
    this.#group = heads / kvHeads;
  }

  /** Takes buffers for a block of `rows` token ids; their content is unspecified. */
  forTokens(rows: number): BlockFeeds {
    const kept = this.#kept.get(rows);
    this.#kept.delete(rows);
    return kept ?? this.#create(rows, new Int32Array(rows), new Float32Array(0));
  }

  /** Takes back what {@link forTokens} handed out, once the step is over. */
  giveBack(feeds: BlockFeeds): void {
    if (this.#kept.size < keptSizes) this.#kept.set(feeds.ids.length, feeds);
  }

  /** Buffers for a block of input embeddings, `[rows, hiddenSize]`. */
  forEmbeddings(rows: number, embeddings: Float32Array): BlockFeeds {
    return this.#create(rows, new Int32Array(0), embeddings);
  }

  #create(rows: number, ids: Int32Array, embeddings: Float32Array): BlockFeeds {
    const { Tensor } = this.#ort;
    const cos = new Float32Array(rows * this.#half);
    const sin = new Float32Array(rows * this.#half);
    const blockBias = new Float32Array(rows * this.#group * rows);
    const embeddingRows = embeddings.length / this.#hiddenSize;
    return {
      ids,
      cos,
      sin,
      blockBias,
      tensors: {
        input_ids: new Tensor("int32", ids, [ids.length]),
        input_embeddings: new Tensor("float32", embeddings, [embeddingRows, this.#hiddenSize]),
        cos: new Tensor("float32", cos, [rows, this.#half]),
        sin: new Tensor("float32", sin, [rows, this.#half]),
        block_bias: new Tensor("float32", blockBias, [1, 1, rows * this.#group, rows]),
      },
    };
  }
}
