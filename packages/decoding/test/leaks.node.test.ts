import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import type { AbortLike } from "@frugal/core";
import { expect, test } from "vitest";

import { constantLength, generate } from "../src/index.ts";
import { everyDrafter, vocabSize } from "./every-drafter.ts";
import { hashRule, markovSequence, type MarkovSequence } from "./markov-model.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Bytes in use after a collection, outside of any generation. */
async function bytesInUse(): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve));
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

const rules = [hashRule(vocabSize, 5, 1, 2), hashRule(vocabSize, 5, 1)];
const open = (which: number): MarkovSequence =>
  markovSequence({ vocabSize, rule: rules[which]!, tree: true, eosIds: [] });

test("10,000 generations leave nothing behind", { timeout: 120_000 }, async () => {
  // One drafter of each kind lives through all of them, with its draft model, and so does a signal.
  const small: MarkovSequence[] = [];
  const drafters = Object.values(everyDrafter).map((make) =>
    make(() => small[small.push(open(1)) - 1]!),
  );
  let listeners = 0;
  const signal: AbortLike = {
    aborted: false,
    addEventListener: () => void listeners++,
    removeEventListener: () => void listeners--,
  };
  const sequences: WeakRef<MarkovSequence>[] = [];
  const generations = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      const drafter = drafters[i % drafters.length]!;
      const ids = Uint32Array.of(i % 11, (i >> 3) % 11);
      const settings = { drafter, draftLength: constantLength(3), maxTokens: 6, signal };
      const sequence = open(0);
      sequences.push(new WeakRef(sequence));
      for await (const event of generate(sequence, ids, settings)) {
        // Some consumers leave early.
        if (i % 7 === 0 && event.type === "token-accepted" && event.position === 4) break;
      }
    }
    // The models of the tests write down what is done to them.
    for (const { steps } of small) (steps as unknown[]).length = 0;
  };
  // What grows to a bound, tables of the engine included, gets there first.
  await generations(2000);
  const before = await bytesInUse();
  await generations(10_000);
  const after = await bytesInUse();
  // A drafter may keep its last text; a sequence is never kept.
  const alive = sequences.filter((one) => one.deref() !== undefined).length;
  expect(alive).toBeLessThanOrEqual(drafters.length);
  expect(listeners).toBe(0);
  // A text and the buffers of a sampler take more than two thousand bytes.
  expect((after - before) / 10_000).toBeLessThan(1500);
});
