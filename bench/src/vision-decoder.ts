import type { LanguageModel, LayerStage, Sequence } from "@frugal/core";
import { createStagedModel, stagedRanges } from "@frugal/decoding";
import { loadModel } from "@frugal/runtime-node";
import { pruneByAttention, pruneInSteps, withdrawImages } from "@frugal/vision-tokens";

import { random135M, scratch, tiny } from "./models.ts";
import { median, type Table } from "./results.ts";
import type { Effort } from "./step-cost.ts";

/** A prompt of rows of an image with text around them. */
interface Prompt {
  readonly before: number;
  readonly image: number;
  readonly after: number;
}

/** Schedules by name, for models of `layers` layers. */
function schedules(layers: number): readonly (readonly [string, readonly LayerStage[] | null])[] {
  const [first, second, third] = [0.25, 0.5, 0.75].map((part) => Math.round(layers * part));
  return [
    ["all rows in all layers", null],
    ["split at layer 2, nothing ends", pruneByAttention({ drop: 0 })],
    ["pruneByAttention, half from layer 2 on", pruneByAttention()],
    ["pruneByAttention, nine tenths", pruneByAttention({ drop: 0.9 })],
    ["pruneInSteps", pruneInSteps({ layers: [first!, second!, third!] })],
    ["withdrawImages, half of the layers", withdrawImages(second!)],
  ];
}

/** The first token and those after it, with and without rows of an image that end between layers. */
export async function measureVisionDecoder(effort: Effort): Promise<Table[]> {
  const [folder, layers] = effort.large ? [await random135M(), 30] : [tiny, 8];
  const prompt: Prompt = effort.large
    ? { before: 24, image: 1088, after: 64 }
    : { before: 8, image: 128, after: 16 };
  const repetitions = Math.min(effort.repetitions, 7);
  const rows = [];
  let whole = 0;
  for (const [name, stages] of schedules(layers)) {
    const model = await load(folder, layers, stages);
    const times = await time(model, prompt, repetitions);
    await model.dispose();
    if (whole === 0) whole = times.first;
    rows.push({
      schedule: name,
      "first token ms": times.first,
      "outside the engine ms": times.outside,
      "times faster": whole / times.first,
      "each token after ms": times.after,
    });
  }
  const { before, image, after } = prompt;
  const notes = [
    `Milliseconds, median: a prompt of ${before} rows of text, ${image} of an image and ${after} of text, ` +
      "then top-1 logits; then one token at a time behind it.",
    "Random weights in the shape of SmolLM2-135M, 4-bit layers, 8-bit head, on this thread: which rows go " +
      "on means nothing, how many does.",
    "Outside the engine: masks, decisions, and hidden states that are copied between ranges of layers.",
  ];
  return [{ title: "Images that end inside the decoder", notes, rows }];
}

async function load(
  folder: string,
  layers: number,
  stages: readonly LayerStage[] | null,
): Promise<LanguageModel> {
  const options = { inline: true, quantize: "q4", cacheFolder: scratch } as const;
  if (stages === null) return loadModel(folder, options);
  const ranges = [];
  for (const range of stagedRanges(layers, stages)) {
    ranges.push(await loadModel(folder, { ...options, ...range }));
  }
  return createStagedModel(ranges, stages);
}

async function time(model: LanguageModel, prompt: Prompt, repetitions: number) {
  const times = { first: [] as number[], outside: [] as number[], after: [] as number[] };
  for (let i = -1; i < repetitions; i++) {
    const sequence = await model.createSequence({ positions: "absolute" });
    const start = performance.now();
    const runMs = await read(sequence, prompt);
    const first = performance.now() - start;
    const steps = performance.now();
    for (let token = 0; token < 8; token++) {
      await sequence.step({ tokens: Uint32Array.of(token + 5) }, { logits: { top: 1 } });
    }
    const after = (performance.now() - steps) / 8;
    await sequence.dispose();
    if (i < 0) continue;
    times.first.push(first);
    times.outside.push(first - runMs);
    times.after.push(after);
  }
  return {
    first: median(times.first),
    outside: median(times.outside),
    after: median(times.after),
  };
}

async function read(sequence: Sequence, { before, image, after }: Prompt): Promise<number> {
  const count = before + image + after;
  const { vocabSize } = sequence.info;
  const tokens = Uint32Array.from({ length: count }, (_, i) => (i * 7919 + 17) % vocabSize);
  const images = [{ from: before, to: before + image }];
  const output = await sequence.step({ tokens, images }, { logits: { top: 1, rows: "last" } });
  return output.runMs;
}
