import { InferenceError } from "@frugal/core";
import { SentencePieceSegmenter, bytePiece } from "../models/sentencepiece.ts";
import { TokenTrie } from "../models/token-trie.ts";
import { Charsmap } from "../normalizers/charsmap.ts";
import type { SentencePieceRules } from "../normalizers/sentencepiece.ts";
import type { SentencePieceModel } from "./sentencepiece-model.ts";

/** The working parts of a sentencepiece model. */
export interface SentencePieceParts {
  /** All pieces. */
  readonly ids: ReadonlyMap<string, number>;
  readonly unknownId: number;
  readonly rules: SentencePieceRules;
  readonly model: SentencePieceSegmenter;
}

/**
 * Builds the parts that a sentencepiece model describes. O(pieces).
 *
 * @throws {@link InferenceError} `format` if a piece is there twice, not exactly one is the unknown
 *   one, or a byte is missing that characters fall back to.
 */
export function buildSentencePiece(model: SentencePieceModel): SentencePieceParts {
  const fail = (message: string): never => {
    throw new InferenceError("format", `model pieces${message}`);
  };
  const ids = new Map<string, number>();
  const userDefined = new TokenTrie();
  let hasUserDefined = false;
  let unknownId = -1;
  model.pieces.forEach(({ piece, type }, id) => {
    const known = ids.get(piece);
    const spelling = JSON.stringify(piece);
    if (known !== undefined) fail(`[${id}]: expected a piece of its own, got ${spelling} again`);
    if (type === "unknown" && unknownId >= 0) {
      fail(`[${id}]: expected one unknown piece, got ${spelling} beside [${unknownId}]`);
    }
    if (type === "unknown") unknownId = id;
    if (type === "user-defined") {
      userDefined.set(piece, id);
      hasUserDefined = true;
    }
    ids.set(piece, id);
  });
  if (unknownId < 0) fail(": expected one unknown piece, got none");
  for (let byte = 0; model.byteFallback && byte < 256; byte++) {
    if (!ids.has(bytePiece(byte))) fail(`: expected ${bytePiece(byte)} to fall back to, got none`);
  }
  const symbols = hasUserDefined ? userDefined : null;
  return {
    ids,
    unknownId,
    rules: {
      charsmap: model.charsmap.length > 0 ? new Charsmap(model.charsmap, "model charsmap") : null,
      userDefined: symbols,
      addDummyPrefix: model.addDummyPrefix,
      removeExtraSpaces: model.removeExtraSpaces,
      escapeSpaces: model.escapeSpaces,
      spaceAsSuffix: model.spaceAsSuffix,
    },
    model: new SentencePieceSegmenter(model, ids, unknownId, symbols),
  };
}
