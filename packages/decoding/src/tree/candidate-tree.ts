import { InferenceError, type TopLogits } from "@frugal/core";

/** Nodes of a tree in topological order, `[n]` each. */
export interface RankedNodes {
  readonly tokens: Uint32Array;
  /** -1, or the index of an earlier node. */
  readonly parents: Int32Array;
  /** The probability of each token after its parent. */
  readonly scores: Float32Array;
}

/**
 * A pool of possible continuations that grows level by level, and the best of which become a draft
 * tree: what EAGLE-2 calls expansion and reranking, for any model that ranks next tokens.
 *
 * The score of a node is the log-probability of its whole path, so it never exceeds its parent's.
 * Ties go to the node that was added first, hence to the parent: the best nodes always form a tree.
 *
 * @see Li et al., arXiv:2406.16858; `docs/algorithms/draft-heads.md`
 */
export class CandidateTree {
  readonly #tokens: number[] = [];
  readonly #parents: number[] = [];
  readonly #scores: number[] = [];
  /** Where the last level begins. */
  #level = 0;

  /** How many nodes there are. */
  get size(): number {
    return this.#tokens.length;
  }

  /** The token of a node. Unchecked. */
  token(node: number): number {
    return this.#tokens[node]!;
  }

  /** The parent of a node, or -1. Unchecked. */
  parent(node: number): number {
    return this.#parents[node]!;
  }

  /**
   * Adds a level: after `parents[i]` (-1 is the root) the tokens of row `i`, with their probabilities.
   * Entries that cannot occur, of logit `-Infinity`, are left out. Cost: O(rows k).
   *
   * @throws {@link InferenceError} `backend` for a logit that is NaN.
   */
  grow(parents: ArrayLike<number>, { k, ids, values, logSumExp }: TopLogits): void {
    this.#level = this.size;
    for (let row = 0; row < parents.length; row++) {
      const parent = parents[row]!;
      const before = parent < 0 ? 0 : this.#scores[parent]!;
      for (let i = row * k; i < (row + 1) * k; i++) {
        if (values[i] === -Infinity) continue;
        const logProbability = values[i]! - logSumExp[row]!;
        if (Number.isNaN(logProbability)) {
          throw new InferenceError("backend", "draft head: expected logits, got NaN");
        }
        this.#tokens.push(ids[i]!);
        this.#parents.push(parent);
        // Rounding may leave a certain token a little above 0.
        this.#scores.push(before + Math.min(0, logProbability));
      }
    }
  }

  /** The at most `count` best nodes of the last level, ascending, those of `except` left out. */
  frontier(count: number, except: ReadonlySet<number>): Uint32Array {
    const nodes: number[] = [];
    for (let node = this.#level; node < this.size; node++) {
      if (!except.has(this.#tokens[node]!)) nodes.push(node);
    }
    return this.#best(nodes, count);
  }

  /** The tree of the at most `count` best nodes of all. Cost: O(size log size). */
  rerank(count: number): RankedNodes {
    const nodes = this.#best(Array.from(this.#tokens.keys()), count);
    const indices = new Map<number, number>([[-1, -1]]);
    for (const [index, node] of nodes.entries()) indices.set(node, index);
    const probability = (node: number): number => {
      const parent = this.#parents[node]!;
      return Math.exp(this.#scores[node]! - (parent < 0 ? 0 : this.#scores[parent]!));
    };
    return {
      tokens: Uint32Array.from(nodes, (node) => this.#tokens[node]!),
      parents: Int32Array.from(nodes, (node) => indices.get(this.#parents[node]!)!),
      scores: Float32Array.from(nodes, probability),
    };
  }

  #best(nodes: number[], count: number): Uint32Array {
    const scores = this.#scores;
    nodes.sort((a, b) => scores[b]! - scores[a]! || a - b);
    return Uint32Array.from(nodes.slice(0, count)).sort();
  }
}
