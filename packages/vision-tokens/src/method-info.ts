/** What a method looks at. */
export type Signal =
  | "features"
  | "keys"
  | "class-attention"
  | "relevance"
  | "text"
  | "pixels"
  | "selector"
  | "hidden-states"
  | "decoder-attention";

/**
 * Where in a model a method works: between or inside the blocks of the vision or audio encoder, in
 * what maps its output to the decoder's width, on that output, between or inside the layers of the
 * decoder, on what the decoder gave, or on the text rows that condition a model of images.
 */
export type Stage =
  | "in-encoder"
  | "projector"
  | "before-decoder"
  | "in-decoder"
  | "after-decoder"
  | "conditioning";

/**
 * The four families of token compression in the survey of Shao et al., arXiv:2507.20198: pooling and
 * other maps that look at no content; comparing tokens with each other; attention that the model pays
 * anyway; what is asked, by learned queries or by the text.
 */
export type Mechanism = "transformation" | "similarity" | "attention" | "query";

/** What rows stand for: patches of images, cells of frames, pieces of sound, or text. */
export type Modality = "image" | "video" | "audio" | "text";

/** What is known of a method before it is called. */
export interface MethodInfo {
  /** The export of this package that does it. */
  readonly function: string;
  /** What the paper calls it. */
  readonly name: string;
  readonly stage: Stage;
  readonly mechanism: Mechanism;
  /** What it must be given, features to reduce aside. */
  readonly needs: readonly Signal[];
  /**
   * Whether it leaves rows out, sums them up, says how many of them to keep, skips work on them, mixes
   * or edits them.
   */
  readonly does: "selects" | "merges" | "budgets" | "skips" | "mixes" | "edits";
  /**
   * What the weights of a row of its result sum to, none being negative. `stochastic`: to one, as in
   * a choice or a mean. `sum`: the row whose place it takes counts in full and others are added.
   * `free`: to anything. Absent if it makes no rows.
   */
  readonly rowSums?: "stochastic" | "sum" | "free";
  /** What its rows stand for in the publications. What does not look at frames works on frames, too. */
  readonly modalities: readonly Modality[];
  /** Whether the model must have been trained for it. */
  readonly trained: boolean;
  /** Where it comes from. */
  readonly source: string;
}

/**
 * Whether a method looks at the question, so that what it keeps changes with it. What others keep of an
 * image holds for the whole conversation, and so do the keys and values cached for it.
 */
export function dependsOnText({ needs }: MethodInfo): boolean {
  return needs.some((signal) => textSignals.has(signal));
}

const textSignals: ReadonlySet<Signal> = /* @__PURE__ */ new Set<Signal>([
  "relevance",
  "text",
  "decoder-attention",
]);
