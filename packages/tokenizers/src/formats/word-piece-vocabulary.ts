import { InferenceError } from "@frugal/core";
import { createTokenizer } from "../create-tokenizer.ts";
import type { Tokenizer } from "../tokenizer.ts";

/** What a `vocab.txt` leaves open. */
export interface WordPieceVocabularyOptions {
  /** Whether upper and lower case are the same, as in models called uncased. */
  readonly lowercase: boolean;
}

const SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/**
 * Makes a BERT tokenizer from a `vocab.txt`: a token a line, its id the number of the line from 0.
 *
 * Text is cleaned, taken apart at spaces, punctuation and ideographs, and framed by `[CLS]` and
 * `[SEP]`, as BERT's own tokenizer does. `[CLS]`, `[SEP]` and `[UNK]` must be there.
 *
 * @throws {@link InferenceError} `format`, with the line, if a token is missing or there twice.
 */
export function fromWordPieceVocabulary(
  text: string,
  { lowercase }: WordPieceVocabularyOptions,
): Tokenizer {
  const lines = text.split("\n").map((line) => (line.endsWith("\r") ? line.slice(0, -1) : line));
  while (lines.at(-1) === "") lines.pop();
  return wordPieceTokenizer(lines, lowercase, "vocab.txt");
}

/** BERT's tokenizer for a list of tokens. `place` is for messages. */
export function wordPieceTokenizer(
  tokens: readonly string[],
  lowercase: boolean,
  place: string,
): Tokenizer {
  const vocab = new Map<string, number>();
  tokens.forEach((token, id) => {
    const known = vocab.get(token);
    if (known !== undefined) {
      const expected = `expected a token of its own, got ${JSON.stringify(token)}`;
      throw new InferenceError(
        "format",
        `${place} line ${id + 1}: ${expected} of line ${known + 1}`,
      );
    }
    vocab.set(token, id);
  });
  const idOf = (token: string): number => {
    const id = vocab.get(token);
    if (id === undefined) {
      throw new InferenceError("format", `${place}: expected a token ${token}, got none`);
    }
    return id;
  };
  idOf("[UNK]");
  const frame = ["[CLS]", "[SEP]"].map((token) => [
    token,
    { id: token, ids: [idOf(token)], tokens: [token] },
  ]);
  const piece = (id: string, type: number): object => ({ SpecialToken: { id, type_id: type } });
  const sequence = (id: string, type: number): object => ({ Sequence: { id, type_id: type } });
  const single = [piece("[CLS]", 0), sequence("A", 0), piece("[SEP]", 0)];
  return createTokenizer(
    {
      version: "1.0",
      added_tokens: SPECIAL.filter((token) => vocab.has(token)).map((content) => ({
        content,
        special: true,
        normalized: false,
      })),
      normalizer: {
        type: "BertNormalizer",
        clean_text: true,
        handle_chinese_chars: true,
        strip_accents: null,
        lowercase,
      },
      pre_tokenizer: { type: "BertPreTokenizer" },
      post_processor: {
        type: "TemplateProcessing",
        single,
        pair: [...single, sequence("B", 1), piece("[SEP]", 1)],
        special_tokens: Object.fromEntries(frame),
      },
      decoder: { type: "WordPiece", prefix: "##", cleanup: true },
      model: {
        type: "WordPiece",
        unk_token: "[UNK]",
        continuing_subword_prefix: "##",
        max_input_chars_per_word: 100,
        vocab: Object.fromEntries(vocab),
      },
    },
    vocab.has("[PAD]") ? { pad_token: "[PAD]" } : {},
  );
}
