import type { Block, LanguageModel, Sequence } from "@frugal/core";
import { createReferenceTransformer, tinyConfig } from "@frugal/testkit";
import { expect, test } from "vitest";

import { selfTest } from "../src/index.ts";

const model = createReferenceTransformer({ config: { ...tinyConfig, vocabSize: 64 }, seed: 4 });

/** The model, except that blocks are changed on their way in. */
function withBlocks(change: (block: Block) => Block, base: LanguageModel = model): LanguageModel {
  return {
    info: base.info,
    capabilities: base.capabilities,
    dispose: () => base.dispose(),
    createSequence: async (): Promise<Sequence> => {
      const sequence = await base.createSequence();
      return {
        info: base.info,
        capabilities: base.capabilities,
        length: 0,
        step: (block, options) => sequence.step(change(block), options),
        keep: (positions) => sequence.keep(positions),
        fork: () => sequence.fork(),
        dispose: () => sequence.dispose(),
      };
    },
  };
}

test("accepts a model that honours trees", async () => {
  await expect(selfTest(withBlocks((block) => block))).resolves.toBeUndefined();
});

// What providers have been seen to do without an error.
test("finds a model that takes positions from rows", async () => {
  const ignoring = withBlocks((block) => ({
    ...block,
    positions: Int32Array.from(block.tokens!, (_, i) => i),
  }));
  await expect(selfTest(ignoring)).rejects.toThrow(/self-test: a child .* disagree/);
});

test("finds a model that ignores the mask", async () => {
  const ignoring = withBlocks(({ tokens }) => ({ tokens: tokens! }));
  await expect(selfTest(ignoring)).rejects.toThrow(/self-test/);
});

test("works on hidden states where a model takes no tokens", async () => {
  const config = { ...tinyConfig, vocabSize: 64 };
  const upper = createReferenceTransformer({ config, seed: 4 }, { layers: [1, 2] });
  await expect(selfTest(upper)).resolves.toBeUndefined();
  const chained = withBlocks(({ embeddings }) => ({ embeddings: embeddings! }), upper);
  await expect(selfTest(chained)).rejects.toThrow(/self-test/);
});

test("finds NaN", async () => {
  const { hiddenSize } = model.info;
  const broken = withBlocks(({ tokens, ...rest }) => {
    const rows = tokens!.length;
    const data = new Float32Array(rows * hiddenSize).fill(Number.NaN);
    return { ...rest, embeddings: { data, rows, cols: hiddenSize } };
  });
  await expect(selfTest(broken)).rejects.toThrow(/disagree by NaN/);
});
