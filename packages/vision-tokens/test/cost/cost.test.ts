import { InferenceError } from "@frugal/core";
import { describe, expect, test } from "vitest";

import {
  compareSavings,
  type DecoderDims,
  decoderFlops,
  decodeStepFlops,
  type EncoderDims,
  encoderFlops,
  estimateCost,
  type VitDims,
  vitFlops,
} from "../../src/index.ts";

const tera = 1e12;
const siglipBase: EncoderDims = { layers: 12, width: 768, hidden: 3072, tokens: 1024 };
const siglip400: EncoderDims = { layers: 26, width: 1152, hidden: 4304, tokens: 729 };
const clipLarge: EncoderDims = { layers: 24, width: 1024, hidden: 4096, tokens: 577 };
const qwenTower: EncoderDims = { layers: 32, width: 1280, hidden: 5120, tokens: 4888 };
const smol135: DecoderDims = { layers: 30, width: 576, kvWidth: 192, hidden: 1536 };
const smol360: DecoderDims = { layers: 32, width: 960, kvWidth: 320, hidden: 2560 };
const qwenHalf: DecoderDims = { layers: 24, width: 896, kvWidth: 128, hidden: 4864 };
const qwen2: DecoderDims = { layers: 28, width: 1536, kvWidth: 256, hidden: 8960 };
const qwen7: DecoderDims = { layers: 28, width: 3584, kvWidth: 512, hidden: 18944 };
const llama7: DecoderDims = { layers: 32, width: 4096, kvWidth: 4096, hidden: 11008 };

describe("estimateCost", () => {
  test.each([
    ["SmolVLM-256M", siglipBase, smol135, [17, 1088, 112], [3.614, 0.354], [4.7, 6.6, 7.7]],
    ["SmolVLM-500M", siglipBase, smol360, [17, 1088, 112], [3.614, 0.932], [10.3, 14.8, 17.3]],
    ["Qwen2-VL-2B", qwenTower, qwen2, [1, 1222, 64], [10.065, 3.654], [13.2, 19.4, 23.0]],
    ["OneVision-0.5B", siglip400, qwenHalf, [5, 2929, 64], [3.204, 2.912], [26.5, 37.4, 43.3]],
    ["LLaVA-1.5-7B", clipLarge, llama7, [1, 576, 64], [0.381, 8.504], [43.7, 65.1, 77.8]],
    ["OneVision-7B", siglip400, qwen7, [16, 7269, 64], [10.253, 117.285], [49.8, 71.6, 83.7]],
  ] as const)("reproduces the table: %s", (_, encoder, decoder, input, work, saved) => {
    const [tiles, visual, text] = input;
    const model = { encoder, decoder };
    const { vision, prefill } = estimateCost(model, { tiles, visual, text });
    expect([vision, prefill].map((flops) => round(flops / tera, 3))).toEqual(work);
    const percents = [0.5, 0.25, 0.1].map(
      (ratio) =>
        100 *
        compareSavings(model, { tiles, visual, text }, ratio, { tiles, visual, text }).pruning,
    );
    expect(percents.map((percent) => round(percent, 1))).toEqual(saved);
  });

  test("says where fewer tiles pay more than any pruning, and where not", () => {
    const small = { encoder: siglipBase, decoder: smol135 };
    const screenshot = { tiles: 17, visual: 1088, text: 112 };
    const unsplit = compareSavings(small, screenshot, 0.1, { tiles: 1, visual: 64, text: 64 });
    expect(round(100 * unsplit.fewerTiles, 1)).toBe(93.9);
    expect(unsplit.better).toBe("fewer-tiles");
    expect(unsplit.pruningAtMost).toBeLessThan(0.09);
    const large = { encoder: clipLarge, decoder: llama7 };
    const single = { tiles: 1, visual: 576, text: 64 };
    expect(compareSavings(large, single, 0.25, single).better).toBe("pruning");
  });

  test("counts cached bytes and the work of a step", () => {
    const input = { tiles: 0, visual: 1, text: 0 };
    expect(estimateCost({ encoder: siglipBase, decoder: smol135 }, input).cache).toBe(23_040);
    const { cache, decode } = estimateCost({ encoder: qwenTower, decoder: qwen2 }, input);
    expect(cache).toBe(28_672);
    expect(decode).toBe(decoderFlops(qwen2, 1));
  });

  test("reproduces the row of the unsplit image", () => {
    const model = { encoder: siglipBase, decoder: smol135 };
    const { vision, prefill } = estimateCost(model, { tiles: 1, visual: 64, text: 64 });
    expect([vision, prefill].map((flops) => round(flops / tera, 3))).toEqual([0.213, 0.028]);
  });

  test("counts tokens that leave inside the decoder, layer by layer", () => {
    const model = { encoder: clipLarge, decoder: llama7 };
    const cost = (visual: number | number[]) => estimateCost(model, { tiles: 1, visual, text: 64 });
    expect(cost(Array<number>(32).fill(576))).toEqual(cost(576));
    // FastV: half of them leave behind the second layer, so 30 of 32 layers cache and see 288.
    const half = [576, 576, ...Array<number>(30).fill(288)];
    expect(cost(half).vision).toBe(cost(576).vision);
    expect(cost(half).prefill / cost(576).prefill).toBeCloseTo(0.572, 3);
    expect(cost(half).cache).toBe((2 * cost(576).cache + 30 * cost(288).cache) / 32);
    expect(cost(half).decode).toBe((2 * cost(576).decode + 30 * cost(288).decode) / 32);
    expect(() => cost([576])).toThrow(
      new InferenceError("shape", "tokens: expected 32 entries, got 1"),
    );
    const input = { tiles: 1, visual: half, text: 64 };
    const savings = compareSavings(model, input, 0.5, { tiles: 1, visual: 144, text: 64 });
    expect(savings.pruning).toBeGreaterThan(0);
    expect(savings.pruning).toBeLessThan(savings.pruningAtMost);
  });

  test("counts tokens that leave inside the encoder", () => {
    const model = { encoder: siglipBase, decoder: smol135 };
    const input = { tiles: 17, visual: 1088, text: 112 };
    const { vision, prefill } = estimateCost(model, input);
    // Merging 64 pairs after each of twelve attentions leaves 256 of 1,024 tokens.
    const encoderTokens = Array.from({ length: 12 }, (_, layer) => 1024 - 64 * (layer + 1));
    const merged = estimateCost(model, { ...input, encoderTokens });
    expect(merged.prefill).toBe(prefill);
    const saved = 1 - (merged.vision + prefill) / (vision + prefill);
    expect(round(100 * saved, 1)).toBe(37.4);
    expect(saved).toBeGreaterThan(4 * compareSavings(model, input, 0, input).pruningAtMost);
    const run = () => estimateCost(model, { ...input, encoderTokens: [1024] });
    expect(run).toThrow(new InferenceError("shape", "kept: expected 12 entries, got 1"));
  });

  test("refuses what is no count or ratio", () => {
    const model = { encoder: clipLarge, decoder: llama7 };
    const run = () => estimateCost(model, { tiles: 1.5, visual: 1, text: 1 });
    expect(run).toThrow(new InferenceError("range", "tiles: expected an integer >= 0, got 1.5"));
    const input = { tiles: 1, visual: 1, text: 1 };
    expect(() => compareSavings(model, input, Number.NaN, input)).toThrow("ratio: expected");
  });
});

describe("decoderFlops", () => {
  const layers = (...parts: readonly [count: number, tokens: number][]) =>
    parts.flatMap(([count, tokens]) => Array<number>(count).fill(tokens));

  test.each([
    ["FastV, half after 2", layers([2, 640], [30, 352]), 0.572],
    ["FastV, a quarter after 2", layers([2, 640], [30, 208]), 0.362],
    ["FastV, a tenth after 2", layers([2, 640], [30, 122]), 0.238],
    ["FastV, half after 3", layers([3, 640], [29, 352]), 0.587],
    ["FastV, half after 5", layers([5, 640], [27, 352]), 0.615],
    ["PyramidDrop", layers([8, 640], [8, 352], [8, 208], [8, 136]), 0.518],
    ["VTW", layers([16, 640], [16, 64]), 0.549],
  ])("reproduces %s", (_, tokens, share) => {
    expect(decoderFlops(llama7, tokens) / decoderFlops(llama7, 640)).toBeCloseTo(share, 3);
  });

  test("reproduces GlobalCom2 at a tenth and AIM", () => {
    expect(round(decoderFlops(llama7, 288) / decoderFlops(llama7, 2880), 4)).toBe(0.0906);
    const aim = [...layers([14, 1668]), 1472, 1276, 1080, 884, 688, 492, 296, ...layers([7, 100])];
    expect(round(decoderFlops(qwen7, 6372) / tera, 3)).toBe(99.456);
    expect(round(decoderFlops(qwen7, aim) / tera, 3)).toBe(14.748);
    expect(round(decoderFlops(qwen7, aim) / decoderFlops(qwen7, 6372), 4)).toBe(0.1483);
  });
});

test("a step is the last row of a prefill, and an encoder a classifier without its ends", () => {
  // Attention is counted in full: each of two rows more attends to all, and all to each of them.
  const [n, dims] = [50, smol135];
  const more = decoderFlops(dims, n + 1) - decoderFlops(dims, n);
  const attention = 4 * dims.layers * dims.width;
  expect(more - decodeStepFlops(dims, n)).toBe(attention * (n + 1));
  const perLayer = Array.from({ length: dims.layers }, (_, layer) => 7 * layer);
  const context = perLayer.reduce((sum, count) => sum + count, 0);
  const none = decodeStepFlops(dims, 0);
  expect(decodeStepFlops(dims, perLayer) - none).toBe(4 * dims.width * context);
  expect(() => decodeStepFlops(dims, [1])).toThrow("context: expected 30 entries, got 1");
  const { width, tokens } = siglipBase;
  const ends = 2 * (tokens * width * 3 * 16 ** 2 + width * 1000);
  expect(vitFlops({ ...siglipBase, patch: 16, classes: 1000 }) - ends).toBe(
    encoderFlops(siglipBase),
  );
});

describe("vitFlops", () => {
  const vit = (layers: number, width: number, tokens: number, patch = 16): VitDims => {
    return { layers, width, hidden: 4 * width, tokens, patch, classes: 1000 };
  };
  const macs = (...args: Parameters<typeof vitFlops>) => vitFlops(...args) / 2e9;

  test.each([
    ["DeiT-S", vit(12, 384, 197), 4.599],
    ["DeiT-B", vit(12, 768, 197), 17.564],
    ["ViT-L", vit(24, 1024, 197), 61.555],
    ["ViT-H/14", vit(32, 1280, 257, 14), 167.296],
  ])("reproduces %s", (_, dims, expected) => {
    expect(round(macs(dims), 3)).toBe(expected);
  });

  test("reproduces DiffRate's schedule of 2.9 G", () => {
    const prune = [197, 196, 190, 168, 150, 139, 129, 117, 99, 78, 58, 3];
    const merge = [197, 194, 176, 156, 141, 133, 121, 107, 88, 64, 56, 3];
    const kept = prune.map((n, i) => Math.min(n, merge[i]!));
    expect(round(macs(vit(12, 384, 197), kept), 6)).toBe(2.905256);
  });

  test("takes the running minimum of a schedule", () => {
    expect(vitFlops(vit(2, 8, 9), [4, 7])).toBe(vitFlops(vit(2, 8, 9), [4, 4]));
  });
});

function round(x: number, digits: number): number {
  return Number(x.toFixed(digits));
}
