/**
 * The longest suffix of a growing text that also ends earlier in it.
 *
 * States are classes of substrings that end at the same places; the suffix link of the state of the
 * whole text is the longest suffix with another, earlier end. A text of n tokens has at most
 * `2n - 1` states and `3n - 4` transitions, for n > 2. Transitions lie in one open-addressing table
 * over typed arrays. Cost: O(1) amortised per token; about 100 bytes per token.
 *
 * @see Blumer et al., "The smallest automaton recognizing the subwords of a text" (1985)
 */
export interface SuffixAutomaton {
  /** Tokens read. */
  readonly length: number;
  readonly states: number;
  readonly transitions: number;
  /** Length of the longest suffix that also ends before the last token; 0 if none does. */
  readonly matchLength: number;
  /** Index of the token at which that suffix ends for the first time; -1 if none does. */
  readonly matchEnd: number;
  push(token: number): void;
}

/** The automaton of the empty text. */
export function createSuffixAutomaton(): SuffixAutomaton {
  /** Per state: length of its longest substring, suffix link, first end, newest transition. */
  let lengths = new Int32Array(256);
  let links = new Int32Array(256);
  let ends = new Int32Array(256);
  let newest = new Int32Array(256);
  let states = 1;
  lengths[0] = 0;
  links[0] = -1;
  ends[0] = -1;
  newest[0] = -1;

  const edges = createEdges();
  let last = 0;

  const addState = (length: number, link: number, end: number): number => {
    if (states === lengths.length) {
      lengths = doubled(lengths);
      links = doubled(links);
      ends = doubled(ends);
      newest = doubled(newest);
    }
    lengths[states] = length;
    links[states] = link;
    ends[states] = end;
    newest[states] = -1;
    return states++;
  };

  const connect = (from: number, token: number, to: number): void => {
    newest[from] = edges.add(from, token, to, newest[from]!);
  };

  /** The state of the substrings of `state` that are at most `length` long, split off from it. */
  const split = (state: number, length: number): number => {
    const clone = addState(length, links[state]!, ends[state]!);
    for (let edge = newest[state]!; edge >= 0; edge = edges.older(edge)) {
      connect(clone, edges.token(edge), edges.target(edge));
    }
    links[state] = clone;
    return clone;
  };

  return {
    get length() {
      return lengths[last]!;
    },
    get states() {
      return states;
    },
    get transitions() {
      return edges.count;
    },
    get matchLength() {
      return last === 0 ? 0 : lengths[links[last]!]!;
    },
    get matchEnd() {
      return last === 0 ? -1 : ends[links[last]!]!;
    },
    push(token) {
      const current = addState(lengths[last]! + 1, 0, lengths[last]!);
      let state = last;
      last = current;
      let edge = -1;
      while (state >= 0 && (edge = edges.find(state, token)) < 0) {
        connect(state, token, current);
        state = links[state]!;
      }
      if (state < 0) return;
      const target = edges.target(edge);
      if (lengths[target] === lengths[state]! + 1) {
        links[current] = target;
        return;
      }
      const clone = split(target, lengths[state]! + 1);
      links[current] = clone;
      while (state >= 0 && edge >= 0 && edges.target(edge) === target) {
        edges.redirect(edge, clone);
        state = links[state]!;
        if (state >= 0) edge = edges.find(state, token);
      }
    },
  };
}

/** Transitions by (state, token), and as a list per state. */
function createEdges() {
  let froms = new Int32Array(256);
  let tokens = new Uint32Array(256);
  let targets = new Int32Array(256);
  let olders = new Int32Array(256);
  let count = 0;
  /** Transition plus one; 0 is a free slot. At most half full. */
  let slots = new Int32Array(512);

  const slotOf = (from: number, token: number): number => {
    const mask = slots.length - 1;
    let slot = mix(from, token) & mask;
    for (;;) {
      const edge = slots[slot]! - 1;
      if (edge < 0 || (froms[edge] === from && tokens[edge] === token)) return slot;
      slot = (slot + 1) & mask;
    }
  };

  const grow = (): void => {
    froms = doubled(froms);
    tokens = doubled(tokens);
    targets = doubled(targets);
    olders = doubled(olders);
    slots = new Int32Array(2 * slots.length);
    for (let edge = 0; edge < count; edge++) {
      slots[slotOf(froms[edge]!, tokens[edge]!)] = edge + 1;
    }
  };

  return {
    get count() {
      return count;
    },
    find: (from: number, token: number): number => slots[slotOf(from, token)]! - 1,
    target: (edge: number): number => targets[edge]!,
    token: (edge: number): number => tokens[edge]!,
    older: (edge: number): number => olders[edge]!,
    redirect(edge: number, to: number): void {
      targets[edge] = to;
    },
    /** Adds a transition that does not exist yet; `older` is the next of its state's list. */
    add(from: number, token: number, to: number, older: number): number {
      if (count === froms.length) grow();
      froms[count] = from;
      tokens[count] = token;
      targets[count] = to;
      olders[count] = older;
      slots[slotOf(from, token)] = count + 1;
      return count++;
    },
  };
}

function mix(from: number, token: number): number {
  const hash = Math.imul(from ^ Math.imul(token ^ 0x9e37_79b9, 0x85eb_ca6b), 0xc2b2_ae35);
  const spread = Math.imul(hash ^ (hash >>> 15), 0x27d4_eb2f);
  return (spread ^ (spread >>> 13)) >>> 0;
}

/** A copy of twice the length. */
function doubled<T extends Int32Array | Uint32Array>(array: T): T {
  // The constructor of a typed array makes one of its own kind.
  const copy = new (array.constructor as new (length: number) => T)(2 * array.length);
  copy.set(array);
  return copy;
}
