import { type DraftHeads, InferenceError, type Matrix } from "@frugal/core";

import { expectRange } from "../sampling/sampling-options.ts";
import type { Draft, Drafter } from "./drafter.ts";
import { medusaChoices } from "./published-choices.ts";
import { flattenTemplate, type RankTemplate } from "./token-recycling-template.ts";

/** Options of {@link medusaDrafter}. */
export interface MedusaOptions {
  /**
   * The tree: `[0, 2]` is the third guess of the second head after the first guess of the first.
   * Default {@link medusaChoices}, as far as there are heads.
   */
  readonly choices?: RankTemplate;
}

/**
 * A drafter that asks heads on the target's last hidden state for the next tokens, one head per
 * token.
 *
 * The guesses of a head are the same after every guess of the one before: the tree is the fixed
 * choice of combinations that are worth a row. Takes the state at the last token in the text before
 * the newest one, which came with the step that verified it, so drafting costs one run of the heads
 * and no pass through a model. Nodes below a stop id are left out. On a target without trees the
 * likeliest path is used, by the heads' own probabilities.
 *
 * Exact with every verifier for guesses; with `typicalAcceptance` it is the method as published.
 *
 * @throws {@link InferenceError} `range` for choices that are no tree or deeper than there are heads;
 *   `unsupported` from `generate` for a target without hidden states; `shape` at the first step for
 *   one of another width.
 * @see Cai et al., arXiv:2401.10774; `docs/algorithms/draft-heads.md`
 */
export function medusaDrafter(heads: DraftHeads, options: MedusaOptions = {}): Drafter {
  const { vocabSize, hiddenSize, count } = heads;
  const choices = options.choices ?? medusaChoices.filter((path) => path.length <= count);
  const { parents, ranks, depths } = flattenTemplate(choices, Math.min(64, vocabSize));
  const k = Math.max(...ranks) + 1;
  const deepest = Math.max(...depths);
  expectRange("choices", deepest, `paths of at most ${count} ranks`, deepest <= count);
  let state: Matrix | null = null;

  return {
    kinds: ["point"],
    trees: true,
    vocabSize,
    wants: { taps: ["final"] },
    observe({ path, taps }) {
      const [states] = taps;
      expectWidth(states!, hiddenSize);
      state = rowOf(states!, path.at(-1)!);
    },
    async propose({ maxTokens, maxDepth, stopIds }): Promise<Draft> {
      if (state === null) return { tokens: new Uint32Array(0), runMs: 0 };
      const { top, runMs } = await heads.guess(state.data, k);
      const placed = new Int32Array(choices.length).fill(-1);
      const nodes: number[] = [];
      const draftParents: number[] = [];
      const token = (node: number): number => top.ids[(depths[node]! - 1) * k + ranks[node]!]!;
      for (let i = 0; i < choices.length && nodes.length < maxTokens; i++) {
        const parent = parents[i]!;
        if (depths[i]! > maxDepth) continue;
        if (parent >= 0 && (placed[parent]! < 0 || stopIds.has(token(parent)))) continue;
        placed[i] = nodes.length;
        draftParents.push(parent < 0 ? -1 : placed[parent]!);
        nodes.push(i);
      }
      const score = (node: number): number => {
        const head = depths[node]! - 1;
        return Math.exp(top.values[head * k + ranks[node]!]! - top.logSumExp[head]!);
      };
      return {
        tokens: Uint32Array.from(nodes, token),
        parents: Int32Array.from(draftParents),
        scores: Float32Array.from(nodes, score),
        runMs,
      };
    },
  };
}

function expectWidth({ cols }: Matrix, hiddenSize: number): void {
  if (cols === hiddenSize) return;
  throw new InferenceError("shape", `target: expected states of ${hiddenSize}, got ${cols}`);
}

/** A copy of one row, so that the others can go. */
function rowOf({ data, cols }: Matrix, row: number): Matrix {
  return { data: data.slice(row * cols, (row + 1) * cols), rows: 1, cols };
}
