import { readFile } from "node:fs/promises";

import { philox } from "@frugal/core";
import {
  createSampler,
  drawFromLaw,
  guessDraw,
  type Law,
  mostProbable,
  probabilityOf,
} from "@frugal/decoding";
import { loadModel } from "@frugal/runtime-node";
import { createTokenizer } from "@frugal/tokenizers";

import { tiny, tinyDraft } from "./models.ts";
import type { Table } from "./results.ts";
import type { Effort } from "./step-cost.ts";

const sampling = { temperature: 0.8, topK: 40 };

/**
 * How often a draft model guesses what the target draws at temperature 0.8, by three rules that
 * know the target's random number; along texts that the target wrote.
 */
export async function measureGuesses({ repetitions }: Effort): Promise<Table[]> {
  const json = await readFile(new URL("../prompts.json", import.meta.url), "utf8");
  const prompts = JSON.parse(json) as Record<string, string[]>;
  const tokenizer = createTokenizer(await readFile(`${tiny}/tokenizer.json`, "utf8"));
  const target = await loadModel(tiny, { inline: true });
  const small = await loadModel(tinyDraft, { inline: true });
  const ours = createSampler(sampling, target.info.vocabSize);
  const theirs = createSampler(sampling, small.info.vocabSize);
  const rows = [];
  for (const kind of ["prose", "story", "chat"]) {
    const sums = { overlap: 0, guessDraw: 0, drawFromLaw: 0, mostProbable: 0 };
    let count = 0;
    for (const [index, prompt] of prompts[kind]!.slice(0, Math.min(8, repetitions)).entries()) {
      const random = philox(index + 1);
      const sequence = await target.createSequence();
      const draft = await small.createSequence();
      let tokens = tokenizer.encode(prompt).ids;
      for (let position = 0; position < 100; position++, count++) {
        const options = { logits: { top: sampling.topK, rows: "last" } } as const;
        const p = ours.law(await sequence.step({ tokens }, options), 0, position);
        const q = theirs.law(await draft.step({ tokens }, options), 0, position);
        const u = random.uniform(position);
        const token = drawFromLaw(p, u);
        sums.overlap += overlap(p, q);
        sums.guessDraw += Number(guessDraw(q, u) === token);
        sums.drawFromLaw += Number(drawFromLaw(q, u) === token);
        sums.mostProbable += Number(mostProbable(q) === token);
        tokens = Uint32Array.of(token);
      }
      await sequence.dispose();
      await draft.dispose();
    }
    const shares = Object.entries(sums).map(([name, sum]) => [name, sum / count]);
    rows.push({ prompts: kind, tokens: count, ...Object.fromEntries(shares) });
  }
  await target.dispose();
  await small.dispose();
  const notes = [
    "Share of tokens guessed right; overlap: the mean of the sum over ids of the smaller of the two " +
      "probabilities. Temperature 0.8, top-k 40, both models in fp32.",
  ];
  return [{ title: "Guesses of a draft model", notes, rows }];
}

function overlap(p: Law, q: Law): number {
  let sum = 0;
  for (let i = 0; i < p.size; i++) {
    sum += Math.min(p.weights[i]! / p.total, probabilityOf(q, p.ids[i]!));
  }
  return sum;
}
