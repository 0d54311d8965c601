import type { Rotary } from "../load/rope-config.ts";

/** How the angles of a rotary embedding follow from a position. */
export interface Rotation {
  /** Radians per position of each pair of channels, `[dim / 2]`. */
  readonly frequencies: Float64Array;
  /** Factor of cosines and sines; 1 without YaRN or LongRoPE. */
  readonly scale: number;
}

/**
 * Frequencies of a rotary embedding in float64: `theta^(-2i / dim)`, rescaled as the configuration
 * says. `linear` divides by the factor; `llama3` leaves short wavelengths, divides long ones and
 * interpolates between.
 *
 * @see Su et al., arXiv:2104.09864; huggingface/transformers: modeling_rope_utils.py
 */
export function rotationOf({ theta, dim, scaling }: Rotary): Rotation {
  const frequencies = Float64Array.from({ length: dim / 2 }, (_, i) => {
    const frequency = theta ** ((-2 * i) / dim);
    if (scaling.kind === "none") return frequency;
    if (scaling.kind === "linear") return frequency / scaling.factor;
    const turns = (scaling.originalLength * frequency) / (2 * Math.PI);
    const { factor, lowFrequencyFactor: low, highFrequencyFactor: high } = scaling;
    if (turns > high) return frequency;
    if (turns < low) return frequency / factor;
    const t = (turns - low) / (high - low);
    return ((1 - t) * frequency) / factor + t * frequency;
  });
  return { frequencies, scale: 1 };
}

/**
 * Cosines and sines of the rows of a block: row `i` of `cos` and `sin`, `[s, dim / 2]`, belongs
 * to `positions[i]`. Unchecked: the buffers fit.
 */
export function fillRotary(
  { frequencies, scale }: Rotation,
  positions: Int32Array,
  cos: Float32Array,
  sin: Float32Array,
): void {
  const half = frequencies.length;
  for (let i = 0; i < positions.length; i++) {
    const position = positions[i]!;
    for (let c = 0; c < half; c++) {
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
