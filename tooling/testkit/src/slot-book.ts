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

  /** Whether rows that must not see each other are in the cache. */
  get isOpen(): boolean {
    return this.#tree !== null;
  }

  /** Rotary position that follows a slot, or the beginning of the text for -1. */
  positionAfter(slot: number): number {
    const isPath = slot < (this.#tree?.start ?? this.length);
    if (slot < 0 || (isPath && this.#mode === "cache-relative")) return slot + 1;
    return this.#positions[slot]! + 1;
  }

  /** The slots that a child of `slot` sees, in the order of the text. */
  pathTo(slot: number): number[] {
    const path: number[] = [];
    for (let at = slot; at >= 0; at = this.#parentOf(at)) path.push(at);
    return path.reverse();
  }

  #parentOf(slot: number): number {
    const { start, parents } = this.#tree ?? { start: this.length, parents: [] };
    return slot < start ? slot - 1 : start + parents[slot - start]!;
  }

  /** Adds the rows of a block. */
  append(plan: BlockPlan): void {
    const { length } = this;
    const start = Math.min(this.#tree?.start ?? length, ...plan.parents.map((p) => length + p + 1));
    const open: number[] = [];
    for (let slot = start; slot < length; slot++) open.push(this.#parentOf(slot) - start);
    const parents = [...open, ...plan.parents].map((parent, row) =>
      row < open.length ? parent : parent + open.length,
    );
    this.#tree = treeOf(start, parents);
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
  return treeOf(slots.length - kept.length, parents);
}

/** Null where it is one path. */
function treeOf(start: number, parents: readonly number[]): OpenTree | null {
  return parents.every((parent, i) => parent === i - 1) ? null : { start, parents };
}
