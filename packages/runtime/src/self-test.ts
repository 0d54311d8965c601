import { InferenceError, type LanguageModel } from "@frugal/core";

/**
 * Proves on the device in use that a tree is computed as its paths are: one root with two children
 * in one block against the two chains.
 *
 * Providers differ in what they honour (positions, masks), some of them silently, so this is
 * measured when a model is loaded and not assumed from a version number. Cost: three short runs.
 *
 * @throws {@link InferenceError} `backend` with the difference, if the logits disagree by more than
 *   a thousandth of their range.
 */
export async function selfTest(model: LanguageModel): Promise<void> {
  const { vocabSize } = model.info;
  const [root, first, second] = [0, 1 % vocabSize, 2 % vocabSize] as const;
  const tree = await logitsOf(model, [root, first, second], Int32Array.of(-1, 0, 0));
  for (const [child, row] of [
    [first, 1],
    [second, 2],
  ] as const) {
    const chain = await logitsOf(model, [root, child]);
    const expected = chain.subarray(vocabSize);
    const actual = tree.subarray(row * vocabSize, (row + 1) * vocabSize);
    let range = 1;
    let worst = 0;
    for (let i = 0; i < vocabSize; i++) {
      range = Math.max(range, Math.abs(expected[i]!));
      const difference = Math.abs(actual[i]! - expected[i]!);
      if (!(difference <= worst)) worst = difference;
    }
    if (!(worst <= range * 1e-3)) {
      throw new InferenceError(
        "backend",
        `self-test: a tree and its path disagree by ${worst} in logits of up to ${range}`,
      );
    }
  }
}

async function logitsOf(
  model: LanguageModel,
  tokens: readonly number[],
  parents?: Int32Array,
): Promise<Float32Array> {
  const sequence = await model.createSequence();
  try {
    const block = { tokens: Uint32Array.from(tokens), ...(parents && { parents }) };
    const { logits } = await sequence.step(block, { logits: "all" });
    return logits!.data;
  } finally {
    await sequence.dispose();
  }
}
