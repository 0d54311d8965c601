import { InferenceError, type SequenceOptions } from "@frugal/core";

import type { BlockPlan } from "./plan-block.ts";

/** What `keep` does to rotary positions. */
export type PositionMode = NonNullable<SequenceOptions["positions"]>;

/** Rows of a branching block that still must not see each other, from slot `start`. */
interface OpenTree {
  readonly start: number;
  /** Within the tree; -1 for a child of what lies before it. */
  readonly parents: readonly number[];
}

/** Which rotary position every cached slot has, and whether a tree waits for its `keep`. */
export class SlotBook {
  readonly #mode: PositionMode;
  #positions: number[] = [];
  #tree: OpenTree | null = null;

  constructor(mode: PositionMode) {
    this.#mode = mode;
  }

  get length(): number {
    return this.#positions.length;
  }

  get positions(): readonly number[] {
    return this.#positions;
  }

  /** Position of a row that continues the cache. */
  get next(): number {
    if (this.#mode === "cache-relative") return this.length;
    return this.length === 0 ? 0 : this.#positions.at(-1)! + 1;
  }

  /**
   * Refuses a block while a tree is open.
   *
   * @throws {@link InferenceError} `state`
   */
  requireNoTree(): void {
    if (this.#tree === null) return;
    throw new InferenceError(
      "state",
      "step: the last block branches; call keep() to leave one path of it first",
    );
  }

  /** Adds the rows of a block. */
  append(plan: BlockPlan): void {
    if (plan.branching) this.#tree = { start: this.length, parents: [...plan.parents] };
    this.#positions.push(...plan.positions);
  }

  /**
   * Drops every slot that is not in `slots`.
   *
   * @throws {@link InferenceError} `range` unless they are ascending and inside the cache.
   */
  keep(slots: Uint32Array): void {
    let before = -1;
    for (const slot of slots) {
      if (!Number.isInteger(slot) || slot <= before || slot >= this.length) {
        throw new InferenceError(
          "range",
          `keep: expected ascending slots in [0, ${this.length}), got ${slot} after ${before}`,
        );
      }
      before = slot;
    }
    const old = this.#positions;
    this.#positions = Array.from(slots, (slot, i) =>
      this.#mode === "cache-relative" ? i : old[slot]!,
    );
    if (this.#tree !== null) this.#tree = pruneTree(this.#tree, slots);
  }

  clone(): SlotBook {
    const copy = new SlotBook(this.#mode);
    copy.#positions = [...this.#positions];
    copy.#tree = this.#tree;
    return copy;
  }
}

/** What is left of the tree: each row's parent becomes its nearest kept ancestor. */
function pruneTree(tree: OpenTree, slots: Uint32Array): OpenTree | null {
  const kept = [...slots].filter((slot) => slot >= tree.start).map((slot) => slot - tree.start);
  const parents = kept.map((row) => {
    let parent = tree.parents[row]!;
    while (parent >= 0 && !kept.includes(parent)) parent = tree.parents[parent]!;
    return parent < 0 ? -1 : kept.indexOf(parent);
  });
  if (parents.every((parent, i) => parent === i - 1)) return null;
  return { start: slots.length - kept.length, parents };
}
