import { InferenceError, type Sequence } from "@frugal/core";
import {
  type AttentionHook,
  createReferenceTransformer,
  type ReferenceConfig,
  tinyConfig,
} from "@frugal/testkit";
import { describe, expect, test } from "vitest";

import { correctingSequence, createRowSelector, tidalDecode } from "../../src/index.ts";

const config: ReferenceConfig = { ...tinyConfig, layers: 4, heads: 4, kvHeads: 2 };
const ids = Uint32Array.from({ length: 60 }, (_, i) => (i * 7 + (i >> 2)) % config.vocabSize);
const policy = tidalDecode({ budget: 6, minLength: 0, selectAt: [1] });

/** The reference under the policy, which heeds `attention: "full"`. */
async function open(sparse: boolean): Promise<Sequence> {
  const told = { full: false };
  const attention = (): AttentionHook => {
    const selector = createRowSelector(policy, config);
    return {
      select: (view) => (told.full ? null : selector.select(view)),
      keep: (slots) => selector.keep(slots),
      fork: () => attention(),
    };
  };
  const options = { chunkRows: 64, ...(sparse && { attention }) };
  const model = createReferenceTransformer({ seed: 5, config }, options);
  return heeding(await model.createSequence(), sparse, told);
}

function heeding(sequence: Sequence, sparse: boolean, told: { full: boolean }): Sequence {
  return {
    info: sequence.info,
    capabilities: sequence.capabilities,
    get length() {
      return sequence.length;
    },
    async step(block, options) {
      told.full = options.attention === "full";
      const output = await sequence.step(block, options);
      return { ...output, sparse: sparse && !told.full };
    },
    keep: (slots) => sequence.keep(slots),
    fork: async () => heeding(await sequence.fork(), sparse, told),
    dispose: () => sequence.dispose(),
  };
}

/** Reads 20 tokens at once, then one at a time; the logits after `count` more. */
async function logitsAfter(sequence: Sequence, count: number): Promise<Float32Array> {
  await sequence.step({ tokens: ids.slice(0, 20) }, { logits: "none", attention: "full" });
  for (let i = 20; i < 20 + count - 1; i++) {
    await sequence.step({ tokens: ids.slice(i, i + 1) }, { logits: "none" });
  }
  const last = { tokens: ids.slice(19 + count, 20 + count) };
  const output = await sequence.step(last, { logits: "last", attention: "full" });
  return output.logits!.data;
}

function distance(a: Float32Array, b: Float32Array): number {
  return Math.sqrt(a.reduce((sum, x, i) => sum + (x - b[i]!) ** 2, 0));
}

describe("correctingSequence", () => {
  test("corrects drifted rows: full attention reads what it would have written itself", async () => {
    const full = await logitsAfter(await open(false), 9);
    const drifted = await logitsAfter(await open(true), 9);
    const corrected = await logitsAfter(correctingSequence(await open(true), 8), 9);
    expect(distance(drifted, full)).toBeGreaterThan(1e-3);
    expect(distance(corrected, full)).toBeLessThan(1e-5);
  });

  test("keeps its tokens through rollbacks, trees and forks", async () => {
    const sequence = correctingSequence(await open(true), 4);
    await sequence.step({ tokens: ids.slice(0, 20) }, { logits: "none", attention: "full" });
    await sequence.step({ tokens: ids.slice(20, 22) }, { logits: "none" });
    // A tree of which the second branch stays.
    const tree = {
      tokens: Uint32Array.of(9, ids[22]!, ids[23]!),
      parents: Int32Array.of(-1, -1, 1),
    };
    await sequence.step(tree, { logits: "none" });
    const path = [...Array(22).keys(), 23, 24];
    await sequence.keep(Uint32Array.from(path));
    const fork = await sequence.fork();
    await sequence.keep(Uint32Array.from({ length: 23 }, (_, i) => i));
    const full = await open(false);
    await full.step({ tokens: ids.slice(0, 24) }, { logits: "none" });
    const next = { tokens: ids.slice(24, 25) };
    const wanted = { logits: "last", attention: "full" } as const;
    const expected = (await full.step(next, wanted)).logits!.data;
    expect(distance((await fork.step(next, wanted)).logits!.data, expected)).toBeLessThan(1e-5);
    // Three tokens are too few to be corrected.
    expect(sequence.length).toBe(23);
    const again = await sequence.step({ tokens: ids.slice(23, 24) }, wanted);
    expect(again.logits!.rows).toBe(1);
  });

  test("a correction that fails ends the sequence", async () => {
    const inner = await open(true);
    const broken = { now: false };
    const sequence = correctingSequence(
      {
        ...inner,
        get length() {
          return inner.length;
        },
        step: (block, options) =>
          broken.now ? Promise.reject(new Error("out of memory")) : inner.step(block, options),
      },
      2,
    );
    await sequence.step({ tokens: ids.slice(0, 20) }, { logits: "none", attention: "full" });
    await sequence.step({ tokens: ids.slice(20, 22) }, { logits: "none" });
    broken.now = true;
    const next = sequence.step({ tokens: ids.slice(22, 23) }, { logits: "none" });
    await expect(next).rejects.toThrow("correction of the cache failed");
    broken.now = false;
    const isState = expect.toSatisfy((error: unknown) => InferenceError.is(error, "state"));
    const later = sequence.step({ tokens: ids.slice(22, 23) }, { logits: "none" });
    await expect(later).rejects.toThrow(isState);
  });

  test("rejects what is no count", async () => {
    const sequence = await open(true);
    expect(() => correctingSequence(sequence, 0)).toThrow("every: expected an integer >= 1, got 0");
  });
});
