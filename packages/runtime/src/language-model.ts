import {
  type AttentionPolicy,
  type Capabilities,
  InferenceError,
  type LanguageModel,
  type ModelInfo,
  type RopeInfo,
  type ScoreKind,
  type Sequence,
  type SequenceOptions,
} from "@frugal/core";

import { type ModelPart, wholeModel } from "./architectures/model-part.ts";
import { countParameters } from "./architectures/projections.ts";
import type { ModelConfig } from "./load/model-config.ts";
import type { Rotary } from "./load/rope-config.ts";
import type { Fetches, Ort, RunningSession, Tensor } from "./onnx/ort.ts";
import { runSession } from "./onnx/run-session.ts";
import { attentionRules, keyFrequencies } from "./sequence/attention-rules.ts";
import { BlockFeedsPool } from "./sequence/block-feeds.ts";
import { DeviceCache } from "./sequence/device-cache.ts";
import { DeviceMemory } from "./sequence/device-memory.ts";
import { HostCache } from "./sequence/host-cache.ts";
import { ImageFeeds } from "./sequence/image-feeds.ts";
import { KvStore } from "./sequence/kv-store.ts";
import { LogitFeeds } from "./sequence/outputs.ts";
import { ScoreReader } from "./sequence/score-reader.ts";
import { createPolicyState, pageSizeOf } from "./sequence/policies/policy-state.ts";
import { SegmentedSequence, type SequenceContext } from "./sequence/segmented-sequence.ts";
import type { CacheContext } from "./sequence/sequence-cache.ts";

/** How {@link createLanguageModel} runs a graph. */
export interface RunOptions {
  /** Rows of a long chain that run at once; default 256. */
  readonly chunk?: number;
  /** Milliseconds since some moment, for {@link StepOutput.runMs}. */
  readonly clock: () => number;
  /** Resolves after pending events were handled, so that an abort is seen between chunks. */
  readonly pause: () => Promise<void>;
  /** The attention policy that the graph was built with. */
  readonly attention?: AttentionPolicy;
  /** The scores that the graph was built to report. */
  readonly scores?: ScoreKind;
  /**
   * A session of the graph of {@link buildMoveRows}, where the model's attends with
   * {@link sharedAttention}: the cache then stays on the device. Owned like the model's.
   */
  readonly moveRows?: RunningSession;
}

/**
 * A {@link LanguageModel} over a session of a graph with segmented or shared attention, of a whole
 * model or of a part of it. The layers of a part count from 0: its taps are the states between them.
 *
 * Owns the session: `dispose` releases it. Runs of all its sequences go through one session, in the
 * order of the calls.
 */
export function createLanguageModel(
  ort: Ort,
  session: RunningSession,
  config: ModelConfig,
  options: RunOptions,
  part: ModelPart = wholeModel(config),
): LanguageModel {
  const info = modelInfo(config, part);
  const { attention: policy, scores } = options;
  const { effort } = part.range;
  const hasHead = part.range.head !== false;
  const capabilities: Capabilities = {
    ...everything,
    tokens: part.tokens,
    // Rows that were written with a learned position keep it.
    evict: !config.learnedPositions,
    ...(policy === undefined ? {} : { attention: policy }),
    ...(scores === undefined ? {} : { scores }),
    ...(hasHead ? {} : { head: false, top: false }),
  };
  const { from, to } = part.range;
  const rules = attentionRules(config.attentionKinds);
  const ids = config.features?.vocabulary ?? null;
  let disposed: Promise<void> | null = null;
  /** Settles when the last run does; runs end in the order of the calls. */
  let idle: Promise<unknown> = Promise.resolve();
  const run = async (of: RunningSession, feeds: Record<string, Tensor>, fetches: Fetches) => {
    if (disposed !== null) throw new InferenceError("state", "model: used after dispose");
    const running = runSession(of, feeds, fetches);
    idle = running.catch(() => {});
    const outputs = await running;
    if (disposed === null) return outputs;
    throw new InferenceError("state", "model: disposed during the step");
  };
  const cache: CacheContext = { ort, info, rules, firstLayer: from };
  const { moveRows } = options;
  const memory =
    moveRows === undefined
      ? null
      : new DeviceMemory(cache, (feeds, fetches) => run(moveRows, feeds, fetches));
  const context: SequenceContext = {
    ...cache,
    capabilities,
    keyFrequencies: keyFrequencies(config, rules)?.slice(from, to) ?? null,
    chunk: options.chunk ?? 256,
    feeds: new BlockFeedsPool(ort, info, rules, {
      ids: part.tokens,
      positions: part.tokens && config.learnedPositions,
      blockBias: memory === null,
    }),
    logitFeeds: hasHead ? new LogitFeeds(ort, ids?.length ?? info.vocabSize) : null,
    scores: scores === undefined ? null : new ScoreReader(ort, info, scores, to - 1),
    images: effort === undefined ? null : new ImageFeeds(ort, info, effort),
    features: config.features,
    vocabulary: ids && { ids, size: info.vocabSize },
    pause: options.pause,
    async run(feeds, fetches) {
      const start = options.clock();
      const outputs = await run(session, feeds, fetches);
      return { outputs, milliseconds: options.clock() - start };
    },
  };
  /**
   * Nothing is freed under a run: a thread that ends in the middle of one takes its process with it.
   * What is on the device goes first, then what put it there.
   */
  const end = async (): Promise<void> => {
    await idle;
    memory?.release();
    await moveRows?.release();
    await session.release();
  };
  return {
    info,
    capabilities,
    async createSequence({
      positions = "cache-relative",
    }: SequenceOptions = {}): Promise<Sequence> {
      if (disposed !== null) throw new InferenceError("state", "model: used after dispose");
      const state = policy === undefined ? null : createPolicyState(ort, info, policy);
      const place = () => new KvStore(info, policy === undefined ? 1 : pageSizeOf(policy));
      const kept =
        memory === null ? new HostCache(cache, place()) : new DeviceCache({ ...cache, memory });
      return new SegmentedSequence(context, positions === "cache-relative", kept, state);
    },
    async dispose() {
      disposed ??= end();
      await disposed;
    },
  };
}

/** What the segmented profile can do, since masks and positions are inputs. */
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

function ropeInfo({ theta, dim, sections }: Rotary): RopeInfo {
  return sections === undefined ? { theta, dim } : { theta, dim, axes: 3 };
}

/** The facts of a model, or of a part of it, that its configuration states. */
export function modelInfo(config: ModelConfig, part: ModelPart = wholeModel(config)): ModelInfo {
  const rotary = config.attentionKinds.find((kind) => kind.rotary !== null)?.rotary ?? null;
  return {
    architecture: config.architecture,
    vocabSize: config.vocabSize,
    hiddenSize: config.hiddenSize,
    maxLength: config.maxLength,
    layers: part.range.to - part.range.from,
    heads: config.heads,
    kvHeads: config.kvHeads,
    headDim: config.headDim,
    eosIds: config.eosIds,
    rope: rotary === null ? null : ropeInfo(rotary),
    parameters: countParameters(config, part),
    ...(config.features && { reads: config.features.reads }),
  };
}
