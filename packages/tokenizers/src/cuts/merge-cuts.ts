import type { AddedTokens } from "../added-tokens.ts";
import { toWellFormed } from "../character-classes.ts";
import type { MergeReach } from "../models/merge-reach.ts";
import type { Model } from "../models/model.ts";
import { TokenBuffer } from "../token-buffer.ts";
import type { CutRule, PartEncoder } from "./cut-rule.ts";

/** What {@link MergeCuts} knows of a tokenizer. */
export interface MergeCutsInit {
  /** Added tokens, all of them looked for in the text as it is. */
  readonly tokens: AddedTokens;
  /** What is put in front of a stretch of text; empty for nothing. */
  readonly prepended: string;
  /** The character that spaces become. */
  readonly mark: string;
  readonly createModel: () => Model;
  readonly createReach: () => MergeReach;
}

/**
 * Cuts of a tokenizer that knows no words: spaces become a mark, and a text is merged as a whole, as
 * in Llama 2, Mistral 7B v0.1 and Gemma.
 *
 * A place is a cut if no added token reads across it, and no merge joins what ends with the character
 * before it to what begins with the one behind it, both of them tokens. A part that goes on with a
 * stretch of text has nothing put in front.
 */
export class MergeCuts implements CutRule {
  readonly #init: MergeCutsInit;
  /** Made on first use: only cutting asks. */
  #reach: MergeReach | null = null;
  #model: Model | null = null;

  constructor(init: MergeCutsInit) {
    this.#init = init;
  }

  lastCut(text: string, special: "parse" | "text" = "parse"): number {
    // A high surrogate at the end may be completed by what follows: it is not looked at yet.
    const source = toWellFormed(/[\ud800-\udbff]$/.test(text) ? text.slice(0, -1) : text);
    let open = [0, 0];
    this.#init.tokens.split(source, special === "parse", (id, start, end) => {
      if (id < 0) open = [start, end];
    });
    const [start, end] = open as [number, number];
    for (let place = end - 1; place > start; place--) if (this.#isCut(source, place)) return place;
    return 0;
  }

  readonly openParts = (special: "parse" | "text" = "parse"): PartEncoder => {
    const { tokens, prepended, mark } = this.#init;
    this.#model ??= this.#init.createModel();
    const model = this.#model;
    let begun = false;
    return (part) => {
      const out = new TokenBuffer(false);
      const source = toWellFormed(part);
      tokens.split(source, special === "parse", (id, start, end) => {
        if (id < 0) {
          const piece = source.slice(start, end).replaceAll(" ", mark);
          model.encode(begun ? piece : prepended + piece, out);
        } else out.push(id, start, end);
        // What follows an added token is a stretch of its own.
        begun = id < 0;
      });
      return out.ids.slice(0, out.length);
    };
  };

  #isCut(text: string, place: number): boolean {
    const { tokens, mark, createReach } = this.#init;
    const [left, right] = [text[place - 1]!, text[place]!];
    this.#reach ??= createReach();
    const written = (unit: string): number => (unit === " " ? mark : unit).charCodeAt(0);
    if (!this.#reach.isParted(written(left), written(right))) return false;
    return !tokens.readsAcross(left, right);
  }
}
