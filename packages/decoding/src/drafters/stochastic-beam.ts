import type { CachePolicy, Sequence } from "@frugal/core";

import { expectRange } from "../sampling/sampling-options.ts";
import type { Drafter } from "./drafter.ts";
import { DrawnTree } from "./drawn-tree.ts";
import { createFollower } from "./follower.ts";
import { expectOpenTree } from "./template-tree.ts";

/** Options of {@link rsdStochasticBeam}. */
export interface StochasticBeamOptions {
  /** Tokens per level, in [1, 64]. */
  readonly width: number;
  /** Levels, in [1, 64]. */
  readonly depth: number;
  /** What the draft model's own cache keeps. Default: everything, until its context is full. */
  readonly cache?: CachePolicy;
}

/** A node of the beam, or a candidate for it. */
interface Beam {
  readonly node: number;
  readonly token: number;
  /** Log-probability of the path under the draft model. */
  readonly logProbability: number;
  /** The same plus Gumbel noise, such that a parent's value is the largest of its children's. */
  readonly perturbed: number;
}

/**
 * A drafter of trees that hold, on every level, `width` different paths sampled without replacement
 * from the draft model; for `recursiveRejection`.
 *
 * Every candidate path has the value `log-probability + Gumbel noise`, conditioned on the largest
 * among siblings being the parent's value, and the `width` largest of a level stay: those are draws
 * without replacement of whole paths, so that the width goes where it is likely to be used. Siblings
 * are in descending order, which is the order of drawing. Nodes whose children were all dropped stay
 * as leaves. The sequence must be empty at first use and take trees that grow.
 *
 * Cost: one step of the draft model per level, each row once; two logarithms and a random number for
 * every id of every law, so laws are better truncated first.
 *
 * @throws {@link InferenceError} `range` for an option outside its interval; `unsupported` for a
 *   draft model without `openTree`.
 * @see Jeon et al., arXiv:2402.14160, RSD-S; Kool et al., arXiv:1903.06059;
 *   `docs/algorithms/drawn-trees.md`
 */
export function rsdStochasticBeam(sequence: Sequence, options: StochasticBeamOptions): Drafter {
  const { width, depth, cache = null } = options;
  const isCount = (count: number): boolean => Number.isInteger(count) && count >= 1 && count <= 64;
  expectRange("width", width, "an integer in [1, 64]", isCount(width));
  expectRange("depth", depth, "an integer in [1, 64]", isCount(depth));
  expectOpenTree(sequence);
  const follower = createFollower(sequence, cache);
  return {
    kinds: ["distinct"],
    trees: true,
    vocabSize: sequence.info.vocabSize,
    async propose(context) {
      const tree = await DrawnTree.plant(sequence, follower, context, width * depth);
      let beams: Beam[] = tree.canGrow(-1)
        ? [{ node: -1, token: -1, logProbability: 0, perturbed: 0 }]
        : [];
      for (let level = 0; level < depth && beams.length > 0 && !tree.isFull; level++) {
        if (level > 0) {
          if (sequence.length + beams.length > sequence.info.maxLength) break;
          await tree.open(beams.map(({ node }) => node));
        }
        const candidates = beams.flatMap((beam) => childrenOf(tree, beam));
        candidates.sort(
          (a, b) => b.perturbed - a.perturbed || a.node - b.node || a.token - b.token,
        );
        const left = context.maxTokens - tree.tokens.length;
        const kept = candidates.slice(0, Math.min(width, left));
        beams = kept.map((beam) => ({ ...beam, node: tree.add(beam.node, beam.token) }));
        beams = beams.filter(({ node }) => tree.canGrow(node));
      }
      return tree.toDraft();
    },
  };
}

/** All tokens after a node, with values whose largest is the node's own. */
function childrenOf(tree: DrawnTree, { node, logProbability, perturbed }: Beam): Beam[] {
  const { ids, weights, size, total } = tree.lawAfter(node);
  const children: Beam[] = [];
  let largest = -Infinity;
  for (let i = 0; i < size; i++) {
    // Noise for every id, drawable or not, would only cost; what has no mass is no candidate.
    if (!(weights[i]! > 0)) continue;
    const own = logProbability + Math.log(weights[i]! / total);
    const raw = own - Math.log(-Math.log(tree.uniform()));
    largest = Math.max(largest, raw);
    children.push({ node, token: ids[i]!, logProbability: own, perturbed: raw });
  }
  return children.map((child) => ({
    ...child,
    perturbed: conditioned(child.perturbed, largest, perturbed),
  }));
}

/**
 * A Gumbel value given that the largest of its siblings' is `target` and not `largest`:
 * `-ln(e^-target - e^-largest + e^-raw)`, in the form that loses no digits.
 *
 * @see Kool et al., arXiv:1903.06059, appendix B.3
 */
export function conditioned(raw: number, largest: number, target: number): number {
  if (raw === largest) return target;
  const v = target - raw + Math.log1p(-Math.exp(raw - largest));
  return target - Math.max(0, v) - Math.log1p(Math.exp(-Math.abs(v)));
}
