import type { Residual } from "../sampling/residual.ts";

/** A place where a token can be drawn. */
export interface Slot {
  /** Estimated probability that a verifier gets there. */
  readonly reach: number;
  /** Depth of the token that would go there. */
  readonly depth: number;
  /** The node it would be a child of. */
  readonly node: number;
  /** What its siblings left of the law, or null before the first one. */
  readonly rest: Residual | null;
}

/** Slots by descending reach, ties to the shallower, then to the older one. Cost: O(log n) each. */
export class SlotHeap {
  readonly #slots: (Slot & { readonly age: number })[] = [];
  #pushed = 0;

  push(slot: Slot): void {
    const slots = this.#slots;
    const added = { ...slot, age: this.#pushed++ };
    let at = slots.length;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!isBefore(added, slots[above]!)) break;
      slots[at] = slots[above]!;
      at = above;
    }
    slots[at] = added;
  }

  /** The likeliest slot, or null if there is none. */
  pop(): Slot | null {
    const slots = this.#slots;
    const first = slots[0];
    const last = slots.pop();
    if (first === undefined || last === undefined) return null;
    if (slots.length === 0) return first;
    let at = 0;
    for (let below = 1; below < slots.length; below = 2 * at + 1) {
      if (below + 1 < slots.length && isBefore(slots[below + 1]!, slots[below]!)) below++;
      if (!isBefore(slots[below]!, last)) break;
      slots[at] = slots[below]!;
      at = below;
    }
    slots[at] = last;
    return first;
  }

  /** The nodes that slots belong to. */
  nodes(): number[] {
    return this.#slots.map(({ node }) => node);
  }
}

function isBefore(a: Slot & { readonly age: number }, b: Slot & { readonly age: number }): boolean {
  if (a.reach !== b.reach) return a.reach > b.reach;
  return a.depth === b.depth ? a.age < b.age : a.depth < b.depth;
}
