import {
  type Block,
  type Capabilities,
  InferenceError,
  type ModelInfo,
  type Sequence,
  type StepOptions,
  type StepOutput,
  throwIfAborted,
} from "@frugal/core";

import type { Ort, Tensor } from "../onnx/ort.ts";
import { checkBlock, isBranching } from "../sequence/block.ts";
import { checkSlots } from "../sequence/check-slots.ts";
import { checkFeatures } from "../sequence/feature-feeds.ts";
import type { KeyFrequencies } from "../sequence/kv-store.ts";
import { growTree, keepOfTree, type OpenTree } from "../sequence/open-tree.ts";
import { checkLogits, wantsAllRows } from "../sequence/outputs.ts";
import { placeRows, type RowPositions, slicePlaces } from "../sequence/place-rows.ts";
import { runChunks } from "../sequence/run-chunks.ts";
import { checkScores } from "../sequence/score-reader.ts";
import type { DecoderSignature } from "./decoder-signature.ts";
import type { ExportedCache } from "./exported-cache.ts";
import { idFeeds, logitFeeds, rowFeeds } from "./exported-feeds.ts";
import { outputNames, readExported } from "./exported-outputs.ts";

/** What the sequences of one exported model share. */
export interface ExportedContext {
  readonly ort: Ort;
  readonly info: ModelInfo;
  readonly capabilities: Capabilities;
  readonly signature: DecoderSignature;
  /** How keys turn, by layer; null where it is not known. */
  readonly frequencies: KeyFrequencies | null;
  /** Why there are no hidden states among the outputs; null if there are. */
  readonly noTaps: string | null;
  /** Whether the graph gives logits of a block's last row alone. */
  readonly lastOnly: boolean;
  readonly chunk: number;
  pause(): Promise<void>;
  /** The decoder's input for token ids or given rows. */
  embed(block: Block): Promise<Record<string, Tensor>>;
  /** Runs the decoder; rejects with `state` once the model is disposed. */
  run(
    feeds: Record<string, Tensor>,
    outputs: Readonly<Record<string, Tensor | null>>,
  ): Promise<{ readonly outputs: Record<string, Tensor>; readonly milliseconds: number }>;
}

/** A {@link Sequence} over an exported decoder. */
export class ExportedSequence implements Sequence {
  readonly #context: ExportedContext;
  readonly #relative: boolean;
  #cache: ExportedCache;
  #open: OpenTree | null = null;
  #busy = false;
  #disposed = false;

  constructor(context: ExportedContext, relative: boolean, cache: ExportedCache) {
    this.#context = context;
    this.#relative = relative;
    this.#cache = cache;
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
    const start = this.length;
    const axes = this.#context.signature.positions?.rows ?? 1;
    const rows = checkBlock(block, this.info, start, axes);
    checkFeatures(block.features, rows, undefined, this.info.hiddenSize);
    this.#checkAbilities(block, rows, options);
    checkLogits(options, this.info);
    checkScores(options.scores, undefined, rows);
    const positionOf = (row: number): number => this.#positionOf(row);
    const places = placeRows(block, rows, positionOf, this.info.maxLength);
    const tree = growTree(this.#open, start, block.parents);
    throwIfAborted(options.signal);
    this.#busy = true;
    try {
      const output = await runChunks(block, rows, options, {
        chunkRows: () => this.#context.chunk,
        pause: () => this.#context.pause(),
        run: (part, from, to, own) => this.#run(part, slicePlaces(places, from, to), own, tree),
      });
      this.#open = tree;
      return output;
    } catch (error) {
      if (this.length > start) this.#cache = this.#cache.truncate(start);
      throw error;
    } finally {
      this.#busy = false;
    }
  }

  async keep(slots: Uint32Array): Promise<void> {
    this.#check();
    checkSlots(slots, this.length);
    const { frequencies, signature } = this.#context;
    const isPrefix = slots.every((slot, i) => slot === i);
    const canTell = this.#relative ? frequencies !== null : signature.positions !== null;
    if (!isPrefix && !canTell) {
      throw new InferenceError(
        "unsupported",
        "keep: the graph takes no positions, or how its keys are rotated is not known: " +
          "only the end of the text can be dropped",
      );
    }
    this.#cache = this.#cache.keep(slots, this.#relative ? frequencies : null);
    if (this.#open !== null) this.#open = keepOfTree(this.#open, slots);
  }

  async fork(): Promise<Sequence> {
    this.#check();
    const copy = new ExportedSequence(this.#context, this.#relative, this.#cache.fork());
    copy.#open = this.#open;
    return copy;
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#cache = this.#cache.truncate(0);
  }

  #check(): void {
    if (this.#disposed) throw new InferenceError("state", "sequence: used after dispose");
    if (this.#busy) {
      throw new InferenceError("state", "sequence: the step before has not finished yet");
    }
  }

  #checkAbilities(block: Block, rows: number, { logits, taps = [] }: StepOptions): void {
    const { capabilities, noTaps, lastOnly } = this.#context;
    const { parents } = block;
    const denied: readonly (readonly [boolean, string])[] = [
      [block.tokens !== undefined && !capabilities.tokens, "tokens: the graph takes embeddings"],
      [block.embeddings !== undefined && !capabilities.embeddings, "embeddings: it takes ids"],
      [block.positions !== undefined && !capabilities.positions, "positions: it counts itself"],
      [
        parents?.some((parent) => parent < -1) === true && !capabilities.openTree,
        "parents: no branches in the cache",
      ],
      [parents !== undefined && isBranching(parents) && !capabilities.tree, "parents: chains only"],
      [typeof logits === "object" && !capabilities.top, "top: logits are not reduced"],
      [taps.length > 0 && !capabilities.taps, `taps: ${noTaps}`],
      [lastOnly && rows > 1 && wantsAllRows(logits), "logits: it gives those of the last row only"],
    ];
    const reason = denied.find(([isDenied]) => isDenied)?.[1];
    if (reason !== undefined) throw new InferenceError("unsupported", `exported graph: ${reason}`);
  }

  /**
   * Rotary position of a cached row, counted from the end, -1 before the first: on a path of relative
   * positions its slot, unless some row stands at a triple.
   */
  #positionOf(row: number): number {
    const slot = this.length + row;
    const isPath = slot < (this.#open?.start ?? this.length);
    const isSlot = this.#relative && isPath && !this.#cache.hasTriples;
    return slot < 0 || isSlot ? slot : this.#cache.positions[slot]!;
  }

  async #run(
    block: Block,
    places: RowPositions,
    options: StepOptions,
    tree: OpenTree | null,
  ): Promise<StepOutput> {
    const { ort, signature, capabilities, info } = this.#context;
    const rows = places.highs.length;
    const cache = (this.#cache = this.#cache.reserve(rows));
    const { vocabSize } = info;
    const k = typeof options.logits === "object" ? Math.min(options.logits.top, vocabSize) : 0;
    const feeds = {
      ...cache.feeds(ort),
      ...(signature.ids && idFeeds(ort, signature.ids, block.tokens ?? new Uint32Array(rows))),
      ...(signature.embeddings && (await this.#context.embed(block))),
      ...rowFeeds(ort, signature, cache.length, places, block.parents, tree),
      ...logitFeeds(ort, signature, options, rows, capabilities.top ? { k, vocabSize } : null),
    };
    const fetches = { ...cache.fetches(ort) };
    for (const name of outputNames(signature, options)) fetches[name] = null;
    const { outputs, milliseconds } = await this.#context.run(feeds, fetches);
    this.#cache = cache.append(outputs, places);
    return readExported(outputs, signature, options, milliseconds);
  }
}
