import { randomStream } from "@frugal/core";

import { constantLength } from "../length/draft-length.ts";
import { expectRange } from "../sampling/sampling-options.ts";
import { mergeSiblings } from "../tree/merge-siblings.ts";
import type { Draft, DraftContext, Drafter } from "./drafter.ts";
import { NgramPool } from "./ngram-pool.ts";
import type { TokenView } from "./token-view.ts";

/** Options of {@link lookahead}. */
export interface LookaheadOptions {
  /** Columns of the window, the last token of the text among them, in [1, 64]. Default 5. */
  readonly window?: number;
  /** Length of the n-grams with their key, in [2, 16]; the window has one level less. Default 4. */
  readonly level?: number;
  /** Most n-grams checked in a step, and kept for each key, in [1, 64]. Default 5. */
  readonly guesses?: number;
  /** Whether the n-grams of the prompt are known from the start. Default true. */
  readonly prompt?: boolean;
}

/** A draft whose rows are waited for. */
interface Pending {
  /** The row of every drafted token; where the window begins, and how many rows there are. */
  readonly rowOf: Uint32Array;
  readonly windowStart: number;
  readonly rows: number;
}

/**
 * A drafter that guesses far ahead beside the text, and keeps what the model makes of it as n-grams
 * to check later.
 *
 * The window has `window` columns and `level - 1` levels. Level 0 is a chain from the last token of
 * the text on; a token of a higher level hangs below the one of its column a level down, so that each
 * column is a Jacobi iteration of its own. A step finds the likeliest token after every column; what
 * stands above level 0 of a column, with the new token, is an n-gram that may follow its level-0
 * token. Then the levels move down by one. Beside the window the n-grams that are known for the last
 * token are checked, and so is column 0.
 *
 * Takes a target with trees, drafts nothing elsewhere, and has its own draft length, since the block
 * has a fixed shape; where that does not fit, n-grams alone are drafted. The size of a block is
 * about `(level - 1) (window + guesses)`, so that it pays only where such a block costs little more
 * than one row.
 *
 * Cost: O(rows²) comparisons per step to lay the block out.
 *
 * @throws {@link InferenceError} `range` for an option outside its interval.
 * @see Fu et al., arXiv:2402.02057; `docs/algorithms/lookahead-decoding.md`
 */
export function lookahead(options: LookaheadOptions = {}): Drafter {
  const { window = 5, level = 4, guesses = 5, prompt = true } = options;
  expectRange("window", window, "an integer in [1, 64]", isIn(window, 1, 64));
  expectRange("level", level, "an integer in [2, 16]", isIn(level, 2, 16));
  expectRange("guesses", guesses, "an integer in [1, 64]", isIn(guesses, 1, 64));
  const pool = new NgramPool(level, guesses);
  const size = (level - 1) * (window + guesses) - 1;
  let tokens: TokenView | null = null;
  /** `levels[l][column]`; column 0 of level 0 is not used, the last token of the text stands there. */
  let levels: Uint32Array[] = [];
  let pending: Pending | null = null;

  const begin = ({ history, random }: DraftContext): void => {
    tokens = history;
    const position = history.start + history.length;
    const draw = (column: number): number =>
      Math.floor(history.length * random.uniform(position, randomStream.draft, column));
    levels = [Uint32Array.from({ length: window }, (_, column) => history.at(draw(column)))];
    if (!prompt) return;
    for (let i = 0; i + level <= history.length; i++) pool.add(history.slice(i, i + level));
  };

  return {
    kinds: ["point"],
    trees: true,
    wants: { top: 1 },
    draftLength: constantLength(size),
    propose(context) {
      if (tokens !== context.history) begin(context);
      const { history, maxTokens, maxDepth, tree } = context;
      const root = history.at(history.length - 1);
      const draft: number[] = [];
      const parents: number[] = [];
      const add = (parent: number, token: number): number => {
        draft.push(token);
        return parents.push(parent) - 1;
      };
      if (!tree) return toDraft(draft, parents);
      for (const ngram of pool.after(root)) {
        let parent = -1;
        const length = Math.min(level, maxDepth + 1);
        for (let i = 1; i < length; i++) parent = add(parent, ngram[i]!);
      }
      const windowStart = draft.length;
      pending = null;
      const deepest = window - 1 + levels.length - 1;
      if (windowStart + levels.length * window - 1 > maxTokens || deepest > maxDepth) {
        return toDraft(draft, parents);
      }
      let below = [-1];
      for (let column = 1; column < window; column++) {
        below.push(add(below[column - 1]!, levels[0]![column]!));
      }
      for (const row of levels.slice(1)) {
        below = below.map((parent, column) => add(parent, row[column]!));
      }
      const result = toDraft(draft, parents);
      const { rowOf, tokens: rows } = mergeSiblings(root, result.tokens, result.parents!);
      pending = { rowOf, windowStart, rows: rows.length };
      return result;
    },
    observe({ tokens: rows, top }) {
      if (pending === null || pending.rows !== rows.length) return;
      const { rowOf, windowStart } = pending;
      pending = null;
      const last = levels.length - 1;
      const next = Uint32Array.from({ length: window }, (_, column) => {
        // Level 0 has no node for column 0, which is the root.
        const node = windowStart + last * window - 1 + column;
        const row = last === 0 && column === 0 ? 0 : rowOf[node]!;
        return top.ids[row * top.k]!;
      });
      if (levels.length < level - 1) {
        levels.push(next);
        return;
      }
      for (let column = 0; column < window; column++) {
        const key = column === 0 ? rows[0]! : levels[0]![column]!;
        pool.add([key, ...levels.slice(1).map((row) => row[column]!), next[column]!]);
      }
      levels = [...levels.slice(1), next];
    },
  };
}

function toDraft(tokens: readonly number[], parents: readonly number[]): Draft {
  return { tokens: Uint32Array.from(tokens), parents: Int32Array.from(parents), runMs: 0 };
}

function isIn(value: number, low: number, high: number): boolean {
  return Number.isInteger(value) && value >= low && value <= high;
}
