import { featureProjection } from "../architectures/projections.ts";
import type { FeatureConfig, ModelConfig } from "../load/model-config.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import type { GraphBuilder } from "./graph-builder.ts";
import { project } from "./linear.ts";
import { normalize } from "./norm.ts";

/** What enters the first layer of a decoder. */
export interface Entry {
  /** `[1, s, hidden]`. */
  readonly hidden: string;
  /** `[1, s, hidden]`, what queries, keys and values read beside the stream; null: nothing. */
  readonly beside: string | null;
}

/**
 * Joins the embeddings of a block, `[1, s, hidden]`, with the target's states.
 *
 * Inputs: `features.{i}` `[f, width]`, one for each tap that is read. Where they are reduced to one
 * state first (`"attend"`), also `own_features` `[o, hidden]`, states of the head itself, which are
 * not reduced; rows are those of `features`, then these, and one of the two is empty.
 */
export function joinFeatures(
  graph: GraphBuilder,
  config: ModelConfig,
  checkpoint: Checkpoint,
  features: FeatureConfig,
  embedded: string,
): Entry {
  const { hiddenSize, norm } = config;
  const { reads, width, join } = features;
  const projection = featureProjection(hiddenSize, features);
  const states = reads.map((_, i) => graph.input(`features.${i}`, "float32", ["f", width]));
  const beside = (parts: readonly string[], axis: number): string =>
    parts.length === 1 ? parts[0]! : graph.node("Concat", parts, { axis: { int: axis } });
  const throughProjection = (x: string, rank: 2 | 3): string =>
    project(graph, checkpoint, x, [projection], rank)[0]!;
  const normed = (name: string, size: number, rows: string): string =>
    normalize(graph, checkpoint, name, size, norm, rows);
  const oneBatch = (rows: string): string => graph.node("Unsqueeze", [rows, graph.ints([0])]);

  if (join === "attend") {
    const own = graph.input("own_features", "float32", ["o", hiddenSize]);
    const reduced = throughProjection(beside(states, 1), 2);
    return {
      hidden: oneBatch(beside([reduced, own], 0)),
      beside: normed(embeddingNorm, hiddenSize, embedded),
    };
  }
  const state = oneBatch(beside(states, 1));
  const pair =
    join === "project"
      ? [embedded, state]
      : [normed("enorm", hiddenSize, embedded), normed("hnorm", width * reads.length, state)];
  return { hidden: throughProjection(beside(pair, 2), 3), beside: null };
}

/** EAGLE-3's norm of the embeddings, by the name that other decoders have for their stream's. */
const embeddingNorm = "model.layers.0.input_layernorm";
