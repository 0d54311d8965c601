import type { WeightMap } from "./weight-map.ts";

/** How the weights of a checkpoint are quantized in blocks along their inputs. */
export interface BlockQuantization {
  /** Weights that share a scale: a power of two from 16. */
  readonly blockSize: number;
  /**
   * Type of the activations inside `MatMulNBits`: 0 or 1 float32, 4 int8 (fastest on CPU, rounds
   * the activations to 8 bits per block).
   */
  readonly accuracyLevel: 0 | 1 | 4;
}

/** Tensors of a model and how to read them. */
export interface Checkpoint {
  readonly weights: WeightMap;
  /** Null where linear weights are floating-point. */
  readonly quantization: BlockQuantization | null;
}
