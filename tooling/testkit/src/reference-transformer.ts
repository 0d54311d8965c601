import {
  InferenceError,
  throwIfAborted,
  type Block,
  type Capabilities,
  type ImageEffort,
  type ImageRows,
  type LanguageModel,
  type Matrix,
  type ModelInfo,
  type ScoreKind,
  type Sequence,
  type StepOptions,
  type StepOutput,
} from "@frugal/core";

import { checkOutputs, planBlock, type BlockPlan } from "./plan-block.ts";
import { ReferenceCache } from "./reference-cache.ts";
import { type LayerRange, referenceInfo, type ReferenceConfig } from "./reference-config.ts";
import { createNetwork, type Network } from "./reference-network.ts";
import { randomWeights, type ReferenceWeights } from "./reference-weights.ts";
import { nearSlots } from "./reference-effort.ts";
import { createScores } from "./reference-scores.ts";
import {
  applyFinalNorm,
  applyHead,
  type AttentionHook,
  type AttentionListener,
  type Chunk,
  runLayers,
} from "./run-layers.ts";
import { selectLogits, wantedRows } from "./select-logits.ts";
import { SlotBook } from "./slot-book.ts";

/** Options of {@link createReferenceTransformer}. */
export interface ReferenceOptions {
  /** Rows that run between two looks at the abort signal. Default 32. */
  readonly chunkRows?: number;
  /**
   * Only these layers, with the final norm and the head. A range that begins later than at layer 0
   * takes hidden states as `embeddings` and no tokens. Default: all.
   */
  readonly layers?: LayerRange;
  /** Makes what chooses the rows that layers attend to, one per sequence. Default: everything. */
  readonly attention?: () => AttentionHook;
  /** What layers do less for images; of a whole model, whose images come in one chunk. */
  readonly effort?: ImageEffort;
  /** What steps can report of the attention in the last layer. Default: nothing. */
  readonly scores?: ScoreKind;
}

const everything: Capabilities = {
  tokens: true,
  tree: true,
  openTree: true,
  embeddings: true,
  taps: true,
  positions: true,
  evict: true,
  top: true,
};

/**
 * A Llama model in plain TypeScript, every sum in float64: the oracle for the ONNX graphs and the
 * model on which exactness is tested.
 *
 * RMSNorm, half-split rotary embedding, grouped-query attention, SwiGLU, tied or untied head,
 * optional biases. Keys are cached unrotated beside each slot's rotary position and rotated when
 * they are read, so `keep` never touches a key: nothing here shares the arithmetic of a runtime
 * that re-rotates in place. `fork` copies the cache at once.
 *
 * Cost: about a nanosecond per weight and row.
 */
export function createReferenceTransformer(
  weights: ReferenceWeights | { readonly seed: number; readonly config: ReferenceConfig },
  options: ReferenceOptions = {},
): LanguageModel {
  const { config } = weights;
  const tensors = "tensors" in weights ? weights.tensors : randomWeights(config, weights.seed);
  const { layers = [0, config.layers] } = options;
  const network = createNetwork({ config, tensors }, layers);
  const model: Model = {
    network,
    info: referenceInfo(config, layers, network.parameters),
    capabilities: {
      ...everything,
      tokens: layers[0] === 0,
      ...(options.scores === undefined ? {} : { scores: options.scores }),
    },
    chunkRows: options.chunkRows ?? 32,
    effort: options.effort ?? null,
    disposed: false,
  };
  return {
    info: model.info,
    capabilities: model.capabilities,
    createSequence: async ({ positions = "cache-relative" } = {}) => {
      if (model.disposed) throw new InferenceError("state", "the model is disposed");
      const cache = new ReferenceCache(network.layers.length, config.kvHeads * config.headDim);
      const hook = options.attention?.() ?? null;
      return new ReferenceSequence(model, cache, new SlotBook(positions), hook);
    },
    dispose: async () => {
      model.disposed = true;
    },
  };
}

/** What of a step its run depends on. */
interface StepRun extends Pick<StepOptions, "taps" | "signal"> {
  readonly images: readonly ImageRows[];
  /** 1 for the slots of images, those of the block included. */
  readonly marks: readonly number[];
}

/** What the sequences of a model share. */
interface Model {
  readonly network: Network;
  readonly info: ModelInfo;
  readonly capabilities: Capabilities;
  readonly chunkRows: number;
  readonly effort: ImageEffort | null;
  disposed: boolean;
}

class ReferenceSequence implements Sequence {
  readonly info: ModelInfo;
  readonly capabilities: Capabilities;
  readonly #model: Model;
  readonly #cache: ReferenceCache;
  readonly #book: SlotBook;
  readonly #hook: AttentionHook | null;
  /** 1 for the slots of images. */
  #images: number[] = [];
  #disposed = false;

  constructor(model: Model, cache: ReferenceCache, book: SlotBook, hook: AttentionHook | null) {
    this.info = model.info;
    this.capabilities = model.capabilities;
    this.#model = model;
    this.#cache = cache;
    this.#book = book;
    this.#hook = hook;
  }

  get length(): number {
    return this.#book.length;
  }

  async step(block: Block, options: StepOptions): Promise<StepOutput> {
    this.#requireLive();
    checkOutputs(options, this.info, this.capabilities);
    const plan = planBlock(block, this.info, this.capabilities, this.#book);
    throwIfAborted(options.signal);

    const started = performance.now();
    const hidden = this.#embed(block, plan.rows);
    const { scores: wanted } = options;
    const scores =
      wanted &&
      createScores(this.capabilities.scores!, wanted, this.length + plan.rows, this.info.heads);
    const onScores = scores?.listen;
    const marks = [...this.#images, ...Array<number>(plan.rows).fill(0)];
    for (const { from, to } of block.images ?? []) {
      marks.fill(1, this.length + from, this.length + to);
    }
    const run = { ...options, images: block.images ?? [], marks };
    const tapped = await this.#run(hidden, plan, run, onScores);
    const taps = options.tapRows === "last" ? tapped.map(lastRow) : tapped;
    const [first, end] = wantedRows(options.logits, plan.rows);
    const rows = hidden.subarray(first * this.info.hiddenSize, end * this.info.hiddenSize);
    const data = Float32Array.from(applyHead(this.#model.network, rows, end - first));
    const full: Matrix = { data, rows: end - first, cols: this.info.vocabSize };
    // Nothing was visible until here: slots beyond `length` do not exist.
    this.#book.append(plan);
    this.#images = marks;
    const runMs = performance.now() - started;
    const logits = selectLogits(full, options.logits);
    return { ...logits, taps, runMs, ...(scores && { scores: scores.matrix }) };
  }

  async keep(positions: Uint32Array): Promise<void> {
    this.#requireLive();
    this.#book.keep(positions);
    this.#cache.gather(positions);
    this.#hook?.keep(positions);
    this.#images = Array.from(positions, (slot) => this.#images[slot]!);
  }

  async fork(): Promise<Sequence> {
    this.#requireLive();
    const hook = this.#hook?.fork() ?? null;
    const [cache, book] = [this.#cache.clone(), this.#book.clone()];
    const copy = new ReferenceSequence(this.#model, cache, book, hook);
    copy.#images = [...this.#images];
    return copy;
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
  }

  /** Runs the block chunk by chunk; `hidden` becomes the output of the last layer. */
  async #run(
    hidden: Float64Array,
    plan: BlockPlan,
    { taps = [], signal, images, marks }: StepRun,
    onScores?: AttentionListener,
  ): Promise<Matrix[]> {
    const { network, chunkRows, effort } = this.#model;
    const d = this.info.hiddenSize;
    const start = this.length;
    const positions = [...this.#book.positions, ...plan.positions];
    const tapped = taps.map(() => new Float32Array(hidden.length));
    this.#cache.reserve(start + plan.rows);
    for (let first = 0; first < plan.rows; first += chunkRows) {
      if (first > 0 && signal !== undefined) {
        await nextTask();
        throwIfAborted(signal);
        this.#requireLive();
      }
      const end = Math.min(first + chunkRows, plan.rows);
      const chunk = {
        hidden: hidden.subarray(first * d, end * d),
        rows: end - first,
        slot: start + first,
        positions,
        visible: visibleSlots(this.#book, plan.parents, first, end).map((visible, r) =>
          effort?.reach === undefined
            ? visible
            : nearSlots(visible, first + r, start, images, effort.reach),
        ),
        hook: this.#hook,
        effort: effort && { effort, images: marks },
        ...(onScores && {
          onScores: (row, ...rest) => onScores(first + row, ...rest),
        }),
      } satisfies Chunk;
      runLayers(network, this.#cache, chunk, (layer, states) => {
        const isLast = layer === this.info.layers;
        for (const [i, tap] of taps.entries()) {
          if (tap === layer) tapped[i]!.set(states, first * d);
          if (tap !== "final" || !isLast) continue;
          tapped[i]!.set(applyFinalNorm(network, states, chunk.rows), first * d);
        }
      });
    }
    return tapped.map((data) => ({ data, rows: plan.rows, cols: d }));
  }

  /** The block's input rows. */
  #embed(block: Block, rows: number): Float64Array {
    if (block.embeddings !== undefined) return Float64Array.from(block.embeddings.data);
    const d = this.info.hiddenSize;
    const { embeddings } = this.#model.network;
    const hidden = new Float64Array(rows * d);
    for (const [r, id] of block.tokens!.entries()) {
      hidden.set(embeddings.subarray(id * d, (id + 1) * d), r * d);
    }
    return hidden;
  }

  #requireLive(): void {
    if (this.#model.disposed || this.#disposed) {
      throw new InferenceError("state", "the sequence or its model is disposed");
    }
  }
}

function lastRow({ data, rows, cols }: Matrix): Matrix {
  return { data: data.slice((rows - 1) * cols), rows: 1, cols };
}

/** For rows `[first, end)` of a block: what their paths hold of the cache, their ancestors, themselves. */
function visibleSlots(
  book: SlotBook,
  parents: Int32Array,
  first: number,
  end: number,
): Int32Array[] {
  const cached = new Map<number, readonly number[]>();
  return Array.from({ length: end - first }, (_, r) => {
    const path: number[] = [];
    let row = first + r;
    for (; row >= 0; row = parents[row]!) path.push(book.length + row);
    const before = cached.get(row) ?? book.pathTo(book.length + row);
    cached.set(row, before);
    return Int32Array.from([...before, ...path.reverse()]);
  });
}

/** Lets timers and events run, so that an abort can arrive between two chunks. */
function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve);
  });
}
