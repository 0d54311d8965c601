import type { Draft } from "../drafters/drafter.ts";
import { bestChain } from "../tree/best-chain.ts";
import { type DraftRows, mergeSiblings } from "../tree/merge-siblings.ts";
import { selectNodes } from "../tree/select-nodes.ts";
import { isBranching } from "../tree/tree-shape.ts";
import type { Candidates } from "../verifiers/verifier.ts";

/** A draft laid out behind its root. */
export interface DraftBlock extends DraftRows {
  readonly draft: Draft;
  /** Whether the rows need their `parents`, and the block a `keep` after it. */
  readonly isBranching: boolean;
  /** How many drafted tokens were left out because the model takes no trees. */
  readonly dropped: number;
}

const noDraft: Draft = { tokens: new Uint32Array(0), runMs: 0 };
const noCandidates: Candidates = { tokens: new Uint32Array(0), laws: null };

/** The rows for `draft` after `root`; a branching one becomes its best chain without `tree`. */
export function layOut(root: number, draft: Draft | null, tree: boolean): DraftBlock {
  const whole = draft ?? noDraft;
  const rows = mergeSiblings(root, whole.tokens, whole.parents ?? null);
  const branches = whole.parents !== undefined && isBranching(rows.parents);
  if (tree || !branches) return { ...rows, draft: whole, isBranching: branches, dropped: 0 };
  const chain = selectNodes(whole, bestChain(whole.parents, whole.scores));
  const dropped = whole.tokens.length - chain.tokens.length;
  const merged = mergeSiblings(root, chain.tokens, null);
  return { ...merged, draft: chain, isBranching: false, dropped };
}

/** What a block proposes after one of its rows, every draw of it. Cost: O(draft) for a tree. */
export function candidatesAt({ draft, rowOf }: DraftBlock, row: number): Candidates {
  const { tokens, parents, laws } = draft;
  if (parents === undefined) {
    if (row >= tokens.length) return noCandidates;
    return { tokens: tokens.subarray(row, row + 1), laws: laws?.slice(row, row + 1) ?? null };
  }
  const nodes: number[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const parent = parents[i]!;
    if ((parent < 0 ? 0 : rowOf[parent]!) === row) nodes.push(i);
  }
  if (nodes.length === 0) return noCandidates;
  return {
    tokens: Uint32Array.from(nodes, (node) => tokens[node]!),
    laws: laws === undefined ? null : nodes.map((node) => laws[node]!),
  };
}

/** The row of `token` after `row`, or -1. Cost: O(rows). */
export function childRow({ tokens, parents }: DraftRows, row: number, token: number): number {
  for (let i = row + 1; i < tokens.length; i++) {
    if (parents[i] === row && tokens[i] === token) return i;
  }
  return -1;
}
