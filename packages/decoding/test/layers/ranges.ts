import type { LanguageModel, Sequence, SequenceOptions } from "@frugal/core";
import {
  createReferenceTransformer,
  type LayerRange,
  randomWeights,
  type ReferenceConfig,
  tinyConfig,
} from "@frugal/testkit";

import { splitSequence } from "../../src/index.ts";

/** Six layers, so that there is something to split. */
export const config: ReferenceConfig = { ...tinyConfig, layers: 6, eosIds: [] };

/** A random model, and the same with only some of its layers. */
export function randomModel(
  seed: number,
  shape: ReferenceConfig = config,
): (layers?: LayerRange) => LanguageModel {
  const weights = { config: shape, tensors: randomWeights(shape, seed) };
  return (layers) =>
    createReferenceTransformer(weights, { chunkRows: 5, ...(layers && { layers }) });
}

/** The model whose sequences are joined, by default split sequences, over those of `ranges`. */
export function splitModel(
  ranges: readonly LanguageModel[],
  join: (sequences: readonly Sequence[]) => Sequence | Promise<Sequence> = splitSequence,
): LanguageModel {
  const createSequence = async (options?: SequenceOptions): Promise<Sequence> =>
    join(await Promise.all(ranges.map((range) => range.createSequence(options))));
  const [first, last] = [ranges[0]!, ranges.at(-1)!];
  return {
    info: {
      ...last.info,
      layers: ranges.reduce((sum, { info }) => sum + info.layers, 0),
      parameters: ranges.reduce((sum, { info }) => sum + info.parameters, 0),
    },
    capabilities: first.capabilities,
    createSequence,
    dispose: async () => {
      for (const range of ranges) await range.dispose();
    },
  };
}

/** A sequence that writes down how many rows each of its steps had. */
export interface CountedSequence extends Sequence {
  /** Rows of every step so far. */
  readonly steps: readonly number[];
}

/** Counts what runs through a sequence. */
export function counted(sequence: Sequence): CountedSequence {
  const steps: number[] = [];
  return {
    info: sequence.info,
    capabilities: sequence.capabilities,
    steps,
    get length() {
      return sequence.length;
    },
    async step(block, options) {
      const output = await sequence.step(block, options);
      steps.push(block.tokens?.length ?? block.embeddings!.rows);
      return output;
    },
    keep: (slots) => sequence.keep(slots),
    fork: () => sequence.fork(),
    dispose: () => sequence.dispose(),
  };
}

/** A {@link counted} new sequence. */
export async function openCounted(model: LanguageModel): Promise<CountedSequence> {
  return counted(await model.createSequence());
}

/** Sum of a list. */
export function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
