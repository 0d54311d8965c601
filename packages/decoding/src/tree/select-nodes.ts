import type { Draft } from "../drafters/drafter.ts";

/**
 * The draft that has only `nodes`, ascending, of which each has its parent among them or none.
 *
 * A chain comes out without `parents`. The choice of nodes must not depend on which tokens were
 * drawn. Cost: O(n).
 */
export function selectNodes(draft: Draft, nodes: Uint32Array): Draft {
  const { tokens, parents, laws, scores, runMs, prefillMs } = draft;
  const newIndex = new Int32Array(tokens.length).fill(-1);
  const newParents = new Int32Array(nodes.length);
  let isChain = true;
  for (let i = 0; i < nodes.length; i++) {
    const node = nodes[i]!;
    newIndex[node] = i;
    const parent = parents === undefined ? node - 1 : parents[node]!;
    newParents[i] = parent < 0 ? -1 : newIndex[parent]!;
    if (newParents[i] !== i - 1) isChain = false;
  }
  return {
    tokens: Uint32Array.from(nodes, (node) => tokens[node]!),
    ...(isChain ? {} : { parents: newParents }),
    ...(laws === undefined ? {} : { laws: Array.from(nodes, (node) => laws[node]!) }),
    ...(scores === undefined ? {} : { scores: Float32Array.from(nodes, (node) => scores[node]!) }),
    runMs,
    ...(prefillMs === undefined ? {} : { prefillMs }),
  };
}
