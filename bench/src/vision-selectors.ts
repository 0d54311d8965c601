import { dot, type Kernels, type Matrix } from "@frugal/core";
import { loadKernels, loadModel } from "@frugal/runtime-node";
import { methods, selectMaxMin, unitRows } from "@frugal/vision-tokens";

import { imageFeatures } from "./image-features.ts";
import { random500M, scratch } from "./models.ts";
import { median, type Table } from "./results.ts";
import { sceneOf, selectors, withProducts } from "./selectors.ts";
import type { Effort } from "./step-cost.ts";

/** The share of the tokens that stays. */
const kept = 0.1;
/** Width of the features: that of the model whose prompt they shorten. */
const width = 896;
/** Above this many rows products of all pairs take too much memory. */
const mostProducts = 5000;

/** What choosing tokens costs, and how much of that it saves of reading the prompt. */
export async function measureSelectors(effort: Effort): Promise<Table[]> {
  const sides = effort.large ? [24, 54, 100] : [8];
  const prefill = effort.large ? await measurePrefill() : (n: number): number => n;
  const kernels = await loadKernels();
  const rows = [];
  for (const side of sides) {
    const scene = sceneOf(side, width);
    const n = side * side;
    const saved = prefill(n) - prefill(Math.round(kept * n));
    const repetitions = n > mostProducts ? 1 : Math.min(5, effort.repetitions);
    for (const { function: name, name: method, stage } of methods) {
      if (stage !== "before-decoder") continue;
      const run = selectors[name]!;
      const ms = await timeOf(() => run(scene, kept), repetitions);
      const choose = n > mostProducts ? undefined : withProducts[name];
      const onDevice =
        choose &&
        (await timeOf(async () => {
          choose(scene, kept, await kernels.gram(unitRows(scene.features)));
        }, repetitions));
      rows.push({
        tokens: n,
        method,
        ms,
        "with products ms": onDevice ?? null,
        "saved ms": saved,
        "share %": (100 * ms) / saved,
      });
    }
  }
  await kernels.dispose();
  const notes = [
    "Milliseconds of plain TypeScript, median; synthetic features of 896 channels that vary as images do. " +
      "A tenth of the tokens stays, or what the method leaves by its own rule. With products: for methods " +
      "that take them, the time with all products from ONNX Runtime, whose time is in it.",
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

async function timeOf(run: () => unknown, repetitions: number): Promise<number> {
  const times = [];
  for (let i = 0; i < repetitions; i++) {
    const start = performance.now();
    await run();
    times.push(performance.now() - start);
  }
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
