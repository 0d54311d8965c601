// Writes models/texts.json: what the embedded model answers in Node, greedily and drawn with a seed.
// Tests of other runtimes expect the same ids.
//
//   node --conditions=@frugal/source tooling/oracles/embedded-texts.ts
import { readFileSync, writeFileSync } from "node:fs";

import { generate } from "../../packages/decoding/src/index.ts";
import { loadModel } from "../../packages/runtime-node/src/index.ts";
import { createTokenizer } from "../../packages/tokenizers/src/index.ts";

const folder = new URL("../../models/frugal-tiny/", import.meta.url);
const tokenizer = createTokenizer(readFileSync(new URL("tokenizer.json", folder), "utf8"));
const prompts = [
  "Story: Once upon a time there was a fox named Lily.",
  "The wolf said to the king:",
];
const options = [{ maxTokens: 96 }, { maxTokens: 96, seed: 7, temperature: 0.8, topP: 0.9 }];

const model = await loadModel(folder, { inline: true });
const texts = [];
for (const prompt of prompts) {
  const promptIds = tokenizer.encode(prompt).ids;
  for (const how of options) {
    const sequence = await model.createSequence();
    const ids: number[] = [];
    for await (const event of generate(sequence, promptIds, how)) {
      if (event.type === "token-accepted") ids.push(event.token);
    }
    await sequence.dispose();
    texts.push({ prompt, options: how, promptIds: [...promptIds], ids });
  }
}
await model.dispose();
const lines = texts.map((text) => `    ${JSON.stringify(text)}`).join(",\n");
writeFileSync(
  new URL("../../models/texts.json", import.meta.url),
  `{\n  "model": "frugal-tiny",\n  "texts": [\n${lines}\n  ]\n}\n`,
);
