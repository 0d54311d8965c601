import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import type { Matrix } from "@frugal/core";
import { measureImportance, type QuantizeOptions, readModelFolder } from "@frugal/runtime";
import { loadReferenceWeights, createReferenceTransformer, expectClose } from "@frugal/testkit";
import { afterAll, expect, test } from "vitest";

import { FolderFiles, loadModel } from "../src/index.ts";
import { goldenTexts, tinyFolder } from "./tiny-models.ts";

const folder = tinyFolder("frugal-tiny");
const cacheFolder = await mkdtemp(join(tmpdir(), "frugal-test-"));
afterAll(() => rm(cacheFolder, { recursive: true }));

/** Importance by the first two texts. */
async function measure(name: Parameters<typeof tinyFolder>[0]) {
  const files = new FolderFiles(fileURLToPath(tinyFolder(name)));
  const { config, weights } = await readModelFolder(files);
  const model = await loadModel(tinyFolder(name), { inline: true });
  const importance = await measureImportance(
    model,
    config,
    weights,
    ({ location, offset, length }) => files.read(location, offset, length),
    goldenTexts().slice(0, 2),
  );
  await model.dispose();
  return { config, importance };
}

/** Logits of the last text, which importance was not measured on. */
async function logitsOf(quantize: "none" | QuantizeOptions): Promise<Matrix> {
  const model = await loadModel(folder, { inline: true, quantize, accuracyLevel: 1, cacheFolder });
  const sequence = await model.createSequence();
  const { logits } = await sequence.step({ tokens: goldenTexts()[2]! }, { logits: "all" });
  await model.dispose();
  return logits!;
}

function rootMeanSquare(a: Matrix, b: Matrix): number {
  return Math.sqrt(a.data.reduce((sum, x, i) => sum + (x - b.data[i]!) ** 2, 0) / a.data.length);
}

test(
  "4 bits lose less by searched scales, with importance or without",
  { timeout: 60_000 },
  async () => {
    const { importance } = await measure("frugal-tiny");
    const exact = await logitsOf("none");
    const errors: Record<string, number> = {};
    for (const [name, given] of Object.entries({
      nearest: undefined,
      searched: new Map<string, Float32Array>(),
      measured: importance,
    })) {
      const options = { bits: 4, headBits: 4, ...(given && { importance: given }) } as const;
      errors[name] = rootMeanSquare(await logitsOf(options), exact);
    }
    if (process.env["MEASURE"] !== undefined) console.log(errors);
    expect(errors["searched"]).toBeLessThan(errors["nearest"]!);
    expect(errors["measured"]).toBeLessThan(errors["nearest"]!);
  },
);

test("the head's importance is what the reference feeds it", { timeout: 60_000 }, async () => {
  const { config, importance } = await measure("frugal-tiny-draft");
  const small = tinyFolder("frugal-tiny-draft");
  const reference = createReferenceTransformer(
    loadReferenceWeights(
      await readFile(new URL("config.json", small), "utf8"),
      await readFile(new URL("model.safetensors", small)),
    ),
  );
  const expected = new Float64Array(config.hiddenSize);
  let rows = 0;
  for (const tokens of goldenTexts().slice(0, 2)) {
    const sequence = await reference.createSequence();
    const { taps } = await sequence.step({ tokens }, { logits: "none", taps: [config.layers] });
    rows += tokens.length;
    for (let row = 0; row < tokens.length; row++) {
      const state = taps[0]!.data.subarray(row * config.hiddenSize, (row + 1) * config.hiddenSize);
      const square = state.reduce((sum, x) => sum + x * x, 0) / config.hiddenSize;
      for (const [c, x] of state.entries()) expected[c]! += (x * x) / (square + 1e-6);
    }
  }
  // The scale of the norm is the same factor everywhere; what it multiplies is compared.
  const files = new FolderFiles(fileURLToPath(small));
  const { weights } = await readModelFolder(files);
  const { offset, length, location, dtype } = weights.get("model.norm.weight")!;
  const bytes = (await files.read(location, offset, length)).slice();
  expect(dtype).toBe("BF16");
  const scale = Float32Array.from(new Uint16Array(bytes.buffer), (bits) => {
    return new Float32Array(Uint32Array.of(bits << 16).buffer)[0]!;
  });
  const data = Float32Array.from(expected, (sum, c) => (sum / rows) * scale[c]! ** 2);
  const head = importance.get("model.embed_tokens")!;
  const largest = Math.max(...data);
  const row = (values: Float32Array): Matrix => ({ data: values, rows: 1, cols: values.length });
  expectClose(row(head), row(data), 1e-4 * largest);
  expect([...importance.keys()].filter((name) => name.includes("q_proj"))).toHaveLength(
    config.layers,
  );
});
