import { randomStream, type StepOutput } from "@frugal/core";

import { copyLaw, drawFromLaw, type Law } from "../sampling/law.ts";
import { Residual } from "../sampling/residual.ts";
import { pathTo } from "../tree/tree-shape.ts";
import { draftLaw } from "./draft-law.ts";
import type { Draft, DraftContext } from "./drafter.ts";
import type { FlatTemplate } from "./token-recycling-template.ts";

/** A template that is being filled with tokens. */
export class StaticTree {
  readonly tokens: number[] = [];
  readonly #parents: number[] = [];
  readonly #laws: Law[] = [];
  /** The template's node that each node stands for. */
  readonly #places: number[] = [];
  /** Row of its level that each node was run in. */
  readonly #rows = new Map<number, number>([[-1, 0]]);
  readonly #children: readonly (readonly number[])[];
  readonly #depths: Uint8Array;
  readonly #ranks: Uint8Array;
  readonly #context: DraftContext;
  readonly #rest = new Residual();
  #drawn = 0;

  constructor({ parents, ranks, depths }: FlatTemplate, context: DraftContext) {
    const children: number[][] = Array.from({ length: parents.length + 1 }, () => []);
    for (const [node, parent] of parents.entries()) children[parent + 1]!.push(node);
    for (const siblings of children) siblings.sort((a, b) => ranks[a]! - ranks[b]!);
    this.#children = children;
    this.#depths = depths;
    this.#ranks = ranks;
    this.#context = context;
  }

  /** Gives `node`, or the root as -1, the children of its place; `row` of `output` is its law. */
  addChildren(output: StepOutput, row: number, node: number): void {
    const places = this.#children[node < 0 ? 0 : this.#places[node]! + 1]!;
    const room = this.#context.maxTokens - this.tokens.length;
    const fitting = places.slice(0, room);
    if (this.#context.kind === "point") this.#rank(output, row, node, fitting);
    else this.#draw(output, row, node, fitting);
  }

  /** Nodes of a depth that have children to come, and notes that they are run in this order. */
  innerNodes(depth: number): number[] {
    const { stopIds, maxTokens } = this.#context;
    if (this.tokens.length >= maxTokens) return [];
    const nodes: number[] = [];
    for (const [node, place] of this.#places.entries()) {
      const isInner = this.#depths[place] === depth && this.#children[place + 1]!.length > 0;
      if (!isInner || stopIds.has(this.tokens[node]!)) continue;
      this.#rows.set(node, nodes.length);
      nodes.push(node);
    }
    return nodes;
  }

  /** Rows of the level before that nodes go on from. */
  openRows(nodes: readonly number[]): Uint32Array {
    return Uint32Array.from(nodes, (node) => this.#rows.get(this.#parents[node]!)!);
  }

  draft(): Pick<Draft, "tokens" | "parents" | "laws"> {
    const tokens = Uint32Array.from(this.tokens);
    const parents = Int32Array.from(this.#parents);
    return this.#context.kind === "point"
      ? { tokens, parents }
      : { tokens, parents, laws: this.#laws };
  }

  #rank({ top }: StepOutput, row: number, node: number, places: readonly number[]): void {
    for (const place of places) {
      const rank = this.#ranks[place]!;
      if (rank < top!.k) this.#add(top!.ids[row * top!.k + rank]!, node, place);
    }
  }

  #draw(output: StepOutput, row: number, node: number, places: readonly number[]): void {
    const { sampler, history, random } = this.#context;
    const position = history.start + history.length;
    const path = Array.from(pathTo(Int32Array.from(this.#parents), node), (at) => this.tokens[at]!);
    for (const token of path) sampler.push(token);
    try {
      const law = copyLaw(draftLaw(sampler, output, row, position + path.length));
      this.#rest.load(law);
      for (const place of places) {
        if (!(this.#rest.total > 0)) break;
        // One position for the whole draft: its numbers are then never used again.
        const uniform = random.uniform(position, randomStream.draft, this.#drawn++);
        const token = drawFromLaw(this.#rest, uniform);
        this.#rest.remove(token);
        this.#laws.push(law);
        this.#add(token, node, place);
      }
    } finally {
      for (let i = 0; i < path.length; i++) sampler.pop();
    }
  }

  #add(token: number, parent: number, place: number): void {
    this.tokens.push(token);
    this.#parents.push(parent);
    this.#places.push(place);
  }
}
