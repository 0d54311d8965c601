import { dot, type Kernels, type Matrix } from "@frugal/core";
import { loadKernels, loadModel } from "@frugal/runtime-node";
import { methods, selectMaxMin, unitRows } from "@frugal/vision-tokens";

import { imageFeatures, normalNumbers } from "./image-features.ts";
import { random500M, scratch } from "./models.ts";
import { median, type Table } from "./results.ts";
import { type Scene, selectors } from "./selectors.ts";
import type { Effort } from "./step-cost.ts";

/** The share of the tokens that stays. */
const kept = 0.1;
/** Width of the features: that of the model whose prompt they shorten. */
const width = 896;

/** What choosing tokens costs, and how much of that it saves of reading the prompt. */
export async function measureSelectors(effort: Effort): Promise<Table[]> {
  const sides = effort.large ? [24, 54, 100] : [8];
  const prefill = effort.large ? await measurePrefill() : (n: number): number => n;
  const rows = [];
  for (const side of sides) {
    const scene = sceneOf(side);
    const n = side * side;
    const saved = prefill(n) - prefill(Math.round(kept * n));
    for (const { function: name, name: method } of methods) {
      const run = selectors[name];
      if (run === undefined) continue;
      const ms = timeOf(() => run(scene, kept), n > 5000 ? 1 : Math.min(5, effort.repetitions));
      rows.push({ tokens: n, method, ms, "saved ms": saved, "share %": (100 * ms) / saved });
    }
  }
  const notes = [
    "Milliseconds of plain TypeScript, median; synthetic features of 896 channels that vary as images do. " +
      "A tenth of the tokens stays, or what the method leaves by its own rule.",
    "Saved: reading the prompt of that many visual tokens instead of a tenth, random weights in the shape " +
      "of Qwen2.5-0.5B, 4 bits; a line and a parabola through the times at 288 and 1,152 tokens.",
  ];
  const selection = { title: "Selectors", notes, rows };
  return [selection, await measureMaxMin(effort)];
}

/** Milliseconds to read a prompt of `n` rows, as `a n + b n²` through two measurements. */
async function measurePrefill(): Promise<(n: number) => number> {
  const model = await loadModel(await random500M(), {
    inline: true,
    quantize: "q4",
    cacheFolder: scratch,
  });
  const time = async (n: number): Promise<number> => {
    const tokens = Uint32Array.from({ length: n }, (_, i) => (i * 7919) % model.info.vocabSize);
    const sequence = await model.createSequence();
    const { runMs } = await sequence.step({ tokens }, { logits: "none" });
    await sequence.dispose();
    return runMs;
  };
  await time(64);
  const [short, long] = [288, 1152];
  const [x, y] = [(await time(short)) / short, (await time(long)) / long];
  await model.dispose();
  const square = Math.max(0, (y - x) / (long - short));
  return (n) => n * (x + square * (n - short));
}

function sceneOf(side: number): Scene {
  const n = side * side;
  const features = imageFeatures(side, side, width);
  const attention = normalNumbers(1, n).map((x) => Math.exp(x) / n);
  const frames = side % 4 === 0 ? 4 : side % 3 === 0 ? 3 : 2;
  return {
    features,
    keys: { data: features.data, rows: n, cols: width },
    attention,
    relevance: attention.map((x) => Math.min(1, n * x * 0.2)),
    text: { data: normalNumbers(2, 32 * width), rows: 32, cols: width },
    side,
    perFrame: n / frames,
  };
}

function timeOf(run: () => void, repetitions: number): number {
  const times = Array.from({ length: repetitions }, () => {
    const start = performance.now();
    run();
    return performance.now() - start;
  });
  return median(times);
}

/** DivPrune three ways, at the size of a large image of Qwen2-VL. */
async function measureMaxMin(effort: Effort): Promise<Table> {
  const [side, cols] = effort.large ? [54, 3584] : [8, 64];
  const features = imageFeatures(7, side, cols);
  const count = Math.round(kept * side * side);
  const kernels = await loadKernels();
  const timed = async (choose: () => Promise<Uint32Array>) => {
    const start = performance.now();
    const order = await choose();
    return { order, ms: performance.now() - start };
  };
  await warmUp(kernels);
  const onDevice = await timed(async () => {
    const gram = await kernels.gram(unitRows(features));
    return selectMaxMin(features, count, { gram }).order;
  });
  const lazy = await timed(async () => selectMaxMin(features, count).order);
  const naive = await timed(async () => chooseNaively(features, count));
  await kernels.dispose();
  const rows = [
    { way: "all distances, then farthest first, plain TypeScript", result: naive },
    { way: "selectMaxMin, plain TypeScript", result: lazy },
    { way: "selectMaxMin with products from ONNX Runtime", result: onDevice },
  ].map(({ way, result: { order, ms } }) => ({
    way,
    ms,
    "times faster": naive.ms / ms,
    "same choice": order.every((row, i) => row === naive.order[i]),
  }));
  const notes = [
    `${side * side} rows of ${cols}, ${count} chosen, one run each after one on a small image; CPU ` +
      "provider. Naive is what the reference does: every row with every row, then the smallest of all " +
      "distances to chosen rows for every row at every step.",
  ];
  return { title: "DivPrune", notes, rows };
}

/** All three ways on a small image, so that their code is compiled. */
async function warmUp(kernels: Kernels): Promise<void> {
  const features = imageFeatures(8, 16, 256);
  for (let run = 0; run < 5; run++) {
    const gram = await kernels.gram(unitRows(features));
    selectMaxMin(features, 26, { gram });
    selectMaxMin(features, 26);
    chooseNaively(features, 26);
  }
}

/** Farthest first as the reference does it: all products, then all distances to the chosen rows. */
function chooseNaively(features: Matrix, count: number): Uint32Array {
  const { data, rows: n, cols } = unitRows(features);
  const products = new Float32Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) products[i * n + j] = dot(data, i * cols, data, j * cols, cols);
  }
  const order = new Uint32Array(count);
  const isChosen = new Uint8Array(n);
  for (let chosen = 0; chosen < count; chosen++) {
    let [best, farthest] = [0, -Infinity];
    for (let i = 0; i < n; i++) {
      if (isChosen[i] === 1) continue;
      let nearest = Infinity;
      const others = chosen === 0 ? n : chosen;
      for (let k = 0; k < others; k++) {
        const j = chosen === 0 ? k : order[k]!;
        if (j !== i) nearest = Math.min(nearest, 1 - products[j * n + i]!);
      }
      if (nearest > farthest) [best, farthest] = [i, nearest];
    }
    order[chosen] = best;
    isChosen[best] = 1;
  }
  return order;
}
