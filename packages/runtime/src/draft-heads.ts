import { type DraftHeads, InferenceError } from "@frugal/core";

import type { MedusaConfig } from "./load/medusa-config.ts";
import type { InferenceSession, Ort } from "./onnx/ort.ts";
import { runSession } from "./onnx/run-session.ts";
import { toTop } from "./sequence/outputs.ts";

/**
 * {@link DraftHeads} over a session of a graph of {@link buildMedusa}.
 *
 * Owns the session: `dispose` releases it. ONNX Runtime blocks the calling thread for the length of a
 * run.
 */
export function createDraftHeads(
  ort: Ort,
  session: InferenceSession,
  config: MedusaConfig,
  clock: () => number,
): DraftHeads {
  const { heads, hiddenSize, vocabSize } = config;
  const names = ["top_values", "top_ids", "log_sum_exp"];
  let disposed: Promise<void> | null = null;
  return {
    count: heads,
    hiddenSize,
    vocabSize,
    async guess(state, k) {
      if (disposed !== null) throw new InferenceError("state", "draft heads: used after dispose");
      if (state.length !== hiddenSize) {
        const message = `state: expected ${hiddenSize} values, got ${state.length}`;
        throw new InferenceError("shape", message);
      }
      if (!Number.isInteger(k) || k < 1) {
        throw new InferenceError("range", `k: expected a positive integer, got ${k}`);
      }
      const top = BigInt64Array.of(BigInt(Math.min(k, vocabSize)));
      const feeds = {
        state: new ort.Tensor("float32", state, [1, hiddenSize]),
        top_k: new ort.Tensor("int64", top, [1]),
      };
      const start = clock();
      const outputs = await runSession(session, feeds, names);
      return { top: toTop(outputs), runMs: clock() - start };
    },
    async dispose() {
      disposed ??= session.release();
      await disposed;
    },
  };
}
