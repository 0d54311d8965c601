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
        ...around(sequence),
        step: (block, options) => sequence.step(change(block), options),
      };
    },
  };
}

/** A sequence without its step. */
function around(sequence: Sequence): Omit<Sequence, "step"> {
  const { info, capabilities } = sequence;
  return {
    info,
    capabilities,
    length: 0,
    keep: (positions) => sequence.keep(positions),
    fork: () => sequence.fork(),
    dispose: () => sequence.dispose(),
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

test("finds a model that forgets its cache", async () => {
  const forgetful: LanguageModel = {
    info: model.info,
    capabilities: model.capabilities,
    dispose: () => model.dispose(),
    createSequence: async () => {
      const sequence = await model.createSequence();
      return {
        ...around(sequence),
        step: async (block, options) => {
          const output = await sequence.step(block, options);
          await sequence.keep(new Uint32Array(0));
          return output;
        },
      };
    },
  };
  await expect(selfTest(forgetful)).rejects.toThrow(/self-test: a .* cached root/);
});

test("finds a model that reads long blocks in another way, where that is asked for", async () => {
  await expect(selfTest(model, 64)).resolves.toBeUndefined();
  const forgetting = withBlocks((block) => {
    if (block.tokens!.length < 32) return block;
    return { ...block, tokens: block.tokens!.map((id, row) => (row === 4 ? 0 : id)) };
  });
  await expect(selfTest(forgetting)).resolves.toBeUndefined();
  await expect(selfTest(forgetting, 64)).rejects.toThrow("a block and its parts disagree");
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
