import type { Rotary } from "../../load/rope-config.ts";
import type { GraphBuilder } from "../graph-builder.ts";

/** Graph inputs with the cosines and sines of a block's rows, `[s, dim / 2]`. */
export interface RotaryInputs {
  readonly cos: string;
  readonly sin: string;
  /** Channels of a head that turn. */
  readonly dim: number;
}

/** Declares the rotary inputs of an attention kind, `cos.{k}` and `sin.{k}`, if it has any. */
export function rotaryInputs(
  graph: GraphBuilder,
  rotary: Rotary | null,
  kind: number,
): RotaryInputs | null {
  if (rotary === null) return null;
  const { dim } = rotary;
  const cos = graph.input(`cos.${kind}`, "float32", ["s", dim / 2]);
  return { cos, sin: graph.input(`sin.${kind}`, "float32", ["s", dim / 2]), dim };
}

/**
 * Applies the rotary embedding to `[1, s, heads * headDim]`, or nothing where there is none.
 *
 * Row `i` is rotated by row `i` of the inputs, which the host computes from the block's positions:
 * any positions, any frequency scaling, no table in the model. (Providers disagree about
 * `position_ids`; all of them agree about the first rows of a table.)
 */
export function rotate(
  graph: GraphBuilder,
  rows: string,
  heads: number,
  rotary: RotaryInputs | null,
): string {
  if (rotary === null) return rows;
  return graph.node("RotaryEmbedding", [rows, graph.ints([0]), rotary.cos, rotary.sin], {
    num_heads: { int: heads },
    rotary_embedding_dim: { int: rotary.dim },
  });
}
