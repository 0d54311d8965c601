import type { ModelConfig } from "../load/config.ts";

/**
 * Inverse frequencies of the rotary embedding, `[headDim / 2]`, in float64.
 *
 * `theta^(-2i / headDim)`, rescaled as the configuration says: `linear` divides by the factor;
 * `llama3` leaves short wavelengths, divides long ones and interpolates between.
 *
 * @see Su et al., arXiv:2104.09864; huggingface/transformers: modeling_rope_utils.py
 */
export function rotaryFrequencies(config: ModelConfig): Float64Array {
  const { headDim, ropeTheta, ropeScaling: scaling } = config;
  return Float64Array.from({ length: headDim / 2 }, (_, i) => {
    const frequency = ropeTheta ** ((-2 * i) / headDim);
    if (scaling.kind === "none") return frequency;
    if (scaling.kind === "linear") return frequency / scaling.factor;
    const turns = (scaling.originalLength * frequency) / (2 * Math.PI);
    const { factor, lowFrequencyFactor: low, highFrequencyFactor: high } = scaling;
    if (turns > high) return frequency;
    if (turns < low) return frequency / factor;
    const t = (turns - low) / (high - low);
    return ((1 - t) * frequency) / factor + t * frequency;
  });
}

/**
 * Cosines and sines of the rows of a block: row `i` of `cos` and `sin`, `[s, headDim / 2]`, belongs
 * to `positions[i]`. Unchecked: the buffers fit.
 */
export function fillRotary(
  frequencies: Float64Array,
  positions: Int32Array,
  cos: Float32Array,
  sin: Float32Array,
): void {
  const half = frequencies.length;
  for (let i = 0; i < positions.length; i++) {
    const position = positions[i]!;
    for (let c = 0; c < half; c++) {
      const angle = position * frequencies[c]!;
      cos[i * half + c] = Math.cos(angle);
      sin[i * half + c] = Math.sin(angle);
    }
  }
}

/**
 * Rotates keys in place by `delta` positions, so that they look as if they had been written there.
 *
 * Rotations add up, so a key written at `p` and rotated by `delta` equals one written at
 * `p + delta`, up to float32 rounding. `key` holds `headDim` channels from `offset`, halves paired
 * as in Hugging Face's Llama. Unchecked: the range fits.
 *
 * @param cos cosines of `delta` times the frequencies, `[headDim / 2]`
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
