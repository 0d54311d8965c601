import { tokenStep, type DecoderStep } from "./stage.ts";

/**
 * A token with the prefix goes on with the word, any other begins one, with a space before it unless
 * it is the first. `cleanup` takes out spaces that English has not, within the token.
 *
 * @see `WordPiece` in huggingface/tokenizers (3ba8ad0): tokenizers/src/decoders/wordpiece.rs
 */
export function wordPieceStep(prefix: string, cleanup: boolean): DecoderStep {
  return tokenStep((token, isFirst) => {
    const joined = token.startsWith(prefix) ? token.slice(prefix.length) : ` ${token}`;
    const text = isFirst ? token : joined;
    return cleanup ? tighten(text) : text;
  });
}

/**
 * Drops repeated tokens and the padding inside them, as the output of speech models needs.
 *
 * @see `CTC` in huggingface/tokenizers (3ba8ad0): tokenizers/src/decoders/ctc.rs
 */
export function ctcStep(padding: string, delimiter: string, cleanup: boolean): DecoderStep {
  return () => {
    let last: string | null = null;
    return tokenStep((token) => {
      if (token === last) return null;
      last = token;
      const text = replaceLiteral(token, padding, "");
      const clean = cleanup ? replaceLiteral(tighten(text), delimiter, " ") : text;
      return clean === "" ? null : clean;
    })();
  };
}

/** Replaces every occurrence as text: no pattern, no group references. */
export function replaceLiteral(text: string, literal: string, content: string): string {
  return text.replaceAll(literal, () => content);
}

function tighten(text: string): string {
  return text
    .replaceAll(" .", ".")
    .replaceAll(" ?", "?")
    .replaceAll(" !", "!")
    .replaceAll(" ,", ",")
    .replaceAll(" ' ", "'")
    .replaceAll(" n't", "n't")
    .replaceAll(" 'm", "'m")
    .replaceAll(" do not", " don't")
    .replaceAll(" 's", "'s")
    .replaceAll(" 've", "'ve")
    .replaceAll(" 're", "'re");
}
