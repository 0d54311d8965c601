import { expectInteger, expectLength } from "../expect.ts";

/** A decoder with grouped-query attention and a gated MLP. */
export interface DecoderDims {
  readonly layers: number;
  readonly width: number;
  /** KV heads times head size. */
  readonly kvWidth: number;
  /** Width inside the MLP. */
  readonly hidden: number;
}

/** A vision transformer, and how many tokens it sees of one tile. */
export interface EncoderDims {
  readonly layers: number;
  readonly width: number;
  readonly hidden: number;
  readonly tokens: number;
}

/** What a whole image classifier has besides its blocks. */
export interface VitDims extends EncoderDims {
  /** Side of a patch in pixels, of three channels. */
  readonly patch: number;
  readonly classes: number;
}

/**
 * Floating-point operations of a prefill, two per multiply-add; without embedding and vocabulary.
 * Attention is counted in full, as the literature does.
 *
 * @param tokens how many, the same in all layers, or one number per layer.
 * @throws `InferenceError` `shape` for another number of layers, `range` for what is no count.
 * @see `docs/algorithms/vision-cost.md`
 */
export function decoderFlops(dims: DecoderDims, tokens: number | readonly number[]): number {
  const { layers, width } = dims;
  const perLayer = typeof tokens === "number" ? Array<number>(layers).fill(tokens) : tokens;
  expectLength("tokens", perLayer, layers);
  const products = productsPerToken(dims);
  let macs = 0;
  for (const n of perLayer) {
    expectInteger("tokens", n, 0);
    macs += n * products + 2 * n * n * width;
  }
  return 2 * macs;
}

/**
 * The same for one token more, behind `context` cached ones in all layers, or one number per layer.
 *
 * @throws `InferenceError` `shape` for another number of layers.
 * @see `docs/algorithms/vision-cost.md`
 */
export function decodeStepFlops(dims: DecoderDims, context: number | readonly number[]): number {
  const { layers, width } = dims;
  let cached = layers * (typeof context === "number" ? context : 0);
  if (typeof context !== "number") {
    expectLength("context", context, layers);
    for (const count of context) cached += count;
  }
  return 2 * (layers * productsPerToken(dims) + 2 * cached * width);
}

/**
 * The same for the blocks of an encoder and one tile, without patch embedding and projector. Tokens can
 * become fewer inside its blocks, between attention and MLP.
 *
 * @param kept per block, the number of tokens after it; default: all. A number above that of the
 *   block before has no effect.
 * @throws `InferenceError` `shape` for another number of blocks, `range` for what is no count.
 * @see `docs/algorithms/vision-cost.md`
 */
export function encoderFlops(dims: EncoderDims, kept?: readonly number[]): number {
  const { layers, width, hidden, tokens } = dims;
  const schedule = kept ?? Array<number>(layers).fill(tokens);
  expectLength("kept", schedule, layers);
  let macs = 0;
  let before = tokens;
  for (const count of schedule) {
    expectInteger("kept", count, 0);
    const after = Math.min(before, count);
    macs += 4 * before * width * width + 2 * before * before * width + 2 * after * width * hidden;
    before = after;
  }
  return 2 * macs;
}

/**
 * The same with patch embedding and classifier.
 *
 * @throws as {@link encoderFlops}.
 * @see `docs/algorithms/vision-cost.md`
 */
export function vitFlops(dims: VitDims, kept?: readonly number[]): number {
  const { width, tokens, patch, classes } = dims;
  const ends = tokens * width * 3 * patch * patch + width * classes;
  return encoderFlops(dims, kept) + 2 * ends;
}

function productsPerToken({ width, kvWidth, hidden }: DecoderDims): number {
  return 2 * width * width + 2 * width * kvWidth + 3 * width * hidden;
}
