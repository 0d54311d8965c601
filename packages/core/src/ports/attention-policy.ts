/**
 * Which cached rows the layers of a model attend to. Nothing is discarded: a row that one step
 * leaves out is there for the next.
 *
 * Plain data, made by the factories of `@frugal/kv-cache`, whose doc comments define what each kind
 * selects; executed inside the graph by adapters that name the kind in `Capabilities.attention`.
 * Rows of the block itself are always attended to, under the block's own mask.
 */
export type AttentionPolicy =
  | TokenSelectPolicy
  | TidalDecodePolicy
  | RefreshKvPolicy
  | QuestPolicy
  | LandmarkPolicy;

/** What every kind has. */
export interface RowBudget {
  /** The most cached rows that a sparse layer attends to. A cache of no more is attended whole. */
  readonly budget: number;
  /** Shorter caches are attended whole: where selecting costs more than it saves. */
  readonly minLength: number;
  /** Blocks of more rows, those of a prompt, attend to everything. */
  readonly maxRows: number;
  /** Cached rows that sparse layers attend to in any case, ascending: `withSinks`. */
  readonly sinkSlots: readonly number[];
}

/** Rows that the heads of a layer vote for, between the first ones and the latest. */
export interface TokenSelectPolicy extends RowBudget {
  readonly kind: "token-select";
  readonly sinks: number;
  readonly recent: number;
  /** Cosine of two queries from which the rows of the first serve the second; null: never. */
  readonly reuse: number | null;
  /** Odd width of the maximum taken over neighbouring votes; 1 for none. */
  readonly pooling: number;
}

/** Rows that a few layers choose and the layers after them share. */
export interface TidalDecodePolicy extends RowBudget {
  readonly kind: "tidal-decode";
  /** Layers that attend to everything and choose, ascending. Layers before the first are full. */
  readonly selectAt: readonly number[];
  /** How the query heads of a KV head become one score per row. */
  readonly reduce: "sum" | "max";
}

/** Rows that were attended to most at the last full step. */
export interface RefreshKvPolicy extends RowBudget {
  readonly kind: "refresh-kv";
  readonly sinks: number;
  readonly recent: number;
  /** A full step after this many. */
  readonly stride: number;
  /** A full step, too, where the query has turned away from that of the last full one. */
  readonly drift: { readonly every: number; readonly cosine: number } | null;
}

/** Pages whose keys could reach the highest scores. */
export interface QuestPolicy extends RowBudget {
  readonly kind: "quest";
  readonly pageSize: number;
  /** Layers at the beginning that attend to everything. */
  readonly dense: number;
}

/** Blocks whose landmark tokens attract a query; for models trained with them. */
export interface LandmarkPolicy extends RowBudget {
  readonly kind: "landmark";
  /** Tokens of a block, its landmark, the last one, included. */
  readonly blockSize: number;
}
