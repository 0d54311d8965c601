import {
  type Capabilities,
  InferenceError,
  type LanguageModel,
  type SequenceOptions,
} from "@frugal/core";

import type { RunOptions } from "../language-model.ts";
import type { InferenceSession, Ort, Tensor } from "../onnx/ort.ts";
import type { DecoderSignature } from "./decoder-signature.ts";
import { embedBlock } from "./embed-block.ts";
import type { ExportedFacts } from "./exported-config.ts";
import { ExportedSequence, type ExportedContext } from "./exported-sequence.ts";
import { GrowingCache } from "./growing-cache.ts";
import { runSession } from "../onnx/run-session.ts";

/** Sessions of the graphs of one exported model. */
export interface ExportedSessions {
  readonly decoder: InferenceSession;
  /** Turns ids into `inputs_embeds`. */
  readonly embedding: InferenceSession | null;
}

/**
 * A {@link LanguageModel} over graphs that other tools exported.
 *
 * Its capabilities are what the graph offers: trees where it takes a mask and positions, embeddings
 * where these are an input, eviction where it is known how keys are rotated, reduced logits where
 * the graph was given them. The cache is copied at every step, because such graphs return it whole.
 *
 * Owns the sessions: `dispose` releases them.
 *
 * @param hasTop whether the decoder has the outputs of {@link addReducedLogits}
 */
export function createExportedModel(
  ort: Ort,
  sessions: ExportedSessions,
  signature: DecoderSignature,
  { info, frequencies }: ExportedFacts,
  hasTop: boolean,
  options: RunOptions,
): LanguageModel {
  let disposed: Promise<unknown> | null = null;
  const checkAlive = (): void => {
    if (disposed !== null) throw new InferenceError("state", "model: used after dispose");
  };
  const run = async (
    session: InferenceSession,
    feeds: Record<string, Tensor>,
    names: readonly string[],
  ) => {
    checkAlive();
    const start = options.clock();
    const outputs = await runSession(session, feeds, names).catch((error: unknown) => {
      if (disposed === null) throw error;
      throw new InferenceError("state", "model: disposed during the step", { cause: error });
    });
    return { outputs, milliseconds: options.clock() - start };
  };
  const capabilities = capabilitiesOf(signature, sessions, frequencies !== null, hasTop);
  const context: ExportedContext = {
    ort,
    info,
    capabilities,
    signature,
    frequencies,
    chunk: options.chunk ?? 256,
    pause: options.pause,
    embed: (block) => embedBlock(ort, sessions.embedding, signature.embeddings!, block, run),
    run: (feeds, names) => run(sessions.decoder, feeds, names),
  };
  return {
    info,
    capabilities,
    async createSequence({ positions = "cache-relative" }: SequenceOptions = {}) {
      checkAlive();
      const cache = GrowingCache.empty(signature.cache);
      return new ExportedSequence(context, positions === "cache-relative", cache);
    },
    async dispose() {
      disposed ??= Promise.all([sessions.decoder.release(), sessions.embedding?.release()]);
      await disposed;
    },
  };
}

function capabilitiesOf(
  signature: DecoderSignature,
  { embedding }: ExportedSessions,
  knowsRotation: boolean,
  top: boolean,
): Capabilities {
  const positions = signature.positions !== null;
  const tree = signature.bias !== null && positions;
  return {
    tokens: signature.ids !== null || embedding !== null,
    tree,
    openTree: tree,
    embeddings: signature.embeddings !== null,
    taps: false,
    positions,
    evict: knowsRotation,
    top,
  };
}
