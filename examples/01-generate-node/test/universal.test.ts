import { readFileSync } from "node:fs";

import type { Sequence } from "@frugal/core";
import {
  constantLength,
  type Drafter,
  draftModel,
  generate,
  sharedVocabulary,
  textDraftModel,
} from "@frugal/decoding";
import { loadModel } from "@frugal/runtime-node";
import { createTokenizer } from "@frugal/tokenizers";
import { expect, test } from "vitest";

const root = new URL("../../../", import.meta.url);

test("drafting through a tokenizer drafts what drafting by ids does, if it is the same one", async () => {
  const path = new URL("models/frugal-tiny/tokenizer.json", root);
  const tokenizer = createTokenizer(readFileSync(path, "utf8"));
  const target = await loadModel(new URL("models/frugal-tiny", root), { inline: true });
  const small = await loadModel(new URL("models/frugal-tiny-draft", root), { inline: true });
  const tokenizers = { draft: tokenizer, target: tokenizer };
  const { vocabSize } = target.info;
  const ways: ((sequence: Sequence) => Drafter)[] = [
    (sequence) => draftModel(sequence),
    (sequence) => draftModel(sharedVocabulary(sequence, { ...tokenizers, vocabSize })),
    (sequence) => textDraftModel(sequence, tokenizers),
  ];
  const results = [];
  for (const make of ways) {
    const sequence = await target.createSequence();
    const generation = generate(sequence, tokenizer.encode("The fisherman said that").ids, {
      drafter: make(await small.createSequence()),
      draftLength: constantLength(4),
      maxTokens: 40,
    });
    const tokens: number[] = [];
    for await (const event of generation) {
      if (event.type === "token-accepted") tokens.push(event.token);
    }
    const { drafted, accepted } = generation.stats;
    results.push({ text: tokenizer.decode(tokens), drafted, accepted });
  }
  await target.dispose();
  await small.dispose();
  expect(results[0]!.accepted).toBeGreaterThan(5);
  expect(results.slice(1)).toEqual([results[0], results[0]]);
});
