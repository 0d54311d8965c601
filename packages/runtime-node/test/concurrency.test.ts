import { InferenceError, type LanguageModel } from "@frugal/core";
import { createReferenceTransformer, expectClose, seededRandom, tinyConfig } from "@frugal/testkit";
import { afterAll, describe, expect, test } from "vitest";

import { loadModel } from "../src/index.ts";
import { writeRandomModel } from "./random-model.ts";

const random = await writeRandomModel(tinyConfig);
afterAll(random.remove);

describe.for([
  ["on this thread", true],
  ["in a worker", false],
] as const)("sequences %s", ([, inline]) => {
  test("keep their inputs apart when their steps overlap", async () => {
    const model = await loadModel(random.folder, { inline });
    const reference = createReferenceTransformer({ config: tinyConfig, seed: 1 });
    const draws = seededRandom(5);
    const texts = Array.from({ length: 8 }, () => draws.tokens(6, tinyConfig.vocabSize));
    const actual = await Promise.all(texts.map((text) => wordByWord(model, text)));
    for (const [i, text] of texts.entries()) {
      expectClose(actual[i]!, await wordByWord(reference, text), 1e-4);
    }
    await model.dispose();
  });

  test("end with `state` when the model is disposed under a running step", async () => {
    const model = await loadModel(random.folder, { inline });
    const sequence = await model.createSequence();
    const outcome = sequence.step({ tokens: new Uint32Array(100) }, { logits: "last" }).then(
      () => "finished",
      (error: unknown) => (InferenceError.is(error) ? error.code : error),
    );
    await model.dispose();
    // Another thread may have finished the step before it heard of the end.
    expect(inline ? ["state"] : ["state", "finished"]).toContain(await outcome);
    await sequence.dispose();
  });
});

async function wordByWord(model: LanguageModel, text: Uint32Array) {
  const sequence = await model.createSequence();
  for (let i = 0; i < text.length - 1; i++) {
    await sequence.step({ tokens: text.subarray(i, i + 1) }, { logits: "none" });
  }
  return (await sequence.step({ tokens: text.subarray(-1) }, { logits: "last" })).logits!;
}
