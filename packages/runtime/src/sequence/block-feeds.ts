import type { ModelInfo } from "@frugal/core";

import type { Ort, Tensor } from "../onnx/ort.ts";
import type { AttentionRule } from "./attention-rules.ts";
import { fillBlockBias, narrowBlockBias } from "./block.ts";
import { fillRotary } from "./rotary.ts";

/** Buffers of one attention kind. */
interface KindFeeds {
  readonly rule: AttentionRule;
  readonly cos: Float32Array;
  readonly sin: Float32Array;
  readonly blockBias: Float32Array;
}

/** Input tensors of one step and the buffers behind them. */
export interface BlockFeeds {
  readonly ids: Int32Array;
  readonly positions: Int32Array;
  readonly kinds: readonly KindFeeds[];
  readonly tensors: Readonly<Record<string, Tensor>>;
}

/** Which inputs the graph has: onnxruntime-web refuses others. */
interface TakenInputs {
  readonly ids: boolean;
  readonly positions: boolean;
  /** A mask of the block alone. */
  readonly blockBias: boolean;
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
  readonly #rules: readonly AttentionRule[];
  readonly #hiddenSize: number;
  readonly #group: number;
  readonly #takes: TakenInputs;
  readonly #kept = new Map<number, BlockFeeds>();

  constructor(
    ort: Ort,
    { hiddenSize, heads, kvHeads }: ModelInfo,
    rules: readonly AttentionRule[],
    takes: TakenInputs,
  ) {
    this.#ort = ort;
    this.#rules = rules;
    this.#takes = takes;
    this.#hiddenSize = hiddenSize;
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
    const embeddingRows = embeddings.length / this.#hiddenSize;
    const positions = new Int32Array(rows);
    const tensors: Record<string, Tensor> = {
      ...(this.#takes.positions && { positions: new Tensor("int32", positions, [rows]) }),
      ...(this.#takes.ids && { input_ids: new Tensor("int32", ids, [ids.length]) }),
      input_embeddings: new Tensor("float32", embeddings, [embeddingRows, this.#hiddenSize]),
    };
    const biasRows = rows * this.#group;
    const kinds = this.#rules.map((rule, kind): KindFeeds => {
      const half = rule.rotation?.frequencies.length ?? 0;
      const cos = new Float32Array(rows * half);
      const sin = new Float32Array(rows * half);
      const blockBias = new Float32Array(this.#takes.blockBias ? biasRows * rows : 0);
      tensors[`cos.${kind}`] = new Tensor("float32", cos, [rows, half]);
      tensors[`sin.${kind}`] = new Tensor("float32", sin, [rows, half]);
      if (this.#takes.blockBias) {
        tensors[`block_bias.${kind}`] = new Tensor("float32", blockBias, [1, 1, biasRows, rows]);
      }
      return { rule, cos, sin, blockBias };
    });
    return { ids, positions, kinds, tensors };
  }
}

/** Fills in masks and rotary tables of a block whose rows stand at `positions`, or at `triples`. */
export function fillBlock(
  feeds: BlockFeeds,
  parents: Int32Array | undefined,
  positions: Int32Array,
  triples: Int32Array | null = null,
): void {
  feeds.positions.set(positions);
  for (const { rule, cos, sin, blockBias } of feeds.kinds) {
    if (rule.rotation !== null) fillRotary(rule.rotation, positions, cos, sin, triples);
    if (blockBias.length === 0) continue;
    fillBlockBias(parents, positions.length, blockBias);
    if (rule.window !== null) narrowBlockBias(positions, rule.window, blockBias);
  }
}
