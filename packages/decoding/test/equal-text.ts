import { philox } from "@frugal/core";
import { expect } from "vitest";

import { constantLength, type Drafter } from "../src/index.ts";
import { hashRule, markovSequence, type MarkovOptions } from "./markov-model.ts";
import { run } from "./run.ts";

/**
 * Generates with and without drafts, for random seeds, prompts, temperatures and draft lengths, and
 * expects the same text; how many drafted tokens were accepted. `make` is called once per text, or
 * returns the same drafter again to see it carry on.
 */
export async function expectEqualTexts(
  make: () => Drafter,
  runs = 60,
  model: Partial<MarkovOptions> = {},
): Promise<number> {
  const random = philox(77);
  const vocabSize = model.vocabSize ?? 12;
  const target = () =>
    markovSequence({ vocabSize, rule: hashRule(vocabSize, 5, 2), eosIds: [11], ...model });
  let accepted = 0;
  for (let i = 0; i < runs; i++) {
    const pick = (index: number, end: number) => Math.floor(end * random.uniform(i, 0, index));
    const prompt = Array.from({ length: 1 + pick(0, 12) }, (_, j) => pick(10 + j, vocabSize - 1));
    const options = {
      seed: pick(1, 1000),
      temperature: [0, 0.4, 1][pick(2, 3)]!,
      maxTokens: 1 + pick(3, 60),
      repetitionPenalty: [1, 1.2][pick(4, 2)]!,
    };
    const plain = await run(target(), prompt, options);
    const sequence = target();
    const drafted = await run(sequence, prompt, {
      ...options,
      drafter: make(),
      draftLength: constantLength(pick(5, 9)),
    });
    expect(drafted.tokens).toEqual(plain.tokens);
    expect(drafted.last.reason).toBe(plain.last.reason);
    expect(sequence.cached).toEqual([...prompt, ...plain.tokens].slice(0, -1));
    accepted += drafted.last.stats.accepted;
  }
  return accepted;
}
