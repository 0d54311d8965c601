import {
  type Block,
  type Capabilities,
  InferenceError,
  type ModelInfo,
  samePrefix,
  type Sequence,
  type StepOptions,
  type StepOutput,
  throwIfAborted,
} from "@frugal/core";

import type { FeatureConfig } from "../load/model-config.ts";
import type { Fetches, Tensor } from "../onnx/ort.ts";
import { checkBlock } from "./block.ts";
import { type BlockFeedsPool, fillBlock } from "./block-feeds.ts";
import { checkSlots } from "./check-slots.ts";
import { checkFeatures, featureFeeds } from "./feature-feeds.ts";
import type { HostCache } from "./host-cache.ts";
import { type ImageFeeds, ImageSlots, markImages, maskNeighbors } from "./image-feeds.ts";
import type { KeyFrequencies } from "./kv-store.ts";
import { growTree, keepOfTree, type OpenTree } from "./open-tree.ts";
import type { PolicyState } from "./policies/policy-state.ts";
import {
  checkLogits,
  type HeadVocabulary,
  type LogitFeeds,
  logitOutputs,
  readStep,
} from "./outputs.ts";
import { placeRows, type RowPositions, slicePlaces } from "./place-rows.ts";
import { runChunks } from "./run-chunks.ts";
import { checkScores, type ScoreReader } from "./score-reader.ts";
import type { CacheContext, NewRows, SequenceCache } from "./sequence-cache.ts";

/** What the sequences of one model share. */
export interface SequenceContext extends CacheContext {
  readonly capabilities: Capabilities;
  /** How keys are moved to other positions; null if they cannot be. */
  readonly keyFrequencies: KeyFrequencies | null;
  /** Rows of a long chain that run at once; abort works between such chunks. */
  readonly chunk: number;
  readonly feeds: BlockFeedsPool;
  /** Null for a range of layers without a head. */
  readonly logitFeeds: LogitFeeds | null;
  /** Null where the graph does not report how it attends. */
  readonly scores: ScoreReader | null;
  /** Null where layers do as much for images as for text. */
  readonly images: ImageFeeds | null;
  /** How another model's states are read, of a draft head. */
  readonly features: FeatureConfig | undefined;
  /** What the logits are for, where not for every id. */
  readonly vocabulary: HeadVocabulary | null;
  /** Lets pending events through, among them the one that aborts: a run blocks its thread. */
  pause(): Promise<void>;
  /** Runs the graph; rejects with `state` once the model is disposed. */
  run(
    feeds: Record<string, Tensor>,
    outputs: Fetches,
  ): Promise<{ readonly outputs: Record<string, Tensor>; readonly milliseconds: number }>;
}

/** A {@link Sequence} over a graph and a cache of the kind that the graph reads. */
export class SegmentedSequence implements Sequence {
  readonly #context: SequenceContext;
  readonly #relative: boolean;
  readonly #cache: SequenceCache;
  readonly #policy: PolicyState | null;
  #images = new ImageSlots();
  /** Branches in the cache; the next block must say where its rows belong. */
  #open: OpenTree | null = null;
  #busy = false;
  #disposed = false;

  constructor(
    context: SequenceContext,
    relative: boolean,
    cache: SequenceCache,
    policy: PolicyState | null,
  ) {
    this.#context = context;
    this.#relative = relative;
    this.#cache = cache;
    this.#policy = policy;
  }

  get info(): ModelInfo {
    return this.#context.info;
  }

  get capabilities(): Capabilities {
    return this.#context.capabilities;
  }

  get length(): number {
    return this.#cache.length;
  }

  async step(block: Block, options: StepOptions): Promise<StepOutput> {
    this.#check();
    if (this.#open !== null && block.parents === undefined) {
      const message = "step: the cache holds branches; call keep first, or give parents";
      throw new InferenceError("state", message);
    }
    const start = this.#cache.length;
    const rows = checkBlock(block, this.info, start);
    if (block.tokens !== undefined && !this.capabilities.tokens) {
      const message = "block: expected hidden states as embeddings, got tokens";
      throw new InferenceError("unsupported", message);
    }
    checkFeatures(block.features, rows, this.#context.features, this.info.hiddenSize);
    checkLogits(options, this.info, this.#context.logitFeeds !== null);
    checkScores(options.scores, this.capabilities.scores, rows);
    const positionOf = (row: number): number => this.#positionOf(row);
    const places = placeRows(block, rows, positionOf, this.info.maxLength);
    const tree = growTree(this.#open, start, block.parents);
    throwIfAborted(options.signal);
    this.#busy = true;
    try {
      const output = await this.#run(block, places, tree, options);
      this.#open = tree;
      return output;
    } catch (error) {
      const kept = Math.min(start, this.#cache.length);
      this.#cache.truncate(kept);
      this.#images.truncate(kept);
      this.#policy?.keep(kept, kept);
      throw error;
    } finally {
      this.#settle();
    }
  }

  async keep(positions: Uint32Array): Promise<void> {
    this.#check();
    const frequencies = this.#relative ? this.#context.keyFrequencies : null;
    if (this.#relative && frequencies === null) checkInPlace(positions, this.#cache);
    this.#policy?.keep(samePrefix(positions), positions.length);
    this.#busy = true;
    try {
      await this.#cache.keep(positions, frequencies);
    } finally {
      this.#settle();
    }
    if (this.#context.images !== null) this.#images.keep(positions);
    if (this.#open !== null) this.#open = keepOfTree(this.#open, positions);
  }

  async fork(): Promise<Sequence> {
    this.#check();
    const policy = this.#policy?.fork() ?? null;
    const copy = new SegmentedSequence(this.#context, this.#relative, this.#cache.fork(), policy);
    copy.#open = this.#open;
    copy.#images = this.#images.fork();
    return copy;
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    if (!this.#busy) this.#cache.dispose();
  }

  /** Ends a call; what was disposed meanwhile, lets go of its buffers now. */
  #settle(): void {
    this.#busy = false;
    if (this.#disposed) this.#cache.dispose();
  }

  #check(): void {
    if (this.#disposed) throw new InferenceError("state", "sequence: used after dispose");
    if (this.#busy) {
      throw new InferenceError("state", "sequence: the call before has not finished yet");
    }
  }

  /**
   * Rotary position of a slot, counted from the end, -1 before the first: on a path of relative
   * positions the slot, unless some row stands at a triple.
   */
  #positionOf(row: number): number {
    const cache = this.#cache;
    const slot = cache.length + row;
    const isNumbered =
      this.#relative && !cache.hasTriples && slot < (this.#open?.start ?? cache.length);
    return slot < 0 || isNumbered ? slot : cache.positions[slot]!;
  }

  #run(
    block: Block,
    places: RowPositions,
    tree: OpenTree | null,
    options: StepOptions,
  ): Promise<StepOutput> {
    const rows = places.highs.length;
    const effort = this.#context.images?.effort;
    const images = effort && markImages(block, rows, effort);
    // Rows that see later ones have to come with them.
    const isWhole = effort?.reach !== undefined && block.images !== undefined;
    return runChunks(block, rows, options, {
      chunkRows: () => (isWhole ? rows : this.#chunkRows()),
      pause: () => this.#context.pause(),
      run: (part, from, to, own) => {
        const flags = images?.subarray(from, to);
        return this.#runChunk(part, slicePlaces(places, from, to), own, tree, flags);
      },
      joinScores: (parts) => this.#context.scores!.join(parts),
    });
  }

  async #runChunk(
    block: Block,
    { highs, lows, triples }: RowPositions,
    { logits: wanted, taps = [], tapRows = "all", attention, scores = noRows }: StepOptions,
    tree: OpenTree | null,
    flags: Uint8Array | undefined,
  ): Promise<StepOutput> {
    const { feeds: pool, logitFeeds, firstLayer, scores: reader, images } = this.#context;
    const rows = highs.length;
    const feeds =
      block.tokens === undefined
        ? pool.forEmbeddings(rows, block.embeddings!.data)
        : pool.forTokens(rows);
    if (block.tokens !== undefined) feeds.ids.set(block.tokens);
    fillBlock(feeds, block.parents, highs, triples);
    const reach = images?.effort.reach;
    if (reach !== undefined) maskNeighbors(feeds, block.images ?? [], rows, reach);

    const full = attention === "full" || this.#open !== null;
    // Policies read rows: a model that has one keeps its cache on the host.
    const policy = this.#policy?.begin({ store: (this.#cache as HostCache).store, rows, full });
    const hidden = taps.map((tap) => `hidden.${tap === "final" ? tap : firstLayer + tap}`);
    const newRows: NewRows = { highs, lows, parents: block.parents, tree };
    const cache = await this.#cache.begin(newRows);
    const fetches: Record<string, Tensor | null> = { ...cache.fetches };
    const asked = scores.length === 0 ? [] : [reader!.output];
    for (const name of [...logitOutputs(wanted), ...hidden, ...asked, ...(policy?.outputs ?? [])]) {
      fetches[name] = null;
    }
    const { outputs, milliseconds } = await this.#context.run(
      Object.assign(
        cache.feeds,
        feeds.tensors,
        logitFeeds?.for(wanted, rows),
        reader?.for(scores),
        flags && images?.for(flags, this.#images, this.#cache.capacity),
        this.#featureFeeds(block),
        policy?.tensors,
      ),
      fetches,
    );
    this.#policy?.finish(outputs);
    if (block.tokens !== undefined) pool.giveBack(feeds);
    const { length, capacity } = this.#cache;
    this.#cache.finish(outputs, newRows);
    if (flags !== undefined) this.#images.append(flags);
    const step = readStep(outputs, wanted, hidden, tapRows, milliseconds, this.#context.vocabulary);
    const output =
      scores.length === 0
        ? step
        : {
            ...step,
            scores: reader!.read(outputs[reader!.output]!, scores.length, length, capacity),
          };
    return policy === undefined ? output : { ...output, sparse: policy.sparse };
  }

  /** The most rows of a chain that may run next. */
  #chunkRows(): number {
    const ofPolicy = this.#policy?.chunkRows?.(this.#cache.length) ?? Infinity;
    return Math.min(this.#context.chunk, ofPolicy);
  }

  #featureFeeds({ features }: Block): Record<string, Tensor> {
    const { ort, info, features: config } = this.#context;
    if (features === undefined || config === undefined) return {};
    return featureFeeds(ort, features, config, info.hiddenSize);
  }
}

/**
 * Refuses to move rows of a model with learned positions; a path of a tree moves to its positions.
 *
 * @throws {@link InferenceError} `unsupported`; `range` as {@link SequenceCache.keep} does.
 */
function checkInPlace(slots: Uint32Array, { length, positions }: SequenceCache): void {
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

const noRows = /* @__PURE__ */ new Uint32Array(0);
