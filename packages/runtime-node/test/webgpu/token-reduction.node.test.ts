import type { TokenReduction } from "@frugal/runtime";
import { afterAll, describe, expect, test } from "vitest";

import { writeRandomVision } from "../random-vision.ts";
import { chromium, runOnWebgpu } from "./run-on-webgpu.ts";

const first = [4, 0, 0, 0];
const reductions: readonly (readonly [TokenReduction, readonly string[]])[] = [
  [{ method: "tome", perLayer: first }, []],
  [{ method: "pyra", perLayer: first }, []],
  [{ method: "diffrate", prune: [30, 37, 37, 37], merge: [26, 37, 37, 37] }, []],
  [{ method: "expedit", from: 1, to: 3, clusters: [3, 3], neighbours: 4 }, []],
  [{ method: "sit", before: [1] }, []],
  // The list of patches comes from the host.
  [{ method: "select" }, ["Unsqueeze"]],
];

describe.skipIf(chromium === undefined)("reductions on WebGPU (skipped without a driver)", () => {
  const vision = writeRandomVision((tensors, add) => {
    // Patches that look the same are the same: ties that are exact.
    tensors.get("embeddings.position_embeddings")!.data.fill(0, 32);
    add("encoder.layer.0.pyra_a", 4, 1);
    add("encoder.layer.0.pyra_b", 1, 32);
    add("encoder.layer.0.pyra_norm.weight", 32);
    add("encoder.layer.0.pyra_norm.bias", 32);
    for (const [name, ...shape] of [
      ["0.weight", 32],
      ["0.bias", 32],
      ["1.weight", 16, 32],
      ["1.bias", 16],
      ["3.weight", 9, 16],
      ["3.bias", 9],
    ] as const) {
      add(`tsm.0.weight.${name}`, ...shape);
    }
    add("tsm.0.scale", 1, 1, 1);
  });
  afterAll(async () => (await vision).remove());

  test.for(reductions)(
    "%o: the rows of the CPU, nothing of the reduction on the host",
    { timeout: 240_000 },
    async ([reduce, onHost]) => {
      const { folder } = await vision;
      const { result, nodesOnHost } = await runOnWebgpu(
        "compare-reduction.ts",
        folder,
        JSON.stringify(reduce),
      );
      const { difference, isSame } = result as { difference: number; isSame: boolean };
      expect(difference).toBeLessThan(1e-4);
      expect(isSame).toBe(true);
      expect(nodesOnHost).toEqual(onHost);
    },
  );
});
