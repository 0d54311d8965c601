import { expectInteger, expectNumber } from "../expect.ts";
import { roundHalfEven } from "../round-half-even.ts";
import {
  type DecoderDims,
  decoderFlops,
  decodeStepFlops,
  type EncoderDims,
  encoderFlops,
} from "./flops.ts";

/** The two halves of a vision-language model. */
export interface VisionModelDims {
  readonly encoder: EncoderDims;
  readonly decoder: DecoderDims;
  /** Bytes of a cached number. Default 2. */
  readonly cacheBytes?: number;
}

/** What the model is given. */
export interface VisionInput {
  /** Runs of the encoder. */
  readonly tiles: number;
  /** Tokens that each block of the encoder leaves, for methods that reduce inside it. Default all. */
  readonly encoderTokens?: readonly number[];
  /**
   * Visual tokens that reach the decoder, or one number per layer of it, for methods that remove them
   * inside.
   */
  readonly visual: number | readonly number[];
  /** All other tokens of the prompt. */
  readonly text: number;
}

/** Where the work of an answer goes. Operations, two per multiply-add. */
export interface VisionCost {
  readonly vision: number;
  readonly prefill: number;
  /** Per generated token. */
  readonly decode: number;
  /** Bytes of keys and values. */
  readonly cache: number;
}

/**
 * Work and memory of one input.
 *
 * @throws `InferenceError` `range` for what is no count; `shape` for another number of layers.
 * @see `docs/algorithms/vision-cost.md`
 */
export function estimateCost(model: VisionModelDims, input: VisionInput): VisionCost {
  const { encoder, decoder, cacheBytes = 2 } = model;
  const { tiles, encoderTokens, visual, text } = input;
  expectInteger("tiles", tiles, 0);
  expectInteger("text", text, 0);
  for (const count of listOf(visual)) expectInteger("visual", count, 0);
  const tokens = typeof visual === "number" ? visual + text : visual.map((count) => count + text);
  const rows =
    typeof tokens === "number"
      ? decoder.layers * tokens
      : tokens.reduce((sum, count) => sum + count, 0);
  return {
    vision: tiles * encoderFlops(encoder, encoderTokens),
    prefill: decoderFlops(decoder, tokens),
    decode: decodeStepFlops(decoder, tokens),
    cache: 2 * decoder.kvWidth * cacheBytes * rows,
  };
}

function listOf(visual: number | readonly number[]): readonly number[] {
  return typeof visual === "number" ? [visual] : visual;
}

/** Shares, in `[0, 1]`, of the work before the first token that each measure saves. */
export interface Savings {
  /** Keeping only a part of the visual tokens behind the encoder. */
  readonly pruning: number;
  /** Keeping none of them: no method that prunes behind the encoder can save more. */
  readonly pruningAtMost: number;
  /** Cutting the image into fewer tiles and pruning nothing. */
  readonly fewerTiles: number;
  /** Which of the two saves more; pruning, if they are equal. */
  readonly better: "pruning" | "fewer-tiles";
}

/**
 * Says what pruning saves and what fewer tiles would, by vision and prefill operations together.
 *
 * The smaller the decoder, the less pruning can do: with models that run in a browser most of the
 * work is the encoder's, which pruning behind it does not touch.
 *
 * @param ratio the part of the visual tokens that pruning keeps, rounded to whole tokens.
 * @param fewer the same image with fewer tiles, and so with less markup.
 * @throws `InferenceError` `range` for a ratio outside `[0, 1]` or what is no count.
 * @see `docs/algorithms/vision-cost.md`
 */
export function compareSavings(
  model: VisionModelDims,
  input: VisionInput,
  ratio: number,
  fewer: VisionInput,
): Savings {
  expectNumber("ratio", ratio, 0, 1);
  const work = (change: Partial<VisionInput>): number => {
    const { vision, prefill } = estimateCost(model, { ...input, ...change });
    return vision + prefill;
  };
  const all = work({});
  const saved = (change: Partial<VisionInput>): number => (all === 0 ? 0 : 1 - work(change) / all);
  const kept = (count: number): number => roundHalfEven(count * ratio);
  const { visual } = input;
  const pruning = saved({ visual: typeof visual === "number" ? kept(visual) : visual.map(kept) });
  const fewerTiles = saved(fewer);
  return {
    pruning,
    pruningAtMost: saved({ visual: 0 }),
    fewerTiles,
    better: fewerTiles > pruning ? "fewer-tiles" : "pruning",
  };
}
