import { InferenceError, type LogitsWanted, randomStream, type Sequence } from "@frugal/core";

import { drawGumbel } from "../sampling/gumbel.ts";
import { guessLaw, rankedLaw } from "../sampling/guess-law.ts";
import { copyLaw, drawFromLaw, type Law, mostProbable, probabilityOf } from "../sampling/law.ts";
import type { Residual } from "../sampling/residual.ts";
import { draftLaw } from "./draft-law.ts";
import type { Draft, DraftContext } from "./drafter.ts";
import type { Follower } from "./follower.ts";

/** Logits of a row that are looked at where the text is greedy and guesses may branch. */
const ranked = 16;

/**
 * A tree that is being drawn from a draft model, for one draft.
 *
 * Nodes are numbered in the order in which they are added; -1 is the last token of the text. A node
 * is *open* once its row has run, and then has a law for its children. Every row runs once: rows of
 * one call share a step, and later ones hang below them in the draft model's cache.
 *
 * For guesses (`"point"`) a law says what the target will draw with the position's random number,
 * given the draft's law; at temperature 0, of the 16 largest logits, how likely each is the largest
 * of the target's.
 */
export class DrawnTree {
  readonly tokens: number[] = [];
  readonly parents: number[] = [];
  readonly depths: number[] = [];
  readonly #context: DraftContext;
  readonly #follower: Follower;
  readonly #logits: LogitsWanted;
  readonly #laws: Law[] = [];
  /** The law after each open node; of the last token of the text as node -1. */
  readonly #after = new Map<number, Law>();
  /** The row of each open node in the draft model's tree. */
  readonly #rowOf = new Map<number, number>([[-1, -1]]);
  #drawn = 0;
  #runMs = 0;
  #prefillMs = 0;

  private constructor(sequence: Sequence, follower: Follower, context: DraftContext) {
    const { kind, rowReach } = context;
    const reach = kind === "point" && rowReach === 1 ? ranked : rowReach;
    this.#context = context;
    this.#follower = follower;
    const hasTop = sequence.capabilities.top && reach !== null;
    this.#logits = hasTop ? { top: Math.min(reach, sequence.info.vocabSize) } : "all";
  }

  /** A tree whose root is open, or with nothing to draw from where the context has no room. */
  static async plant(
    sequence: Sequence,
    follower: Follower,
    context: DraftContext,
    ahead: number,
  ): Promise<DrawnTree> {
    const tree = new DrawnTree(sequence, follower, context);
    const { history, signal } = context;
    const { missing, runMs } = await follower.follow(history, ahead, signal);
    tree.#prefillMs = runMs;
    tree.#runMs = runMs;
    if (missing === null || sequence.length + missing.length > sequence.info.maxLength) return tree;
    const wanted = tree.#logits;
    const last = typeof wanted === "object" ? ({ ...wanted, rows: "last" } as const) : "last";
    const output = await follower.feed(missing, last, signal);
    tree.#runMs += output.runMs;
    tree.#after.set(-1, tree.#lawOf(output, 0, -1));
    return tree;
  }

  /** Whether no more tokens may be added. */
  get isFull(): boolean {
    return this.tokens.length >= this.#context.maxTokens;
  }

  /** Whether something may follow the node: it ends no text and is not too deep. */
  canGrow(node: number): boolean {
    if (node < 0) return this.#after.has(-1);
    const { maxDepth, stopIds } = this.#context;
    return this.depths[node]! < maxDepth && !stopIds.has(this.tokens[node]!);
  }

  isOpen(node: number): boolean {
    return this.#after.has(node);
  }

  /** Runs the rows of nodes that are not open but whose parents are; one step for all of them. */
  async open(nodes: readonly number[]): Promise<void> {
    if (nodes.length === 0) return;
    const tokens = Uint32Array.from(nodes, (node) => this.tokens[node]!);
    const parents = Int32Array.from(nodes, (node) => this.#rowOf.get(this.parents[node]!)!);
    const { signal } = this.#context;
    const output = await this.#follower.grow(tokens, parents, this.#logits, signal);
    this.#runMs += output.runMs;
    for (const [row, node] of nodes.entries()) {
      this.#rowOf.set(node, this.#rowOf.size - 1);
      this.#after.set(node, this.#lawOf(output, row, node));
    }
  }

  /** The law for the children of an open node; empty where the draft model has none left. */
  lawAfter(node: number): Law {
    const law = this.#after.get(node);
    if (law === undefined) throw new InferenceError("state", `node ${node}: expected it open`);
    return law;
  }

  /** A uniform number of the draft's own. One position for all, so that none is ever used again. */
  uniform(): number {
    const { history, random } = this.#context;
    return random.uniform(history.start + history.length, randomStream.draft, this.#drawn++);
  }

  /** The next child of a node by what is left of its law, in the way of the kind of draft. */
  draw(rest: Residual, node: number): number {
    const { kind, random } = this.#context;
    if (kind === "point") return mostProbable(rest);
    if (kind === "coupled") return drawGumbel(rest, random, this.#positionAfter(node));
    return drawFromLaw(rest, this.uniform());
  }

  /** Adds a child; its number. */
  add(parent: number, token: number): number {
    this.#laws.push(this.lawAfter(parent));
    this.tokens.push(token);
    this.parents.push(parent);
    return this.depths.push(parent < 0 ? 1 : this.depths[parent]! + 1) - 1;
  }

  toDraft(): Draft {
    const { kind } = this.#context;
    const laws = this.#laws;
    const isDrawn = kind === "sampled" || kind === "distinct";
    const scores = (): Float32Array =>
      Float32Array.from(laws, (law, node) => probabilityOf(law, this.tokens[node]!));
    return {
      tokens: Uint32Array.from(this.tokens),
      parents: Int32Array.from(this.parents),
      ...(isDrawn && { laws }),
      ...(kind === "point" && { scores: scores() }),
      runMs: this.#runMs,
      prefillMs: this.#prefillMs,
    };
  }

  #positionAfter(node: number): number {
    const { history } = this.#context;
    return history.start + history.length + (node < 0 ? 0 : this.depths[node]!);
  }

  #lawOf(output: Parameters<DraftContext["sampler"]["law"]>[0], row: number, node: number): Law {
    const { kind, rowReach, sampler, random } = this.#context;
    if (kind === "point" && rowReach === 1 && output.top !== null) {
      return rankedLaw(output.top, row);
    }
    const path: number[] = [];
    for (let at = node; at >= 0; at = this.parents[at]!) path.push(this.tokens[at]!);
    const position = this.#positionAfter(node);
    for (const token of path.reverse()) sampler.push(token);
    try {
      const law = draftLaw(sampler, output, row, position);
      return kind === "point" ? guessLaw(law, random.uniform(position)) : copyLaw(law);
    } finally {
      for (let i = 0; i < path.length; i++) sampler.pop();
    }
  }
}
