import type { AttentionPolicy, Sequence } from "@frugal/core";
import { quest, refreshKv, tidalDecode, tokenSelect } from "@frugal/kv-cache";
import { loadModel } from "@frugal/runtime-node";

import { random135M, scratch, tiny } from "./models.ts";
import { median, type Table } from "./results.ts";
import type { Effort } from "./step-cost.ts";

/** Sparse at any length, also while the cache is filled: a full prompt of 32,768 takes an hour. */
const always = { minLength: 0, maxRows: Infinity } as const;

/** Policies by name, and the longest cache they are measured with. */
type Case = readonly [name: string, policy: AttentionPolicy, longest: number];

function cases(budget: number, layers: number): readonly Case[] {
  const common = { ...always, budget };
  const recent = budget / 4;
  const selectAt = [Math.min(2, layers - 2), Math.floor(layers * 0.4)];
  const choosing = tokenSelect({ ...common, sinks: 16, recent, reuse: null });
  return [
    ["tidalDecode", tidalDecode({ ...common, selectAt }), 32_768],
    ["tokenSelect, choices reused", tokenSelect({ ...common, sinks: 16, recent }), 32_768],
    ["tokenSelect, choosing at every step", choosing, 16_384],
    ["quest", quest(common), 16_384],
    ["refreshKv", refreshKv({ ...common, sinks: 4, recent: budget / 8, stride: budget / 4 }), 8192],
  ];
}

/**
 * One-token steps of every attention policy against full attention: the same model, the same cache,
 * interleaved.
 */
export async function measureSelection(effort: Effort): Promise<Table[]> {
  const [folder, budget, contexts] = effort.large
    ? [await random135M(), 1024, [4096, 8192, 16_384, 32_768]]
    : [tiny, 64, [256]];
  const rows = [];
  for (const [name, attention, longest] of cases(budget, effort.large ? 30 : 8)) {
    const options = { inline: true, quantize: "q4", cacheFolder: scratch, attention } as const;
    const model = await loadModel(folder, options);
    const sequence = await model.createSequence();
    for (const context of contexts.filter((length) => length <= longest)) {
      await extend(sequence, context, model.info.vocabSize);
      const { sparse, full } = await timeSteps(sequence, effort.repetitions);
      rows.push({
        policy: name,
        context,
        "full ms": full,
        "policy ms": sparse,
        ratio: full / sparse,
      });
    }
    await model.dispose();
  }
  const notes = [
    "Milliseconds per one-token step, median; ratio: how many times faster the policy is.",
    `Random weights in the shape of SmolLM2-135M, 4-bit layers, 8-bit head; a budget of ${budget} ` +
      "rows; top-1 logits, on this thread. The sequence also forgets the token, which counts.",
    "refreshKv: its cheap steps; one in a quarter of the budget is full. Queries of random weights turn little from token to token, so that `reuse` rarely chooses anew " +
      "here: the two rows of tokenSelect are the ends of what it costs.",
  ];
  return [{ title: "Selection inside attention", notes, rows }];
}

async function extend(sequence: Sequence, length: number, vocabSize: number): Promise<void> {
  const count = length - sequence.length;
  const tokens = Uint32Array.from({ length: count }, (_, i) => (i * 7919 + 17) % vocabSize);
  await sequence.step({ tokens }, { logits: "none" });
}

async function timeSteps(sequence: Sequence, repetitions: number) {
  const base = Uint32Array.from({ length: sequence.length }, (_, i) => i);
  const times = { sparse: [] as number[], full: [] as number[] };
  for (let i = -3; i < repetitions; i++) {
    for (const kind of ["sparse", "full"] as const) {
      const start = performance.now();
      const tokens = Uint32Array.of(5 + 31 * (i + 3));
      await sequence.step(
        { tokens },
        { logits: { top: 1 }, ...(kind === "full" && { attention: "full" }) },
      );
      await sequence.keep(base);
      if (i >= 0) times[kind].push(performance.now() - start);
    }
  }
  return { sparse: median(times.sparse), full: median(times.full) };
}
