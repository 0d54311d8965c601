import type { RopeScaling, Rotary } from "../load/rope-config.ts";

/** How the angles of a rotary embedding follow from a position. */
export interface Rotation {
  /** Radians per position of each pair of channels, `[dim / 2]`. */
  readonly frequencies: Float64Array;
  /** Factor of cosines and sines; 1 without YaRN or LongRoPE. */
  readonly scale: number;
  /** Which number of a triple each pair turns by, `[dim / 2]`; null: positions are one number. */
  readonly axes: Uint8Array | null;
}

/**
 * Frequencies of a rotary embedding in float64: `theta^(-2i / dim)`, rescaled as the configuration
 * says. `linear` divides by the factor; `llama3` and `yarn` leave short wavelengths, divide long
 * ones and interpolate between, the one by wavelength and the other by channel; `longrope` divides
 * each by a number of its own. The last two also scale cosines and sines.
 *
 * @see Su et al., arXiv:2104.09864; Peng et al. (YaRN), arXiv:2309.00071; Ding et al. (LongRoPE),
 *   arXiv:2402.13753; huggingface/transformers: modeling_rope_utils.py
 */
export function rotationOf(rotary: Rotary): Rotation {
  return { ...turnsOf(rotary), axes: axesOf(rotary) };
}

/** M-RoPE of Qwen2-VL: section `i` of the pairs belongs to axis `i mod 3`. */
function axesOf({ sections }: Rotary): Uint8Array | null {
  if (sections === undefined) return null;
  return Uint8Array.from(sections.flatMap((pairs, i) => Array<number>(pairs).fill(i % 3)));
}

function turnsOf({ theta, dim, scaling }: Rotary): Omit<Rotation, "axes"> {
  const plain = Float64Array.from({ length: dim / 2 }, (_, i) => theta ** ((-2 * i) / dim));
  switch (scaling.kind) {
    case "none":
      return { frequencies: plain, scale: 1 };
    case "linear":
      return { frequencies: plain.map((each) => each / scaling.factor), scale: 1 };
    case "llama3":
      return { frequencies: plain.map((each) => byWavelength(each, scaling)), scale: 1 };
    case "yarn":
      return { frequencies: byChannel(plain, theta, scaling), scale: scaling.attentionFactor };
    default:
      return {
        frequencies: plain.map((each, i) => each / scaling.factors[i]!),
        scale: scaling.attentionFactor,
      };
  }
}

function byWavelength(
  frequency: number,
  scaling: Extract<RopeScaling, { readonly kind: "llama3" }>,
): number {
  const { factor, lowFrequencyFactor: low, highFrequencyFactor: high } = scaling;
  const turns = (scaling.originalLength * frequency) / (2 * Math.PI);
  if (turns > high) return frequency;
  if (turns < low) return frequency / factor;
  const t = (turns - low) / (high - low);
  return ((1 - t) * frequency) / factor + t * frequency;
}

function byChannel(
  frequencies: Float64Array,
  theta: number,
  scaling: Extract<RopeScaling, { readonly kind: "yarn" }>,
): Float64Array {
  const { factor, originalLength, betaFast, betaSlow, truncate } = scaling;
  const dim = frequencies.length * 2;
  /** The channel pair that turns this often within the original length. */
  const channel = (turns: number): number =>
    (dim * Math.log(originalLength / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const [fast, slow] = [channel(betaFast), channel(betaSlow)];
  const low = Math.max(truncate ? Math.floor(fast) : fast, 0);
  const high = Math.min(truncate ? Math.ceil(slow) : slow, dim - 1);
  const width = high === low ? 0.001 : high - low;
  return frequencies.map((frequency, i) => {
    const divided = Math.min(1, Math.max(0, (i - low) / width));
    return (frequency / factor) * divided + frequency * (1 - divided);
  });
}

/**
 * Cosines and sines of the rows of a block: row `i` of `cos` and `sin`, `[s, dim / 2]`, belongs
 * to `positions[i]`, or where `triples` `[3, s]` are given and the rotation has axes, every pair to the
 * number of its axis. Unchecked: the buffers fit.
 */
export function fillRotary(
  { frequencies, scale, axes }: Rotation,
  positions: Int32Array,
  cos: Float32Array,
  sin: Float32Array,
  triples: Int32Array | null = null,
): void {
  const half = frequencies.length;
  const rows = positions.length;
  for (let i = 0; i < rows; i++) {
    for (let c = 0; c < half; c++) {
      const position =
        triples === null || axes === null ? positions[i]! : triples[axes[c]! * rows + i]!;
      const angle = position * frequencies[c]!;
      cos[i * half + c] = Math.cos(angle) * scale;
      sin[i * half + c] = Math.sin(angle) * scale;
    }
  }
}

/**
 * Rotates keys in place by `delta` positions, so that they look as if they had been written there.
 *
 * Rotations add up, so a key written at `p` and rotated by `delta` equals one written at
 * `p + delta`, up to float32 rounding. `key` holds the channels that turn from `offset`, halves
 * paired as in Hugging Face's Llama. Unchecked: the range fits.
 *
 * @param cos cosines of `delta` times the frequencies, `[dim / 2]`
 * @param sin sines of the same
 */
export function rotateKey(
  key: Float32Array,
  offset: number,
  cos: Float64Array,
  sin: Float64Array,
): void {
  const half = cos.length;
  for (let c = 0; c < half; c++) {
    const first = key[offset + c]!;
    const second = key[offset + half + c]!;
    key[offset + c] = first * cos[c]! - second * sin[c]!;
    key[offset + half + c] = second * cos[c]! + first * sin[c]!;
  }
}
