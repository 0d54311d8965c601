import {
  type Capabilities,
  InferenceError,
  type LanguageModel,
  type SequenceOptions,
} from "@frugal/core";

import type { RunOptions } from "../language-model.ts";
import type { InferenceSession, Ort } from "../onnx/ort.ts";
import { runSession } from "../onnx/run-session.ts";
import type { DecoderSignature } from "./decoder-signature.ts";
import { embedBlock, type RunGraph } from "./embed-block.ts";
import type { ExportedCache } from "./exported-cache.ts";
import type { ExportedFacts } from "./exported-config.ts";
import { type ExportedContext, ExportedSequence } from "./exported-sequence.ts";
import { GrowingCache } from "./growing-cache.ts";
import { probeDecoder } from "./probe-decoder.ts";
import { SharedCache } from "./shared-cache.ts";

/** Sessions of the graphs of one exported model. */
export interface ExportedSessions {
  readonly decoder: InferenceSession;
  /** Turns ids into `inputs_embeds`. */
  readonly embedding: InferenceSession | null;
}

/** What is known of a decoder's graph before it runs. */
export interface ExportedGraph {
  readonly signature: DecoderSignature;
  readonly facts: ExportedFacts;
  /** Whether it has the outputs for reduced logits of {@link addOutputs}. */
  readonly top: boolean;
  /** Why it has no hidden states among the outputs of {@link addOutputs}; null if it has. */
  readonly noTaps: string | null;
  /** Whether past and present of its cache may be one buffer; see {@link sharesCache}. */
  readonly shared: boolean;
}

/**
 * A {@link LanguageModel} over graphs that other tools exported.
 *
 * Its capabilities are what the graph offers: trees where it takes a mask and positions, embeddings
 * where these are an input, eviction where it is known how keys are rotated, reduced logits and hidden
 * states where the graph was given them. What the graph only seems to offer is tried before, in a
 * few steps of one and two rows; see {@link probeDecoder}.
 *
 * Where past and present may be one buffer, new rows are written behind the old ones; other graphs
 * take the whole cache at every step and return it grown.
 *
 * Owns the sessions: `dispose` releases them.
 *
 * @throws {@link InferenceError} `backend` if the graph does not run
 */
export async function createExportedModel(
  ort: Ort,
  sessions: ExportedSessions,
  graph: ExportedGraph,
  options: RunOptions,
): Promise<LanguageModel> {
  const { signature, facts } = graph;
  const { info, frequencies } = facts;
  let disposed: Promise<void> | null = null;
  /** Settles when the last run does; runs end in the order of the calls. */
  let idle: Promise<unknown> = Promise.resolve();
  const checkAlive = (): void => {
    if (disposed !== null) throw new InferenceError("state", "model: used after dispose");
  };
  const run: RunGraph = async (session, feeds, names) => {
    checkAlive();
    const start = options.clock();
    const running = runSession(session, feeds, names);
    idle = running.catch(() => {});
    const outputs = await running;
    if (disposed !== null) throw new InferenceError("state", "model: disposed during the step");
    return { outputs, milliseconds: options.clock() - start };
  };
  /** Nothing is freed under a run: a thread that ends in the middle of one takes its process with it. */
  const end = async (): Promise<void> => {
    await idle;
    await sessions.decoder.release();
    await sessions.embedding?.release();
  };
  const claimed: ExportedContext = {
    ort,
    info,
    capabilities: capabilitiesOf(graph, sessions, frequencies !== null),
    signature,
    frequencies,
    noTaps: graph.noTaps,
    lastOnly: false,
    chunk: options.chunk ?? 256,
    pause: options.pause,
    embed: (block) => embedBlock(ort, sessions.embedding, signature.embeddings!, block, run),
    run: (feeds, names) => run(sessions.decoder, feeds, names),
  };
  const { shared, ...found } = await probeDecoder(claimed, graph.shared);
  const context = { ...claimed, ...found };
  const { capabilities } = context;
  return {
    info,
    capabilities,
    async createSequence({ positions = "cache-relative" }: SequenceOptions = {}) {
      checkAlive();
      const { cache: ports } = signature;
      const cache: ExportedCache = shared ? new SharedCache(ports) : GrowingCache.empty(ports);
      return new ExportedSequence(context, positions === "cache-relative", cache);
    },
    async dispose() {
      disposed ??= end();
      await disposed;
    },
  };
}

function capabilitiesOf(
  { signature, top, noTaps }: ExportedGraph,
  { embedding }: ExportedSessions,
  knowsRotation: boolean,
): Capabilities {
  const positions = signature.positions !== null;
  const tree = signature.bias !== null && positions;
  return {
    // Some graphs take both; then it is the embeddings that they go by.
    tokens: signature.embeddings === null || embedding !== null,
    tree,
    openTree: tree,
    embeddings: signature.embeddings !== null,
    taps: noTaps === null,
    positions,
    evict: knowsRotation,
    top,
  };
}
