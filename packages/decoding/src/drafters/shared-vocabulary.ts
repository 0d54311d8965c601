import {
  type Block,
  InferenceError,
  type LogitsWanted,
  type Matrix,
  type ModelInfo,
  type Sequence,
  type StepOptions,
  type StepOutput,
} from "@frugal/core";

import type { DraftTokenizers } from "./draft-tokenizer.ts";
import { matchVocabularies, type SharedTokens } from "./match-vocabularies.ts";
import { spellToken } from "./spell-token.ts";

/** Options of {@link sharedVocabulary}. */
export interface SharedVocabularyOptions extends DraftTokenizers {
  /** How many rows of logits the target has. Default: the ids of its tokenizer. */
  readonly vocabSize?: number;
}

/** Two vocabularies and what is known of how one spells the tokens of the other. */
interface Translation {
  readonly vocabSize: number;
  readonly shared: SharedTokens;
  /** What ends a text, in the target's ids. */
  readonly eosIds: readonly number[];
  /** The draft model's ids for an id of the target; at least one. */
  readonly spell: (id: number) => Uint32Array;
}

/**
 * A draft model with a vocabulary of its own, seen as one that has the target's: for `draftModel`
 * and every other drafter that asks a model.
 *
 * A token that both vocabularies have (see `matchVocabularies`) has the draft model's logit; every
 * other one has `-Infinity`, so that laws are those of the draft model on the intersection,
 * renormalised, and no id without a partner is ever drafted. Any draft law is as good as another to
 * a lossless verifier. A token of the text that has no partner is spelled in the draft model's
 * tokens: one slot of this sequence is then several of its cache. When the cache is nearly full,
 * spellings are cut to their ends.
 *
 * Reads the text token by token; the reference implementation encodes what is new as a whole, which
 * yields the cuts that the draft model knows best, but no rows that could be rolled back one by
 * one. {@link textDraftModel} does that. Where a logit bias
 * bans every token in common, nothing is drafted.
 *
 * Owns nothing: disposing of it disposes of `sequence`, which must be empty. Full rows only. Cost:
 * one pass over both vocabularies; O(target's vocabulary) per row.
 *
 * @throws {@link InferenceError} `unsupported` for vocabularies without a common token; `state` for
 *   a sequence that is not empty; `range` for a `vocabSize` below the tokenizer's.
 * @see Timor et al., arXiv:2502.05202, token-level intersection;
 *   `docs/algorithms/universal-drafting.md`
 */
export function sharedVocabulary(sequence: Sequence, options: SharedVocabularyOptions): Sequence {
  const { draft, target, vocabSize = target.vocabSize } = options;
  if (vocabSize < target.vocabSize) {
    const message = `vocabSize: expected at least ${target.vocabSize}, got ${vocabSize}`;
    throw new InferenceError("range", message);
  }
  if (sequence.length > 0) {
    const got = `${sequence.length} cached positions`;
    throw new InferenceError("state", `sequence: expected an empty one, got ${got}`);
  }
  const shared = inModel(matchVocabularies(draft, target), sequence.info.vocabSize);
  if (shared.to.length === 0) {
    throw new InferenceError("unsupported", "tokenizers: expected a token in common, got none");
  }
  const spelled = new Map<number, Uint32Array>();
  for (let i = 0; i < shared.to.length; i++) {
    spelled.set(shared.to[i]!, shared.from.subarray(i, i + 1));
  }
  const spell = (id: number): Uint32Array => {
    const known = spelled.get(id) ?? spellToken(id, target, draft);
    spelled.set(id, known);
    return known;
  };
  const { eosIds: ends } = sequence.info;
  const eosIds = [...shared.to].filter((_, i) => ends.includes(shared.from[i]!));
  return new TranslatedSequence(sequence, { vocabSize, shared, eosIds, spell }, []);
}

class TranslatedSequence implements Sequence {
  readonly #inner: Sequence;
  readonly #translation: Translation;
  /** How many positions of the draft model's cache each slot is. */
  #widths: number[];

  constructor(inner: Sequence, translation: Translation, widths: readonly number[]) {
    this.#inner = inner;
    this.#translation = translation;
    this.#widths = [...widths];
  }

  get length(): number {
    return this.#widths.length;
  }

  /** With as much room as there is if every further slot is one position. */
  get info(): ModelInfo {
    const { info, length } = this.#inner;
    const { vocabSize, eosIds } = this.#translation;
    const maxLength = info.maxLength - length + this.length;
    return { ...info, vocabSize, eosIds, maxLength };
  }

  get capabilities(): Sequence["capabilities"] {
    const none = { embeddings: false, taps: false, positions: false, top: false };
    return { ...this.#inner.capabilities, ...none };
  }

  async step(block: Block, options: StepOptions): Promise<StepOutput> {
    const { tokens, parents } = block;
    if (tokens === undefined || block.positions !== undefined || options.taps !== undefined) {
      throw unsupported("blocks of tokens");
    }
    if (typeof options.logits === "object") throw unsupported("full rows");
    const spellings = this.#spellAll(tokens);
    const { info, length } = this.#inner;
    fit(spellings, info.maxLength - length);
    const lasts = lastRows(spellings);
    const ids = Uint32Array.from(spellings.flatMap((spelling) => [...spelling]));
    const rows = parents === undefined ? {} : { parents: spread(parents, spellings, lasts) };
    const output = await this.#inner.step({ tokens: ids, ...rows }, options);
    for (const spelling of spellings) this.#widths.push(spelling.length);
    const { logits } = output;
    return { ...output, logits: logits && this.#translate(logits, options.logits, lasts) };
  }

  async keep(positions: Uint32Array): Promise<void> {
    const starts = [0];
    for (const width of this.#widths) starts.push(starts.at(-1)! + width);
    const rows: number[] = [];
    for (const slot of positions) {
      if (slot >= this.length) {
        throw new InferenceError("range", `positions: expected below ${this.length}, got ${slot}`);
      }
      for (let row = starts[slot]!; row < starts[slot + 1]!; row++) rows.push(row);
    }
    await this.#inner.keep(Uint32Array.from(rows));
    this.#widths = Array.from(positions, (slot) => this.#widths[slot]!);
  }

  async fork(): Promise<Sequence> {
    return new TranslatedSequence(await this.#inner.fork(), this.#translation, this.#widths);
  }

  dispose(): Promise<void> {
    return this.#inner.dispose();
  }

  #spellAll(tokens: Uint32Array): Uint32Array[] {
    const { vocabSize, spell } = this.#translation;
    return Array.from(tokens, (token) => {
      if (token < vocabSize) return spell(token);
      throw new InferenceError("range", `tokens: expected ids below ${vocabSize}, got ${token}`);
    });
  }

  /** Rows of the target's vocabulary, one per slot where all were wanted. */
  #translate(logits: Matrix, wanted: LogitsWanted, lasts: readonly number[]): Matrix {
    const { vocabSize, shared } = this.#translation;
    const from = wanted === "all" ? lasts : [logits.rows - 1];
    const data = new Float32Array(from.length * vocabSize).fill(-Infinity);
    for (const [row, source] of from.entries()) {
      const offset = source * logits.cols;
      for (let i = 0; i < shared.to.length; i++) {
        data[row * vocabSize + shared.to[i]!] = logits.data[offset + shared.from[i]!]!;
      }
    }
    return { data, rows: from.length, cols: vocabSize };
  }
}

/** The pairs whose first token a model of `vocabSize` rows has. */
function inModel({ from, to }: SharedTokens, vocabSize: number): SharedTokens {
  return {
    from: from.filter((id) => id < vocabSize),
    to: to.filter((_, i) => from[i]! < vocabSize),
  };
}

/** Cuts spellings, the earliest first, until there are no more than `room` ids or one of each. */
function fit(spellings: Uint32Array[], room: number): void {
  let excess = spellings.reduce((sum, { length }) => sum + length, -room);
  for (let i = 0; i < spellings.length && excess > 0; i++) {
    const cut = Math.min(excess, spellings[i]!.length - 1);
    spellings[i] = spellings[i]!.subarray(cut);
    excess -= cut;
  }
}

/** The row of the last id of each spelling. */
function lastRows(spellings: readonly Uint32Array[]): number[] {
  let rows = 0;
  return spellings.map(({ length }) => (rows += length) - 1);
}

/** The parents of a tree in which every token is a chain of as many rows as it has ids. */
function spread(
  parents: Int32Array,
  spellings: readonly Uint32Array[],
  lasts: readonly number[],
): Int32Array {
  const rows: number[] = [];
  for (const [slot, { length }] of spellings.entries()) {
    const parent = parents[slot]!;
    rows.push(parent < 0 ? -1 : lasts[parent]!);
    for (let i = 1; i < length; i++) rows.push(rows.length - 1);
  }
  return Int32Array.from(rows);
}

function unsupported(expected: string): InferenceError {
  return new InferenceError("unsupported", `shared vocabulary: expected ${expected}`);
}
