import type { AttentionPolicy, LanguageModel, Sequence, StepOutput } from "@frugal/core";
import { createReferenceTransformer, type ReferenceConfig, tinyConfig } from "@frugal/testkit";
import { describe, expect, test } from "vitest";

import {
  createRowSelector,
  landmarkAttention,
  quest,
  refreshKv,
  tidalDecode,
  tokenSelect,
} from "../../src/index.ts";
import { randomView } from "./fixtures.ts";

const config: ReferenceConfig = { ...tinyConfig, layers: 4, heads: 4, kvHeads: 2 };
const ids = Uint32Array.from({ length: 40 }, (_, i) => (i * 7 + (i >> 2)) % config.vocabSize);

/** Every kind with a budget for `length` rows, and everything else as sparse as it can be. */
function everyPolicy(budget: number): AttentionPolicy[] {
  const common = { budget, minLength: 0 };
  return [
    tokenSelect({ ...common, sinks: 1, recent: 4, maxRows: 8 }),
    tidalDecode({ ...common, selectAt: [1, 3] }),
    refreshKv({ ...common, sinks: 1, recent: 2, stride: 3 }),
    quest({ ...common, pageSize: 3, dense: 1 }),
    landmarkAttention({ ...common, blockSize: 4 }),
  ];
}

function model(policy: AttentionPolicy | null): LanguageModel {
  const attention = () => createRowSelector(policy!, config);
  return createReferenceTransformer(
    { seed: 5, config },
    policy === null ? { chunkRows: 64 } : { chunkRows: 64, attention },
  );
}

/** Reads a prompt and then one token at a time; the logits of those. */
async function decode(sequence: Sequence, from = 24): Promise<Float32Array[]> {
  await sequence.step({ tokens: ids.subarray(0, from) }, { logits: "none" });
  const rows: Float32Array[] = [];
  for (let i = from; i < ids.length; i++) rows.push(logitsOf(await step(sequence, [ids[i]!])));
  return rows;
}

function step(sequence: Sequence, tokens: number[], parents?: number[]): Promise<StepOutput> {
  const tree = parents === undefined ? {} : { parents: Int32Array.from(parents) };
  return sequence.step({ tokens: Uint32Array.from(tokens), ...tree }, { logits: "last" });
}

function logitsOf(output: StepOutput): Float32Array {
  return output.logits!.data;
}

/** Attends to everything with the weights of landmarks. */
const dense = landmarkAttention({ budget: 4096, blockSize: 4 });

describe.each(everyPolicy(11).map((policy) => [policy.kind, policy] as const))(
  "%s",
  (kind, policy) => {
    const whole = kind === "landmark" ? dense : null;

    test("with room for every row equals attending to everything, exactly", async () => {
      const roomy = everyPolicy(40).find((other) => other.kind === kind)!;
      const [sparse, full] = [model(roomy), model(whole)];
      const [a, b] = [await sparse.createSequence(), await full.createSequence()];
      expect(await decode(a)).toEqual(await decode(b));
    });

    test("with room for fewer differs, in numbers that are numbers", async () => {
      const [a, b] = [await model(policy).createSequence(), await model(whole).createSequence()];
      const [sparse, full] = [await decode(a), await decode(b)];
      expect(sparse).not.toEqual(full);
      for (const row of sparse) expect(row.every(Number.isFinite)).toBe(true);
    });

    test("runs from an empty cache and from one row", async () => {
      const sequence = await model(policy).createSequence();
      const full = await model(whole).createSequence();
      for (const id of [3, 4, 5]) {
        expect(logitsOf(await step(sequence, [id]))).toEqual(logitsOf(await step(full, [id])));
      }
    });

    test("a rolled back step leaves nothing behind", async () => {
      const [a, b] = [await model(policy).createSequence(), await model(policy).createSequence()];
      for (const sequence of [a, b]) {
        await sequence.step({ tokens: ids.subarray(0, 24) }, { logits: "none" });
      }
      // The page and block policies choose by what is cached alone.
      const isPure = kind !== "token-select" && kind !== "refresh-kv";
      for (let i = 24; i < 40; i++) {
        if (isPure) {
          await step(a, [9, 8, 7], kind === "landmark" ? undefined : [-1, -1, 0]);
          await a.keep(Uint32Array.from({ length: i }, (_, slot) => slot));
        }
        expect(logitsOf(await step(a, [ids[i]!]))).toEqual(logitsOf(await step(b, [ids[i]!])));
      }
    });

    test("a fork goes on like the original", async () => {
      const sequence = await model(policy).createSequence();
      await sequence.step({ tokens: ids.subarray(0, 24) }, { logits: "none" });
      await step(sequence, [ids[24]!]);
      const fork = await sequence.fork();
      for (let i = 25; i < 40; i++) {
        const [a, b] = [await step(sequence, [ids[i]!]), await step(fork, [ids[i]!])];
        expect(logitsOf(a)).toEqual(logitsOf(b));
      }
    });

    test("selects ascending, distinct slots of the cache, also of scores without an order", () => {
      for (const value of [Number.NaN, -Infinity, Infinity, 0]) {
        const selector = createRowSelector(policy, config);
        for (let length = 0; length < 40; length++) {
          for (let layer = 0; layer < config.layers; layer++) {
            const shape = { layers: 4, heads: 4, kvHeads: 2, headDim: 8 };
            const view = randomView(length, length, { layer, shape });
            const keys = view.keys.map((key, i) => (i % 5 === 0 ? value : key));
            const selected = selector.select({ ...view, keys });
            if (selected === null) continue;
            for (const rows of selected instanceof Uint32Array ? [selected] : selected) {
              expect(rows.length).toBeLessThanOrEqual(policy.budget);
              for (let i = 0; i < rows.length; i++) {
                expect(rows[i]).toBeLessThan(length);
                expect(i === 0 || rows[i]! > rows[i - 1]!).toBe(true);
              }
            }
          }
        }
      }
    });
  },
);
