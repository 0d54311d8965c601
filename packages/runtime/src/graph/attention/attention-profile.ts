import type { ModelConfig } from "../../load/model-config.ts";
import type { GraphBuilder } from "../graph-builder.ts";

/** A layer's queries, keys and values, `[1, s, heads * headDim]`, before the rotary embedding. */
export interface Projected {
  readonly query: string;
  readonly key: string;
  readonly value: string;
}

/** Adds the attention of one layer and its cache to the graph; returns `[1, s, heads * headDim]`. */
export type LayerAttention = (layer: number, projected: Projected) => string;

/**
 * How a graph attends and where its cache lives: one strategy per kind of device.
 *
 * Called once per graph, before any layer, to declare the inputs that the layers share.
 */
export type AttentionProfile = (graph: GraphBuilder, config: ModelConfig) => LayerAttention;
