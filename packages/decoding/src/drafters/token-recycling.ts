import { InferenceError } from "@frugal/core";

import { expectRange } from "../sampling/sampling-options.ts";
import type { Drafter, VerifiedBlock } from "./drafter.ts";
import { flattenTemplate, likelyTemplate, type RankTemplate } from "./token-recycling-template.ts";
import type { TokenView } from "./token-view.ts";

/** Options of {@link tokenRecycling}. */
export interface TokenRecyclingOptions {
  /** Size of the vocabulary: the matrix has `4 k` bytes for each id. */
  readonly vocabSize: number;
  /** Successors remembered per token, in [1, 64]. Default 8. */
  readonly k?: number;
  /** Shape of the draft tree. Default: the 16 likeliest paths of depth up to 8. */
  readonly template?: RankTemplate;
  /**
   * Whose row is remembered where a token is in the tree more than once.
   *
   * - `"accepted-last"` (default): that of the text, else the last one.
   * - `"flat"`: the last one of the block.
   */
  readonly update?: "accepted-last" | "flat";
  /**
   * What is learnt from a prompt, whose rows are not seen: `"bigrams"` (default) ranks first, after
   * each token, the one that followed it; `"none"` learns nothing.
   */
  readonly prompt?: "bigrams" | "none";
}

/** A drafter that remembers; what it knows can be kept. */
export interface TokenRecycling extends Drafter {
  /** Forgets everything. */
  reset(): void;
  /** The matrix: `"FSTR"`, version 1, vocabSize, k, then the rows; little-endian words. */
  toBytes(): Uint8Array;
  /**
   * Replaces the matrix by that of a file.
   *
   * @throws {@link InferenceError} `format` for bytes that are no matrix; `shape` for another size.
   */
  restore(bytes: Uint8Array): void;
}

const empty = 0xffff_ffff;
const magic = 0x5254_5346;
const version = 1;
const headerBytes = 16;

/**
 * How often a guess of each rank is right; decides the default tree. On `frugal-tiny` the first one
 * is right in 0.9 of the steps where the text repeats itself and in 0.1 elsewhere, the others in
 * 0.04, 0.02, 0.015 and less of all steps: a chain first, with branches near the root.
 */
const rankAcceptance = [0.6, 0.05, 0.02, 0.015, 0.01, 0.008, 0.007, 0.006] as const;

/**
 * A drafter that remembers, for every token, the `k` tokens that the model last ranked highest after
 * it, and unfolds them along a fixed tree from the last token of the text.
 *
 * Every row of a verified block is remembered, those of refused tokens too: what the model would
 * have said there is knowledge that plain decoding throws away. Nodes without an entry are left out
 * with what is below them, so are nodes below a stop id. Where trees are off, the draft is the
 * chain of first entries. What is known carries over from one text to the next, which changes only
 * the speed.
 *
 * Cost: O(nodes) per draft, O(rows k) per step; the matrix has `4 k vocabSize` bytes.
 *
 * @throws {@link InferenceError} `range` for an option outside its interval.
 * @see `docs/algorithms/token-recycling.md`; Luo et al., arXiv:2408.08696
 */
export function tokenRecycling(options: TokenRecyclingOptions): TokenRecycling {
  const { vocabSize, k = 8, update = "accepted-last", prompt = "bigrams" } = options;
  const isSize = Number.isInteger(vocabSize) && vocabSize >= 1 && vocabSize <= 2 ** 26;
  expectRange("vocabSize", vocabSize, "an integer in [1, 2^26]", isSize);
  expectRange("k", k, "an integer in [1, 64]", Number.isInteger(k) && k >= 1 && k <= 64);
  const isUpdate = update === "accepted-last" || update === "flat";
  expectRange("update", update, '"accepted-last" or "flat"', isUpdate);
  const isPrompt = prompt === "bigrams" || prompt === "none";
  expectRange("prompt", prompt, '"bigrams" or "none"', isPrompt);
  const template = options.template ?? likelyTemplate(rankAcceptance.slice(0, k), 16, 8);
  const { parents, ranks, depths } = flattenTemplate(template, k);
  const nodes = parents.length;

  const matrix = new Uint32Array(vocabSize * k).fill(empty);
  /** The index in the draft of each node of the template, or -1 if it is left out. */
  const placed = new Int32Array(nodes);
  let tokens: TokenView | null = null;

  const learnPrompt = (history: TokenView): void => {
    if (tokens === history) return;
    tokens = history;
    if (prompt === "none") return;
    for (let i = 1; i < history.length; i++) rankFirst(history.at(i - 1), history.at(i));
  };

  /** Moves `next` to the front of a row; the last entry goes if it was not there. */
  const rankFirst = (token: number, next: number): void => {
    const row = token * k;
    let at = 0;
    while (at < k - 1 && matrix[row + at] !== next) at++;
    matrix.copyWithin(row + 1, row, row + at);
    matrix[row] = next;
  };

  const learnRow = ({ tokens: rows, top }: VerifiedBlock, r: number): void => {
    const row = rows[r]! * k;
    for (let i = 0; i < k; i++) matrix[row + i] = i < top.k ? top.ids[r * top.k + i]! : empty;
  };

  const chain = (root: number, count: number, stopIds: ReadonlySet<number>): Uint32Array => {
    const draft = new Uint32Array(count);
    let token = root;
    for (let i = 0; i < count; i++) {
      token = matrix[token * k]!;
      if (token === empty) return draft.subarray(0, i);
      draft[i] = token;
      if (stopIds.has(token)) return draft.subarray(0, i + 1);
    }
    return draft;
  };

  return {
    kinds: ["point"],
    trees: true,
    vocabSize,
    wants: { top: k },
    propose({ history, maxTokens, maxDepth, tree, stopIds }) {
      learnPrompt(history);
      const root = history.at(history.length - 1);
      const length = Math.min(maxTokens, maxDepth);
      if (!tree) return { tokens: chain(root, length, stopIds), runMs: 0 };
      const draft = new Uint32Array(Math.min(maxTokens, nodes));
      const draftParents = new Int32Array(draft.length);
      let count = 0;
      for (let i = 0; i < nodes && count < draft.length; i++) {
        placed[i] = -1;
        if (depths[i]! > maxDepth) continue;
        const parent = parents[i]! < 0 ? -1 : placed[parents[i]!]!;
        if (parents[i]! >= 0 && parent < 0) continue;
        const before = parent < 0 ? root : draft[parent]!;
        const token = parent >= 0 && stopIds.has(before) ? empty : matrix[before * k + ranks[i]!]!;
        if (token === empty) continue;
        draft[count] = token;
        draftParents[count] = parent;
        placed[i] = count++;
      }
      const parentsOfDraft = draftParents.subarray(0, count);
      return { tokens: draft.subarray(0, count), parents: parentsOfDraft, runMs: 0 };
    },
    observe(block) {
      for (let r = 0; r < block.top.rows; r++) learnRow(block, r);
      if (update === "flat") return;
      for (let i = 0; i < block.path.length; i++) learnRow(block, block.path[i]!);
    },
    reset() {
      matrix.fill(empty);
      tokens = null;
    },
    toBytes() {
      const bytes = new Uint8Array(headerBytes + 4 * matrix.length);
      const view = new DataView(bytes.buffer);
      const words = [magic, version, vocabSize, k];
      for (const [i, word] of words.entries()) view.setUint32(4 * i, word, true);
      for (let i = 0; i < matrix.length; i++) {
        view.setUint32(headerBytes + 4 * i, matrix[i]!, true);
      }
      return bytes;
    },
    restore(bytes) {
      matrix.set(readMatrix(bytes, vocabSize, k));
    },
  };
}

/** Reads a matrix: entries of a row differ, and none follows an empty one. */
function readMatrix(bytes: Uint8Array, vocabSize: number, k: number): Uint32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  expectFormat("length", bytes.length, `at least ${headerBytes} bytes`, bytes.length >= 16);
  const word = (index: number): number => view.getUint32(4 * index, true);
  expectFormat("magic", word(0), String(magic), word(0) === magic);
  expectFormat("version", word(1), String(version), word(1) === version);
  if (word(2) !== vocabSize || word(3) !== k) {
    const got = `[${vocabSize}, ${k}], got [${word(2)}, ${word(3)}]`;
    throw new InferenceError("shape", `matrix: expected ${got}`);
  }
  const size = headerBytes + 4 * vocabSize * k;
  expectFormat("length", bytes.length, `${size} bytes`, bytes.length === size);
  const matrix = Uint32Array.from({ length: vocabSize * k }, (_, i) => word(4 + i));
  for (let i = 0; i < matrix.length; i++) {
    const id = matrix[i]!;
    expectFormat("entry", id, `an id in [0, ${vocabSize})`, id < vocabSize || id === empty);
    for (let j = i - (i % k); j < i; j++) {
      const isNew = id === empty || matrix[j] !== id;
      expectFormat(
        "entry",
        id,
        "ids that differ in a row",
        isNew && (id === empty || matrix[j] !== empty),
      );
    }
  }
  return matrix;
}

function expectFormat(what: string, got: number, expected: string, valid: boolean): void {
  if (valid) return;
  throw new InferenceError("format", `matrix ${what}: expected ${expected}, got ${got}`);
}
