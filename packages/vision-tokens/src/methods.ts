/** What a method looks at. */
export type Signal = "features" | "keys" | "class-attention" | "relevance" | "text" | "pixels";

/** What is known of a method before it is called. */
export interface MethodInfo {
  /** The export of this package that does it. */
  readonly function: string;
  /** What the paper calls it. */
  readonly name: string;
  /** Where it works. */
  readonly stage: "before-decoder";
  /** What it must be given, features to reduce aside. */
  readonly needs: readonly Signal[];
  /** Whether it leaves rows out, sums them up, or says how many of them to keep. */
  readonly does: "selects" | "merges" | "budgets";
  readonly modality: "image" | "video";
  /** Whether the model must have been trained for it. */
  readonly trained: boolean;
  /** Where it comes from. */
  readonly source: string;
}

/** The methods of this package, in the order of their publication. */
export const methods: readonly MethodInfo[] = [
  {
    function: "mergeBipartite",
    name: "Token Merging",
    stage: "before-decoder",
    needs: ["features"],
    does: "merges",
    modality: "image",
    trained: false,
    source: "arXiv:2210.09461",
  },
  {
    function: "mergeIntoOutliers",
    name: "LLaVA-PruMerge",
    stage: "before-decoder",
    needs: ["class-attention", "keys"],
    does: "merges",
    modality: "image",
    trained: false,
    source: "arXiv:2403.15388",
  },
  {
    function: "selectFromRegions",
    name: "ShowUI",
    stage: "before-decoder",
    needs: ["pixels"],
    does: "selects",
    modality: "image",
    trained: false,
    source: "arXiv:2411.17465",
  },
  {
    function: "selectByFrameGroups",
    name: "DyCoke, first stage",
    stage: "before-decoder",
    needs: ["features"],
    does: "selects",
    modality: "video",
    trained: false,
    source: "arXiv:2411.15024",
  },
  {
    function: "selectByAttention",
    name: "FasterVLM",
    stage: "before-decoder",
    needs: ["class-attention"],
    does: "selects",
    modality: "image",
    trained: false,
    source: "arXiv:2412.01818",
  },
  {
    function: "mergeHalving",
    name: "AIM, first stage",
    stage: "before-decoder",
    needs: ["features"],
    does: "merges",
    modality: "image",
    trained: false,
    source: "arXiv:2412.03248",
  },
  {
    function: "mergeRest",
    name: "VisionZip",
    stage: "before-decoder",
    needs: ["class-attention", "keys"],
    does: "merges",
    modality: "image",
    trained: false,
    source: "arXiv:2412.04467",
  },
  {
    function: "shareByThumbnail",
    name: "GlobalCom²",
    stage: "before-decoder",
    needs: ["class-attention"],
    does: "budgets",
    modality: "image",
    trained: false,
    source: "arXiv:2501.05179",
  },
  {
    function: "selectDissimilar",
    name: "DART",
    stage: "before-decoder",
    needs: ["features", "text"],
    does: "selects",
    modality: "image",
    trained: false,
    source: "arXiv:2502.11494",
  },
  {
    function: "selectMaxMin",
    name: "DivPrune",
    stage: "before-decoder",
    needs: ["features"],
    does: "selects",
    modality: "image",
    trained: false,
    source: "arXiv:2503.02175",
  },
  {
    function: "selectDeterminant",
    name: "CDPruner",
    stage: "before-decoder",
    needs: ["features", "relevance"],
    does: "selects",
    modality: "image",
    trained: false,
    source: "arXiv:2506.10967",
  },
  {
    function: "selectChanged",
    name: "Efficient video sampling",
    stage: "before-decoder",
    needs: ["features"],
    does: "selects",
    modality: "video",
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
