import { landmarkAttention, quest, refreshKv, tidalDecode, tokenSelect } from "@frugal/kv-cache";
import { tinyConfig } from "@frugal/testkit";
import { afterAll, describe, expect, test } from "vitest";

import { writeRandomModel } from "../random-model.ts";
import { chromium, runOnWebgpu } from "./run-on-webgpu.ts";

const short = { budget: 23, minLength: 0, maxRows: 8 } as const;
const policies = [
  tokenSelect({ ...short, sinks: 2, recent: 8, reuse: 0.6 }),
  tidalDecode({ ...short, selectAt: [1] }),
  refreshKv({ ...short, sinks: 2, recent: 3, stride: 3 }),
  quest({ ...short, pageSize: 4, dense: 1 }),
  landmarkAttention({ ...short, blockSize: 11 }),
];

/**
 * What may run beside the device: lengths and conditions, which providers keep on the host anyway, a
 * choice that is handed on as it came, and the table of embeddings.
 */
const onHost = ["Concat", "Equal", "Or", "Identity", "Gather", "Cast"];

describe.skipIf(chromium === undefined)("policies on WebGPU (skipped without a driver)", () => {
  const random = writeRandomModel({ ...tinyConfig, layers: 3, heads: 4, kvHeads: 2 });
  afterAll(async () => (await random).remove());

  test.each(policies)(
    "$kind: the logits of the CPU, every product on the device",
    { timeout: 240_000 },
    async (policy) => {
      const { folder } = await random;
      const script = "compare-policy.ts";
      const { result, nodesOnHost: placed } = await runOnWebgpu(
        script,
        folder,
        JSON.stringify(policy),
      );
      expect((result as { difference: number }).difference).toBeLessThan(1e-4);
      expect(placed.length).toBeGreaterThan(0);
      for (const type of placed) expect(onHost).toContain(type);
    },
  );
});
