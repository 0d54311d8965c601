/**
 * What makes the rows of a vision encoder fewer while it runs, inside its graph: plain data.
 *
 * The methods on typed arrays are in `@frugal/vision-tokens`, whose doc comments define them. The class
 * token, where there is one, is row 0 throughout; rows stay in the order of the image.
 */
export type TokenReduction =
  | TomeReduction
  | PyraReduction
  | DiffRateReduction
  | ExpeditReduction
  | SitReduction
  | SelectReduction;

/**
 * Token merging: `mergeBipartite` by each layer's keys, between its attention and its MLP, and
 * attention that counts a merged row in full.
 *
 * @see Bolya et al., arXiv:2210.09461
 */
export interface TomeReduction {
  readonly method: "tome";
  /** How many rows each layer merges away: one number for all, or `mergeSchedule`'s. */
  readonly perLayer: number | readonly number[];
  /** Adds the logarithm of a row's size to the scores of its key. Default true. */
  readonly proportional?: boolean;
}

/**
 * The same with rows that trained vectors change before they are merged: `modulateRows`.
 *
 * Every layer that merges has these tensors under its own prefix: `pyra_a` `[perLayer, 1]`, `pyra_b`
 * `[1, hidden]`, `pyra_norm.weight` and `pyra_norm.bias` `[hidden]`.
 *
 * @see PYRA (Xiong et al.), arXiv:2403.09192
 */
export interface PyraReduction extends Omit<TomeReduction, "method"> {
  readonly method: "pyra";
}

/**
 * `pruneAndMerge` between attention and MLP: the rows that the class token attends to least are left
 * out, the next join rows that they resemble. Tables: `diffRateSchedules`.
 *
 * @see DiffRate (Chen et al.), arXiv:2305.17997
 */
export interface DiffRateReduction {
  readonly method: "diffrate";
  /** Per layer, how many rows pruning leaves, the class token's included. */
  readonly prune: readonly number[];
  /** Per layer, how many of those merging leaves. */
  readonly merge: readonly number[];
}

/**
 * `clusterRows` before one layer, `reconstructRows` before another: the layers between see clusters,
 * all others every row.
 *
 * @see Expedit (Liang et al.), arXiv:2210.01035
 */
export interface ExpeditReduction {
  readonly method: "expedit";
  /** The first layer that sees clusters. */
  readonly from: number;
  /** The first layer that sees all rows again; default: none, they are back before the final norm. */
  readonly to?: number;
  /** Height and width of the grid of clusters. */
  readonly clusters: readonly [height: number, width: number];
  /** Default 5. */
  readonly iterations?: number;
  /** Factor of squared distances, of both steps. Default 0.01. */
  readonly temperature?: number;
  /** Odd: cells on a side that a centre may draw from. Default 5. */
  readonly window?: number;
  /** Clusters that a row is made of. Default 20. */
  readonly neighbours?: number;
}

/**
 * `slimRows` before each of some layers: fewer rows, each a trained mixture of all.
 *
 * Step `i` has the tensors `tsm.{i}.weight.0` (norm), `tsm.{i}.weight.1` and `tsm.{i}.weight.3`
 * (linear), `.weight` and `.bias` each, and `tsm.{i}.scale`.
 *
 * @see SiT (Zong et al.), arXiv:2111.12624
 */
export interface SitReduction {
  readonly method: "sit";
  /** Layers, ascending. */
  readonly before: readonly number[];
}

/**
 * Only the patches that the input `keep`, int64 `[n, rows]`, lists enter the layers: `attentiveBlocks`
 * or another selection. The class token always does.
 */
export interface SelectReduction {
  readonly method: "select";
}
