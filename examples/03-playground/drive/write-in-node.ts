import { readFileSync } from "node:fs";

import { generate } from "@frugal/decoding";
import { loadModel } from "@frugal/runtime-node";
import { createTokenizer } from "@frugal/tokenizers";

/** What the model writes after each prompt in Node: greedily, without a drafter. */
export async function writeInNode(
  folder: URL,
  prompts: readonly string[],
  maxTokens: number,
): Promise<string[]> {
  const tokenizer = createTokenizer(readFileSync(new URL("tokenizer.json", folder), "utf8"));
  const model = await loadModel(folder);
  const texts: string[] = [];
  for (const prompt of prompts) {
    const sequence = await model.createSequence();
    const text = () => tokenizer.createStream({ skipSpecialTokens: true });
    let written = "";
    for await (const event of generate(sequence, tokenizer.encode(prompt).ids, {
      maxTokens,
      text,
    })) {
      if ("text" in event) written += event.text ?? "";
    }
    texts.push(written);
    await sequence.dispose();
  }
  await model.dispose();
  return texts;
}
