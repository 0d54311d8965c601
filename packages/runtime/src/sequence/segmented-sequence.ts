import {
  type Block,
  type Capabilities,
  InferenceError,
  type LogitsWanted,
  type ModelInfo,
  type Sequence,
  type StepOptions,
  type StepOutput,
  throwIfAborted,
} from "@frugal/core";

import type { FeatureConfig } from "../load/model-config.ts";
import type { Ort, Tensor } from "../onnx/ort.ts";
import type { AttentionRule } from "./attention-rules.ts";
import { checkBlock } from "./block.ts";
import { type BlockFeedsPool, fillBlock } from "./block-feeds.ts";
import { checkSlots } from "./check-slots.ts";
import { checkFeatures, featureFeeds } from "./feature-feeds.ts";
import { type KeyFrequencies, KvStore } from "./kv-store.ts";
import { growTree, keepOfTree, type OpenTree } from "./open-tree.ts";
import { pastBias } from "./past-bias.ts";
import { type PolicyState, samePrefix } from "./policies/policy-state.ts";
import {
  checkLogits,
  type HeadVocabulary,
  joinOutputs,
  type LogitFeeds,
  logitOutputs,
  readStep,
} from "./outputs.ts";
import { sliceBlock } from "./slice-block.ts";

/** What the sequences of one model share. */
export interface SequenceContext {
  readonly ort: Ort;
  readonly info: ModelInfo;
  readonly capabilities: Capabilities;
  /** How the layers attend, by attention kind. */
  readonly rules: readonly AttentionRule[];
  /** How keys are moved to other positions; null if they cannot be. */
  readonly keyFrequencies: KeyFrequencies | null;
  /** Rows of a long chain that run at once; abort works between such chunks. */
  readonly chunk: number;
  readonly feeds: BlockFeedsPool;
  readonly logitFeeds: LogitFeeds;
  /** How another model's states are read, of a draft head. */
  readonly features: FeatureConfig | undefined;
  /** What the logits are for, where not for every id. */
  readonly vocabulary: HeadVocabulary | null;
  /** Number in the graph of the first layer. */
  readonly firstLayer: number;
  /** Names of the outputs that hold new rows, by layer. */
  readonly newKeys: readonly string[];
  readonly newValues: readonly string[];
  /** Lets pending events through, among them the one that aborts: a run blocks its thread. */
  pause(): Promise<void>;
  /** Runs the graph; rejects with `state` once the model is disposed. */
  run(
    feeds: Record<string, Tensor>,
    outputs: readonly string[],
  ): Promise<{ readonly outputs: Record<string, Tensor>; readonly milliseconds: number }>;
}

/** A {@link Sequence} over a graph with segmented attention: the cache is in JavaScript memory. */
export class SegmentedSequence implements Sequence {
  readonly #context: SequenceContext;
  readonly #relative: boolean;
  readonly #store: KvStore;
  readonly #policy: PolicyState | null;
  #past: BoundCache | null = null;
  /** Branches in the cache; the next block must say where its rows belong. */
  #open: OpenTree | null = null;
  #busy = false;
  #disposed = false;

  constructor(
    context: SequenceContext,
    relative: boolean,
    store: KvStore,
    policy: PolicyState | null,
  ) {
    this.#context = context;
    this.#relative = relative;
    this.#store = store;
    this.#policy = policy;
  }

  get info(): ModelInfo {
    return this.#context.info;
  }

  get capabilities(): Capabilities {
    return this.#context.capabilities;
  }

  get length(): number {
    return this.#store.length;
  }

  async step(block: Block, options: StepOptions): Promise<StepOutput> {
    this.#check();
    if (this.#open !== null && block.parents === undefined) {
      const message = "step: the cache holds branches; call keep first, or give parents";
      throw new InferenceError("state", message);
    }
    const start = this.#store.length;
    const rows = checkBlock(block, this.info, start);
    if (block.tokens !== undefined && !this.capabilities.tokens) {
      const message = "block: expected hidden states as embeddings, got tokens";
      throw new InferenceError("unsupported", message);
    }
    checkFeatures(block.features, rows, this.#context.features, this.info.hiddenSize);
    checkLogits(options, this.info);
    const positions = this.#positions(block, rows);
    const tree = growTree(this.#open, start, block.parents);
    throwIfAborted(options.signal);
    this.#busy = true;
    try {
      const output = await this.#run(block, positions, tree, options);
      this.#open = tree;
      return output;
    } catch (error) {
      const kept = Math.min(start, this.#store.length);
      this.#store.truncate(kept);
      this.#policy?.keep(kept, kept);
      throw error;
    } finally {
      this.#busy = false;
    }
  }

  async keep(positions: Uint32Array): Promise<void> {
    this.#check();
    const frequencies = this.#relative ? this.#context.keyFrequencies : null;
    if (this.#relative && frequencies === null) checkInPlace(positions, this.#store);
    this.#policy?.keep(samePrefix(positions), positions.length);
    this.#store.keep(positions, frequencies);
    if (this.#open !== null) this.#open = keepOfTree(this.#open, positions);
  }

  async fork(): Promise<Sequence> {
    this.#check();
    const policy = this.#policy?.fork() ?? null;
    const copy = new SegmentedSequence(this.#context, this.#relative, this.#store.fork(), policy);
    copy.#open = this.#open;
    return copy;
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    this.#store.dispose();
    this.#past = null;
  }

  #check(): void {
    if (this.#disposed) throw new InferenceError("state", "sequence: used after dispose");
    if (this.#busy) {
      throw new InferenceError("state", "sequence: the step before has not finished yet");
    }
  }

  /** Rotary position of every row. @throws {@link InferenceError} `range` */
  #positions(block: Block, rows: number): Int32Array {
    const { maxLength } = this.info;
    const start = this.#store.length;
    const positions = new Int32Array(rows);
    for (let i = 0; i < rows; i++) {
      const parent = block.parents === undefined ? i - 1 : block.parents[i]!;
      const before = parent < 0 ? this.#positionOf(start + parent) : positions[parent]!;
      const position = block.positions === undefined ? before + 1 : block.positions[i]!;
      if (!(position >= 0 && position < maxLength)) {
        throw new InferenceError(
          "range",
          `positions[${i}]: expected a position in [0, ${maxLength}), got ${position}; ` +
            "a cache policy bounds the length",
        );
      }
      positions[i] = position;
    }
    return positions;
  }

  /** Rotary position of a slot, -1 before the first; on a path of relative positions the slot. */
  #positionOf(slot: number): number {
    const isPath = slot < (this.#open?.start ?? this.#store.length);
    return slot < 0 || (this.#relative && isPath) ? slot : this.#store.positions[slot]!;
  }

  async #run(
    block: Block,
    positions: Int32Array,
    tree: OpenTree | null,
    options: StepOptions,
  ): Promise<StepOutput> {
    const rows = positions.length;
    if (rows <= this.#chunkRows() || block.parents !== undefined) {
      return this.#runChunk(block, positions, options.logits, options, tree);
    }
    const outputs: StepOutput[] = [];
    for (let from = 0, to = 0; from < rows; from = to) {
      to = Math.min(from + this.#chunkRows(), rows);
      const part = sliceBlock(block, from, to);
      const wanted = to === rows || wantsAllRows(options.logits) ? options.logits : "none";
      const { attention } = options;
      const full = attention === undefined ? {} : { attention };
      const taps = to === rows || options.tapRows !== "last" ? options : full;
      throwIfAborted(options.signal);
      outputs.push(await this.#runChunk(part, positions.subarray(from, to), wanted, taps));
      if (options.signal !== undefined) await this.#context.pause();
    }
    throwIfAborted(options.signal);
    return joinOutputs(outputs);
  }

  async #runChunk(
    block: Block,
    positions: Int32Array,
    wanted: LogitsWanted,
    { taps = [], tapRows = "all", attention }: Pick<StepOptions, "taps" | "tapRows" | "attention">,
    tree: OpenTree | null = null,
  ): Promise<StepOutput> {
    const { feeds: pool, logitFeeds, firstLayer, newKeys, newValues } = this.#context;
    const rows = positions.length;
    const feeds =
      block.tokens === undefined
        ? pool.forEmbeddings(rows, block.embeddings!.data)
        : pool.forTokens(rows);
    if (block.tokens !== undefined) feeds.ids.set(block.tokens);
    fillBlock(feeds, block.parents, positions);

    const full = attention === "full" || this.#open !== null;
    const policy = this.#policy?.begin({ store: this.#store, rows, full });
    const hidden = taps.map((tap) => `hidden.${tap === "final" ? tap : firstLayer + tap}`);
    const { outputs, milliseconds } = await this.#context.run(
      Object.assign(
        this.#cacheFeeds(positions, tree),
        feeds.tensors,
        logitFeeds.for(wanted, rows),
        this.#featureFeeds(block),
        policy?.tensors,
      ),
      [...newKeys, ...newValues, ...logitOutputs(wanted), ...hidden, ...(policy?.outputs ?? [])],
    );
    this.#policy?.finish(outputs);
    if (block.tokens !== undefined) pool.giveBack(feeds);
    const rowsOf = (name: string): Float32Array => outputs[name]!.data as Float32Array;
    this.#store.append(newKeys.map(rowsOf), newValues.map(rowsOf), positions);
    const output = readStep(
      outputs,
      wanted,
      hidden,
      tapRows,
      milliseconds,
      this.#context.vocabulary,
    );
    return policy === undefined ? output : { ...output, sparse: policy.sparse };
  }

  /** The most rows of a chain that may run next. */
  #chunkRows(): number {
    const ofPolicy = this.#policy?.chunkRows?.(this.#store.length) ?? Infinity;
    return Math.min(this.#context.chunk, ofPolicy);
  }

  #featureFeeds({ features }: Block): Record<string, Tensor> {
    const { ort, info, features: config } = this.#context;
    if (features === undefined || config === undefined) return {};
    return featureFeeds(ort, features, config, info.hiddenSize);
  }

  /**
   * The inputs of a step with the cache and its masks filled in. The tensors live as long as the
   * buffers of the cache; the object is the sequence's own and is used again. Only where rows differ
   * in what they see of the cache is a mask made for the step.
   */
  #cacheFeeds(positions: Int32Array, tree: OpenTree | null): Record<string, Tensor> {
    const { ort, info, rules } = this.#context;
    const store = this.#store;
    if (this.#past?.keys !== store.keys) this.#past = this.#bindCache();
    const { feeds, bias: shared } = this.#past;
    const group = info.heads / info.kvHeads;
    for (const [kind, { window }] of rules.entries()) {
      const bias = pastBias(store, tree, positions, window, group);
      const dims = [1, 1, positions.length * group, store.capacity];
      feeds[`past_bias.${kind}`] = bias === null ? shared : new ort.Tensor("float32", bias, dims);
    }
    return feeds;
  }

  #bindCache(): BoundCache {
    const store = this.#store;
    const { ort, info, firstLayer } = this.#context;
    const dims = [info.kvHeads, 1, store.capacity, info.headDim];
    const feeds: Record<string, Tensor> = {};
    for (let layer = 0; layer < info.layers; layer++) {
      const name = `past.${firstLayer + layer}`;
      feeds[`${name}.key`] = new ort.Tensor("float32", store.keys[layer]!, dims);
      feeds[`${name}.value`] = new ort.Tensor("float32", store.values[layer]!, dims);
    }
    const bias = new ort.Tensor("float32", store.bias, [1, 1, 1, store.capacity]);
    return { keys: store.keys, feeds, bias };
  }
}

/** Tensors over the buffers of a cache, which last until it moves. */
interface BoundCache {
  readonly keys: readonly Float32Array[];
  readonly feeds: Record<string, Tensor>;
  readonly bias: Tensor;
}

/**
 * Refuses to move rows of a model with learned positions; a path of a tree moves to its positions.
 *
 * @throws {@link InferenceError} `unsupported`; `range` as {@link KvStore.keep} does.
 */
function checkInPlace(slots: Uint32Array, { length, positions }: KvStore): void {
  checkSlots(slots, length);
  for (const [i, slot] of slots.entries()) {
    if (positions[slot] === i) continue;
    throw new InferenceError(
      "unsupported",
      `keep: this model's positions are learned, so slot ${slot} cannot move ` +
        `from position ${positions[slot]} to ${i}; use absolute positions`,
    );
  }
}

function wantsAllRows(wanted: LogitsWanted): boolean {
  return wanted === "all" || (typeof wanted === "object" && wanted.rows !== "last");
}
