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

import type { Ort, Tensor } from "../onnx/ort.ts";
import { floatData } from "../onnx/typed-tensor.ts";
import { checkBlock, isBranching } from "../sequence/block.ts";
import { checkFeatures } from "../sequence/feature-feeds.ts";
import type { KeyFrequencies } from "../sequence/kv-store.ts";
import { growTree, keepOfTree, type OpenTree } from "../sequence/open-tree.ts";
import { checkLogits, joinOutputs } from "../sequence/outputs.ts";
import { checkScores } from "../sequence/score-reader.ts";
import { sliceBlock } from "../sequence/slice-block.ts";
import type { DecoderSignature } from "./decoder-signature.ts";
import { cacheFeeds, idFeeds, logitFeeds, rowFeeds, wantsAll } from "./exported-feeds.ts";
import { outputNames, readExported } from "./exported-outputs.ts";
import type { GrowingCache } from "./growing-cache.ts";

/** What the sequences of one exported model share. */
export interface ExportedContext {
  readonly ort: Ort;
  readonly info: ModelInfo;
  readonly capabilities: Capabilities;
  readonly signature: DecoderSignature;
  /** How keys turn, by layer; null where it is not known. */
  readonly frequencies: KeyFrequencies | null;
  readonly chunk: number;
  pause(): Promise<void>;
  /** The decoder's input for token ids or given rows. */
  embed(block: Block): Promise<Record<string, Tensor>>;
  /** Runs the decoder; rejects with `state` once the model is disposed. */
  run(
    feeds: Record<string, Tensor>,
    outputs: readonly string[],
  ): Promise<{ readonly outputs: Record<string, Tensor>; readonly milliseconds: number }>;
}

/** A {@link Sequence} over an exported decoder: the cache goes in whole and comes out grown. */
export class ExportedSequence implements Sequence {
  readonly #context: ExportedContext;
  readonly #relative: boolean;
  #cache: GrowingCache;
  #open: OpenTree | null = null;
  #busy = false;
  #disposed = false;

  constructor(context: ExportedContext, relative: boolean, cache: GrowingCache) {
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
    const before = this.#cache;
    const rows = checkBlock(block, this.info, before.length);
    checkFeatures(block.features, rows, undefined, this.info.hiddenSize);
    this.#checkAbilities(block, options);
    checkLogits(options, this.info);
    checkScores(options.scores, undefined, rows);
    const positions = this.#positions(block, rows);
    const tree = growTree(this.#open, before.length, block.parents);
    throwIfAborted(options.signal);
    this.#busy = true;
    try {
      const output = await this.#run(block, positions, tree, options);
      this.#open = tree;
      return output;
    } catch (error) {
      this.#cache = before;
      throw error;
    } finally {
      this.#busy = false;
    }
  }

  async keep(positions: Uint32Array): Promise<void> {
    this.#check();
    const { frequencies, signature } = this.#context;
    const kept = this.#cache.keep(positions, this.#relative ? frequencies : null);
    const isPrefix = positions.every((slot, i) => slot === i);
    const canTell = this.#relative ? frequencies !== null : signature.positions !== null;
    if (!isPrefix && !canTell) {
      throw new InferenceError(
        "unsupported",
        "keep: the graph takes no positions, or how its keys are rotated is not known: " +
          "only the end of the text can be dropped",
      );
    }
    this.#cache = kept;
    if (this.#open !== null) this.#open = keepOfTree(this.#open, positions);
  }

  async fork(): Promise<Sequence> {
    this.#check();
    const copy = new ExportedSequence(this.#context, this.#relative, this.#cache);
    copy.#open = this.#open;
    return copy;
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    this.#cache = this.#cache.keep(new Uint32Array(0), null);
  }

  #check(): void {
    if (this.#disposed) throw new InferenceError("state", "sequence: used after dispose");
    if (this.#busy) {
      throw new InferenceError("state", "sequence: the step before has not finished yet");
    }
  }

  #checkAbilities(block: Block, { logits, taps = [] }: StepOptions): void {
    const { capabilities } = this.#context;
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
      [taps.length > 0, "taps: hidden states are not among the outputs"],
    ];
    const reason = denied.find(([isDenied]) => isDenied)?.[1];
    if (reason !== undefined) throw new InferenceError("unsupported", `exported graph: ${reason}`);
  }

  /** Rotary position of every row. @throws {@link InferenceError} `range` */
  #positions(block: Block, rows: number): Int32Array {
    const { maxLength } = this.info;
    const positions = new Int32Array(rows);
    for (let i = 0; i < rows; i++) {
      const parent = block.parents?.[i] ?? i - 1;
      const before = parent < 0 ? this.#positionOf(this.length + parent) : positions[parent]!;
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
    const isPath = slot < (this.#open?.start ?? this.length);
    return slot < 0 || (this.#relative && isPath) ? slot : this.#cache.positions[slot]!;
  }

  async #run(
    block: Block,
    positions: Int32Array,
    tree: OpenTree | null,
    options: StepOptions,
  ): Promise<StepOutput> {
    const { chunk } = this.#context;
    const { logits, signal } = options;
    const rows = positions.length;
    if (rows <= chunk || block.parents !== undefined) {
      return this.#runChunk(block, positions, logits, tree);
    }
    const outputs: StepOutput[] = [];
    for (let from = 0; from < rows; from += chunk) {
      const to = Math.min(from + chunk, rows);
      const wanted = to === rows || wantsAll(logits) ? logits : "none";
      throwIfAborted(signal);
      const part = sliceBlock(block, from, to);
      outputs.push(await this.#runChunk(part, positions.subarray(from, to), wanted));
      if (signal !== undefined) await this.#context.pause();
    }
    throwIfAborted(signal);
    return joinOutputs(outputs);
  }

  async #runChunk(
    block: Block,
    positions: Int32Array,
    wanted: LogitsWanted,
    tree: OpenTree | null = null,
  ): Promise<StepOutput> {
    const { ort, signature, capabilities, info } = this.#context;
    const cache = this.#cache;
    const rows = positions.length;
    const { vocabSize } = info;
    const k = typeof wanted === "object" ? Math.min(wanted.top, vocabSize) : 0;
    const feeds = {
      ...cacheFeeds(ort, cache),
      ...(signature.ids && idFeeds(ort, signature.ids, block.tokens ?? new Uint32Array(rows))),
      ...(signature.embeddings && (await this.#context.embed(block))),
      ...rowFeeds(ort, signature, cache.length, positions, block.parents, tree),
      ...logitFeeds(ort, signature, wanted, rows, capabilities.top ? { k, vocabSize } : null),
    };
    const presents = signature.cache.map((port) => port.present);
    const names = [...presents, ...outputNames(signature, wanted)];
    const { outputs, milliseconds } = await this.#context.run(feeds, names);
    const grown = presents.map((name) => floatData(outputs[name]!));
    this.#cache = cache.append(grown, positions);
    return readExported(outputs, signature, wanted, milliseconds);
  }
}
