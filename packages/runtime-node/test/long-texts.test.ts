import { readFile } from "node:fs/promises";

import { parseModelConfig } from "@frugal/runtime";
import { expectClose, largestDifference, readSafetensors } from "@frugal/testkit";
import { describe, expect, test } from "vitest";

import { loadModel } from "../src/index.ts";

const folder = new URL("oracles/architectures/phi-3/", import.meta.url);

async function promptsOf() {
  const golden = readSafetensors(await readFile(new URL("golden-long.safetensors", folder)));
  return [0, 1].map((i) => {
    const { data, shape } = golden.tensors.get(`prompt${i}.logits`)!;
    return {
      tokens: Uint32Array.from(golden.integers.get(`prompt${i}.input_ids`)!.data),
      logits: { data, rows: shape[0]!, cols: shape[1]! },
    };
  });
}

describe("texts beyond the original length of LongRoPE", () => {
  test.for([128, 7])("have the logits of transformers, in blocks of %i", async (size) => {
    const model = await loadModel(folder, { inline: true, longTexts: true });
    expect(model.info.maxLength).toBe(128);
    for (const { tokens, logits } of await promptsOf()) {
      const sequence = await model.createSequence();
      const parts: number[] = [];
      for (let at = 0; at < tokens.length; at += size) {
        const block = { tokens: tokens.subarray(at, at + size) };
        parts.push(...(await sequence.step(block, { logits: "all" })).logits!.data);
      }
      expectClose({ ...logits, data: Float32Array.from(parts) }, logits, 2e-4);
      await sequence.dispose();
    }
    await model.dispose();
  });

  test("are refused by default, and read differently", async () => {
    const model = await loadModel(folder, { inline: true });
    expect(model.info.maxLength).toBe(64);
    const [{ tokens, logits }] = (await promptsOf()) as [Awaited<ReturnType<typeof promptsOf>>[0]];
    const sequence = await model.createSequence();
    const short = await sequence.step({ tokens: tokens.subarray(0, 64) }, { logits: "all" });
    const long = { ...logits, rows: 64, data: logits.data.subarray(0, 64 * logits.cols) };
    expect(largestDifference(short.logits!, long)).toBeGreaterThan(0.1);
    const more = sequence.step({ tokens: tokens.subarray(64) }, { logits: "last" });
    await expect(more).rejects.toMatchObject({ code: "range" });
    await model.dispose();
  });

  test("change nothing else", async () => {
    const llama = new URL("../llama-yarn/config.json", folder);
    const json: unknown = JSON.parse(await readFile(llama, "utf8"));
    expect(parseModelConfig(json, undefined, { longTexts: true })).toEqual(parseModelConfig(json));
    const phi: unknown = JSON.parse(await readFile(new URL("config.json", folder), "utf8"));
    const [short, long] = [false, true].map(
      (longTexts) => parseModelConfig(phi, undefined, { longTexts }).attentionKinds[0]!.rotary!,
    );
    expect(short!.scaling).toMatchObject({ kind: "longrope", factors: [1, 1.3] });
    expect(long).toEqual({ ...short, scaling: { ...short!.scaling, factors: [1.5, 4] } });
  });
});
