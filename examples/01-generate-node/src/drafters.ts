import {
  type Drafter,
  ngramCache,
  promptLookup,
  suffixDrafter,
  tokenRecycling,
  trigramMcts,
  TrigramTable,
} from "@frugal/decoding";

/** Makes a drafter for a vocabulary and a prompt. */
type MakeDrafter = (vocabSize: number, prompt: Uint32Array) => Drafter;

/** The drafters that need no second model, by the names of `--draft`. */
export const modelFreeDrafters = {
  lookup: () => promptLookup(),
  suffix: () => suffixDrafter(),
  ngram: () => ngramCache(),
  recycling: (vocabSize) => tokenRecycling({ vocabSize }),
  aded: (_, prompt) => trigramMcts({ table: TrigramTable.fromTexts([prompt]) }),
} satisfies Record<string, MakeDrafter>;

/** Name of a drafter without a model. */
export type ModelFreeName = keyof typeof modelFreeDrafters;

/** The same with one signature for all. */
export function createModelFree(
  name: ModelFreeName,
  vocabSize: number,
  prompt: Uint32Array,
): Drafter {
  const make: MakeDrafter = modelFreeDrafters[name];
  return make(vocabSize, prompt);
}

/** Whether a draft comes without a model. */
export function isModelFree(name: string): name is ModelFreeName {
  return Object.hasOwn(modelFreeDrafters, name);
}
