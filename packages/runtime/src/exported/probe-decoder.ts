import { type Block, InferenceError, type Matrix, type StepOutput, type Tap } from "@frugal/core";

import type { ExportedCache } from "./exported-cache.ts";
import { type ExportedContext, ExportedSequence } from "./exported-sequence.ts";
import { GrowingCache } from "./growing-cache.ts";
import { SharedCache } from "./shared-cache.ts";

/** What was found, in place of what was claimed. */
export type ProbeResult = Pick<ExportedContext, "capabilities" | "noTaps" | "lastOnly"> & {
  readonly shared: boolean;
};

/**
 * Share of the logits' range by which the two caches may differ. The operator is the same; a wrong row
 * or length makes 0.04 and more.
 */
const tolerance = 0.01;

/**
 * Tries what a graph claims: two rows, then one, with a cache that grows and, if it may, with one that
 * is shared.
 *
 * - Graphs may give logits of the last row alone, whatever the names of their dimensions say.
 * - Hidden states must have a row for each of the block's, of the right width.
 * - Providers that do not write into the buffers they are given, such as onnxruntime-web's on the
 *   CPU, fall back to a cache that grows.
 *
 * Cost: two to four short runs.
 *
 * @throws {@link InferenceError} `backend` if the graph does not run
 */
export async function probeDecoder(
  context: ExportedContext,
  mayShare: boolean,
): Promise<ProbeResult> {
  const { capabilities, info, signature } = context;
  const taps: readonly Tap[] = capabilities.taps
    ? [...Array.from({ length: info.layers + 1 }, (_, layer) => layer), "final"]
    : [];
  const growing = await tryCache(context, GrowingCache.empty(signature.cache), taps);
  const isRight = growing.first.taps.every(
    ({ rows, cols }) => rows === 2 && cols === info.hiddenSize,
  );
  const shared = mayShare && (await agrees(context, growing.second));
  return {
    capabilities: { ...capabilities, taps: capabilities.taps && isRight },
    noTaps: isRight ? context.noTaps : `expected a row of ${info.hiddenSize} values per row`,
    lastOnly: growing.first.logits!.rows === 1,
    shared,
  };
}

async function agrees(context: ExportedContext, expected: Matrix): Promise<boolean> {
  try {
    const { second } = await tryCache(context, new SharedCache(context.signature.cache), []);
    const range = expected.data.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-6);
    return second.data.every(
      (value, i) => Math.abs(value - expected.data[i]!) <= range * tolerance,
    );
  } catch (error) {
    if (InferenceError.is(error, "backend")) return false;
    throw error;
  }
}

async function tryCache(
  context: ExportedContext,
  cache: ExportedCache,
  taps: readonly Tap[],
): Promise<{ readonly first: StepOutput; readonly second: Matrix }> {
  const sequence = new ExportedSequence(context, false, cache);
  try {
    const first = await sequence.step(rowsFor(context, 2), { logits: "all", taps });
    const { logits } = await sequence.step(rowsFor(context, 1), { logits: "last" });
    return { first, second: logits! };
  } finally {
    await sequence.dispose();
  }
}

/** Tokens, or embeddings that differ like those of tokens would. */
function rowsFor({ capabilities, info }: ExportedContext, rows: number): Block {
  const { vocabSize, hiddenSize: cols } = info;
  if (capabilities.tokens)
    return { tokens: Uint32Array.from({ length: rows }, (_, i) => (i + 1) % vocabSize) };
  const data = Float32Array.from({ length: rows * cols }, (_, i) => Math.sin(i + 1));
  return { embeddings: { data, rows, cols } };
}
