import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { landmarkAttention, quest, refreshKv, tidalDecode, tokenSelect } from "@frugal/kv-cache";
import { tinyConfig } from "@frugal/testkit";
import { afterAll, describe, expect, test } from "vitest";

import { writeRandomModel } from "../random-model.ts";

const run = promisify(execFile);

/** The folder of a Chromium that brings a software driver for Vulkan. */
const chromium = [
  ...(process.env["CHROMIUM"] ? [dirname(process.env["CHROMIUM"])] : []),
  "/usr/lib/chromium",
].find((folder) => existsSync(join(folder, "vk_swiftshader_icd.json")));

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
const onHost = ["Concat", "Or", "Identity", "Gather", "Cast"];

describe.skipIf(chromium === undefined)("policies on WebGPU (skipped without a driver)", () => {
  const random = writeRandomModel({ ...tinyConfig, layers: 3, heads: 4, kvHeads: 2 });
  afterAll(async () => (await random).remove());

  test.each(policies)(
    "$kind: the logits of the CPU, every product on the device",
    { timeout: 240_000 },
    async (policy) => {
      const script = fileURLToPath(new URL("compare-policy.ts", import.meta.url));
      const { folder } = await random;
      const { stdout, stderr } = await run(
        process.execPath,
        ["--conditions=@frugal/source", script, folder, JSON.stringify(policy)],
        {
          maxBuffer: 2 ** 28,
          env: {
            ...process.env,
            VK_DRIVER_FILES: join(chromium!, "vk_swiftshader_icd.json"),
            LD_LIBRARY_PATH: [chromium!, process.env["LD_LIBRARY_PATH"] ?? ""].join(delimiter),
          },
        },
      );
      expect(JSON.parse(stdout.trim().split("\n").at(-1)!).difference).toBeLessThan(1e-4);
      const placed = nodesOnHost(stderr + stdout);
      expect(placed.length).toBeGreaterThan(0);
      for (const type of placed) expect(onHost).toContain(type);
    },
  );
});

/** Types of the nodes that ONNX Runtime says it placed on the CPU. */
function nodesOnHost(log: string): string[] {
  const lines = log.split("\n").filter((line) => line.includes("VerifyEachNodeIsAssignedToAnEp"));
  const types: string[] = [];
  let isHost = false;
  for (const line of lines) {
    if (line.includes("placed on [")) isHost = line.includes("[CPUExecutionProvider]");
    const node = /\]\s+(\w+) \(/.exec(line);
    if (isHost && node !== null) types.push(node[1]!);
  }
  return types;
}
