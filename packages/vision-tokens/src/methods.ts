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

/** The methods of this package, in the order of their publication. */
export const methods: readonly MethodInfo[] = [
  {
    function: "mixByPooling",
    name: "PoNet",
    stage: "projector",
    mechanism: "transformation",
    needs: ["hidden-states"],
    does: "mixes",
    modalities: ["text"],
    trained: true,
    source: "arXiv:2110.02442",
  },
  {
    function: "slimRows",
    name: "SiT",
    stage: "in-encoder",
    mechanism: "query",
    needs: ["hidden-states"],
    does: "merges",
    rowSums: "stochastic",
    modalities: ["image"],
    trained: true,
    source: "arXiv:2111.12624",
  },
  {
    function: "clusterRows",
    name: "Expedit",
    stage: "in-encoder",
    mechanism: "similarity",
    needs: ["hidden-states"],
    does: "merges",
    rowSums: "stochastic",
    modalities: ["image"],
    trained: false,
    source: "arXiv:2210.01035",
  },
  {
    function: "mergeBipartite",
    name: "Token Merging; FastAST",
    stage: "before-decoder",
    mechanism: "similarity",
    needs: ["features"],
    does: "merges",
    rowSums: "stochastic",
    modalities: ["image", "audio"],
    trained: false,
    source: "arXiv:2210.09461",
  },
  {
    function: "attentiveBlocks",
    name: "A-CLIP",
    stage: "in-encoder",
    mechanism: "attention",
    needs: ["class-attention"],
    does: "selects",
    rowSums: "stochastic",
    modalities: ["image"],
    trained: false,
    source: "arXiv:2212.08653",
  },
  {
    function: "pruneAndMerge",
    name: "DiffRate",
    stage: "in-encoder",
    mechanism: "attention",
    needs: ["hidden-states", "class-attention"],
    does: "merges",
    rowSums: "stochastic",
    modalities: ["image"],
    trained: false,
    source: "arXiv:2305.17997",
  },
  {
    function: "earlyExit",
    name: "DToP",
    stage: "in-encoder",
    mechanism: "query",
    needs: ["hidden-states"],
    does: "selects",
    rowSums: "stochastic",
    modalities: ["image"],
    trained: true,
    source: "arXiv:2308.01045",
  },
  {
    function: "selectByGate",
    name: "LaVIT, selector",
    stage: "before-decoder",
    mechanism: "query",
    needs: ["selector"],
    does: "selects",
    rowSums: "stochastic",
    modalities: ["image"],
    trained: true,
    source: "arXiv:2309.04669",
  },
  {
    function: "pruneByAttention",
    name: "FastV",
    stage: "in-decoder",
    mechanism: "attention",
    needs: ["decoder-attention"],
    does: "selects",
    rowSums: "stochastic",
    modalities: ["image", "video"],
    trained: false,
    source: "arXiv:2403.06764",
  },
  {
    function: "mergeModulated",
    name: "PYRA",
    stage: "in-encoder",
    mechanism: "similarity",
    needs: ["hidden-states", "keys"],
    does: "merges",
    rowSums: "free",
    modalities: ["image"],
    trained: true,
    source: "arXiv:2403.09192",
  },
  {
    function: "mergeIntoOutliers",
    name: "LLaVA-PruMerge",
    stage: "before-decoder",
    mechanism: "attention",
    needs: ["class-attention", "keys"],
    does: "merges",
    rowSums: "free",
    modalities: ["image"],
    trained: false,
    source: "arXiv:2403.15388",
  },
  {
    function: "withdrawImages",
    name: "Visual tokens withdrawal",
    stage: "in-decoder",
    mechanism: "transformation",
    needs: ["hidden-states"],
    does: "selects",
    rowSums: "stochastic",
    modalities: ["image", "video"],
    trained: false,
    source: "arXiv:2405.05803",
  },
  {
    function: "matryoshkaPool",
    name: "M3",
    stage: "projector",
    mechanism: "transformation",
    needs: ["features"],
    does: "merges",
    rowSums: "stochastic",
    modalities: ["image"],
    trained: true,
    source: "arXiv:2405.17430",
  },
  {
    function: "selectByDensity",
    name: "Token-level correlation-guided compression",
    stage: "before-decoder",
    mechanism: "attention",
    needs: ["class-attention", "keys"],
    does: "selects",
    rowSums: "stochastic",
    modalities: ["image"],
    trained: false,
    source: "arXiv:2407.14439",
  },
  {
    function: "mergeRecoverable",
    name: "Recoverable Compression",
    stage: "before-decoder",
    mechanism: "attention",
    needs: ["class-attention", "keys", "relevance"],
    does: "merges",
    rowSums: "free",
    modalities: ["image"],
    trained: false,
    source: "arXiv:2409.01179",
  },
  {
    function: "pruneAndRecycle",
    name: "SparseVLM",
    stage: "in-decoder",
    mechanism: "query",
    needs: ["decoder-attention", "hidden-states"],
    does: "merges",
    rowSums: "stochastic",
    modalities: ["image"],
    trained: false,
    source: "arXiv:2410.04417",
  },
  {
    function: "chooseHeads",
    name: "YOPO",
    stage: "in-decoder",
    mechanism: "attention",
    needs: ["decoder-attention"],
    does: "skips",
    modalities: ["image"],
    trained: false,
    source: "arXiv:2410.06169",
  },
  {
    function: "skipLayers",
    name: "IMA, skipped computations",
    stage: "in-decoder",
    mechanism: "transformation",
    needs: ["hidden-states"],
    does: "skips",
    modalities: ["image"],
    trained: false,
    source: "arXiv:2410.09454",
  },
  {
    function: "pruneInSteps",
    name: "PyramidDrop",
    stage: "in-decoder",
    mechanism: "attention",
    needs: ["decoder-attention"],
    does: "selects",
    rowSums: "stochastic",
    modalities: ["image", "video"],
    trained: false,
    source: "arXiv:2410.17247",
  },
  {
    function: "compositeToken",
    name: "ToMe for text-to-image",
    stage: "conditioning",
    mechanism: "transformation",
    needs: ["text"],
    does: "edits",
    modalities: ["text"],
    trained: false,
    source: "arXiv:2411.07132",
  },
  {
    function: "mergeWindows",
    name: "MustDrop, first stage",
    stage: "before-decoder",
    mechanism: "similarity",
    needs: ["features"],
    does: "merges",
    rowSums: "stochastic",
    modalities: ["image"],
    trained: false,
    source: "arXiv:2411.10803",
  },
  {
    function: "selectByFrameGroups",
    name: "DyCoke, first stage",
    stage: "before-decoder",
    mechanism: "similarity",
    needs: ["features"],
    does: "selects",
    rowSums: "stochastic",
    modalities: ["video"],
    trained: false,
    source: "arXiv:2411.15024",
  },
  {
    function: "selectFromRegions",
    name: "ShowUI",
    stage: "before-decoder",
    mechanism: "similarity",
    needs: ["pixels"],
    does: "selects",
    rowSums: "stochastic",
    modalities: ["image"],
    trained: false,
    source: "arXiv:2411.17465",
  },
  {
    function: "selectByAttention",
    name: "FasterVLM",
    stage: "before-decoder",
    mechanism: "attention",
    needs: ["class-attention"],
    does: "selects",
    rowSums: "stochastic",
    modalities: ["image"],
    trained: false,
    source: "arXiv:2412.01818",
  },
  {
    function: "selectSalientAndDistinct",
    name: "VisPruner",
    stage: "before-decoder",
    mechanism: "attention",
    needs: ["class-attention", "features"],
    does: "selects",
    rowSums: "stochastic",
    modalities: ["image"],
    trained: false,
    source: "arXiv:2412.01818",
  },
  {
    function: "mergeHalving",
    name: "AIM, first stage",
    stage: "before-decoder",
    mechanism: "similarity",
    needs: ["features"],
    does: "merges",
    rowSums: "stochastic",
    modalities: ["image", "video"],
    trained: false,
    source: "arXiv:2412.03248",
  },
  {
    function: "pruneByRank",
    name: "AIM, second stage",
    stage: "in-decoder",
    mechanism: "attention",
    needs: ["decoder-attention"],
    does: "selects",
    rowSums: "stochastic",
    modalities: ["image", "video"],
    trained: false,
    source: "arXiv:2412.03248",
  },
  {
    function: "mergeRest",
    name: "VisionZip",
    stage: "before-decoder",
    mechanism: "attention",
    needs: ["class-attention", "keys"],
    does: "merges",
    rowSums: "sum",
    modalities: ["image"],
    trained: false,
    source: "arXiv:2412.04467",
  },
  {
    function: "TemporalAttention",
    name: "PVC",
    stage: "projector",
    mechanism: "attention",
    needs: ["hidden-states"],
    does: "mixes",
    modalities: ["image", "video"],
    trained: true,
    source: "arXiv:2412.09613",
  },
  {
    function: "mergeScenes",
    name: "PruneVid, first stage",
    stage: "before-decoder",
    mechanism: "similarity",
    needs: ["features"],
    does: "merges",
    rowSums: "stochastic",
    modalities: ["video"],
    trained: false,
    source: "arXiv:2412.16117",
  },
  {
    function: "similarityToPoints",
    name: "READ",
    stage: "after-decoder",
    mechanism: "query",
    needs: ["hidden-states"],
    does: "selects",
    modalities: ["image"],
    trained: true,
    source: "arXiv:2412.17741",
  },
  {
    function: "pruneToBudget",
    name: "FrameFusion, second stage",
    stage: "in-decoder",
    mechanism: "attention",
    needs: ["decoder-attention"],
    does: "selects",
    rowSums: "stochastic",
    modalities: ["video"],
    trained: false,
    source: "arXiv:2501.01986",
  },
  {
    function: "mergeRuns",
    name: "FrameFusion, first stage; A-ToMe",
    stage: "before-decoder",
    mechanism: "similarity",
    needs: ["features"],
    does: "merges",
    rowSums: "stochastic",
    modalities: ["video", "audio"],
    trained: false,
    source: "arXiv:2501.01986",
  },
  {
    function: "shareByThumbnail",
    name: "GlobalCom², shares of tiles",
    stage: "before-decoder",
    mechanism: "attention",
    needs: ["class-attention"],
    does: "budgets",
    modalities: ["image"],
    trained: false,
    source: "arXiv:2501.05179",
  },
  {
    function: "selectByThumbnail",
    name: "GlobalCom²",
    stage: "before-decoder",
    mechanism: "attention",
    needs: ["class-attention"],
    does: "selects",
    rowSums: "stochastic",
    modalities: ["image"],
    trained: false,
    source: "arXiv:2501.05179",
  },
  {
    function: "selectDissimilar",
    name: "DART",
    stage: "before-decoder",
    mechanism: "similarity",
    needs: ["features", "text"],
    does: "selects",
    rowSums: "stochastic",
    modalities: ["image", "video"],
    trained: false,
    source: "arXiv:2502.11494",
  },
  {
    function: "selectMaxMin",
    name: "DivPrune",
    stage: "before-decoder",
    mechanism: "similarity",
    needs: ["features"],
    does: "selects",
    rowSums: "stochastic",
    modalities: ["image", "video"],
    trained: false,
    source: "arXiv:2503.02175",
  },
  {
    function: "mergeAroundAnchors",
    name: "FastVID",
    stage: "before-decoder",
    mechanism: "attention",
    needs: ["features", "class-attention"],
    does: "merges",
    rowSums: "stochastic",
    modalities: ["video"],
    trained: false,
    source: "arXiv:2503.11187",
  },
  {
    function: "replaceSpan",
    name: "Follow the Flow",
    stage: "conditioning",
    mechanism: "transformation",
    needs: ["text"],
    does: "edits",
    modalities: ["text"],
    trained: false,
    source: "arXiv:2504.01137",
  },
  {
    function: "projectPooled",
    name: "TokenFLEX",
    stage: "projector",
    mechanism: "transformation",
    needs: ["features"],
    does: "mixes",
    modalities: ["image"],
    trained: true,
    source: "arXiv:2504.03154",
  },
  {
    function: "VisualCache",
    name: "CrossLMM",
    stage: "projector",
    mechanism: "query",
    needs: ["features", "text"],
    does: "mixes",
    modalities: ["video"],
    trained: true,
    source: "arXiv:2505.17020",
  },
  {
    function: "mergeStillAndSalient",
    name: "HoliTom, outer stage",
    stage: "before-decoder",
    mechanism: "attention",
    needs: ["features", "class-attention"],
    does: "merges",
    rowSums: "stochastic",
    modalities: ["video"],
    trained: false,
    source: "arXiv:2505.21334",
  },
  {
    function: "selectDeterminant",
    name: "CDPruner",
    stage: "before-decoder",
    mechanism: "query",
    needs: ["features", "relevance"],
    does: "selects",
    rowSums: "stochastic",
    modalities: ["image", "video"],
    trained: false,
    source: "arXiv:2506.10967",
  },
  {
    function: "mergeConnected",
    name: "LLaVA-Scissor",
    stage: "before-decoder",
    mechanism: "similarity",
    needs: ["features"],
    does: "merges",
    rowSums: "stochastic",
    modalities: ["video"],
    trained: false,
    source: "arXiv:2506.21862",
  },
  {
    function: "selectCovering",
    name: "FLoC",
    stage: "before-decoder",
    mechanism: "similarity",
    needs: ["features"],
    does: "selects",
    rowSums: "stochastic",
    modalities: ["image", "video"],
    trained: false,
    source: "arXiv:2511.00141",
  },
  {
    function: "clusterDensityPeaks",
    name: "DPC-KNN",
    stage: "before-decoder",
    mechanism: "similarity",
    needs: ["features"],
    does: "merges",
    rowSums: "stochastic",
    modalities: ["image", "video"],
    trained: false,
    source: "doi:10.1016/j.knosys.2016.02.001",
  },
  {
    function: "averagePool",
    name: "Adaptive average pooling",
    stage: "before-decoder",
    mechanism: "transformation",
    needs: [],
    does: "merges",
    rowSums: "stochastic",
    modalities: ["image"],
    trained: false,
    source: "PyTorch, AdaptiveAvgPool2d",
  },
  {
    function: "selectChanged",
    name: "Efficient video sampling",
    stage: "before-decoder",
    mechanism: "similarity",
    needs: ["features"],
    does: "selects",
    rowSums: "stochastic",
    modalities: ["video"],
    trained: false,
    source: "vllm-project/vllm, vllm/multimodal/evs.py",
  },
];

/**
 * The methods that need no more than what a model's export gives: `["features"]` for ordinary ones.
 *
 * @returns entries of {@link methods}, in their order.
 */
export function usableMethods(available: readonly Signal[]): MethodInfo[] {
  return methods.filter(({ needs }) => needs.every((signal) => available.includes(signal)));
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
