import { rangesToClass } from "../character-ranges.ts";
import { PUNCTUATION } from "../character-tables.ts";
import { byteLevelPreTokenizer } from "../pre-tokenizers/byte-level.ts";
import { byteStandIns } from "../pre-tokenizers/byte-stand-ins.ts";
import { digitsPreTokenizer } from "../pre-tokenizers/digits.ts";
import { fixedLengthPreTokenizer } from "../pre-tokenizers/fixed-length.ts";
import { metaspace } from "../pre-tokenizers/metaspace.ts";
import { PatternMatcher } from "../pre-tokenizers/pattern-matcher.ts";
import { cutStep, pieceSequence, type PieceStep } from "../pre-tokenizers/piece.ts";
import type { PreTokenizer } from "../pre-tokenizers/pre-tokenizer.ts";
import { preTokenizerSequence } from "../pre-tokenizers/sequence.ts";
import { scriptsPreTokenizer } from "../pre-tokenizers/scripts.ts";
import { splitPreTokenizer } from "../pre-tokenizers/split.ts";
import { escapeLiteral, readCharacter, readMetaspace, readPattern } from "./hf-pattern.ts";
import type { JsonReader } from "./json-reader.ts";

const BEHAVIORS = [
  "Removed",
  "Isolated",
  "MergedWithPrevious",
  "MergedWithNext",
  "Contiguous",
] as const;

/**
 * Reads a pre-tokenizer whose only step that writes stand-ins for bytes is the last one, as the
 * cutting half: a model over bytes does the other. Null for any other pre-tokenizer.
 */
export function readBytePreTokenizer(reader: JsonReader): PreTokenizer | null {
  if (reader.isAbsent) return null;
  const steps = flatten(reader);
  const last = steps.at(-1);
  if (last === undefined || last.member("type").value !== "ByteLevel") return null;
  const cuts: PreTokenizer[] = [];
  for (const step of steps.slice(0, -1)) {
    const cut = readCut(step);
    if (cut === null) return null;
    cuts.push(cut);
  }
  const prefix = last.member("add_prefix_space").boolean();
  const useRegex = last.member("use_regex").boolean(true);
  // Without prefix and pattern it only maps bytes, which the model does itself.
  if (prefix || useRegex || cuts.length === 0) cuts.push(byteLevelPreTokenizer(prefix, useRegex));
  return preTokenizerSequence(cuts);
}

/** The steps of a sequence, of sequences in it too, in order. */
function flatten(reader: JsonReader): JsonReader[] {
  if (reader.member("type").string() !== "Sequence") return [reader];
  return reader.member("pretokenizers").array().flatMap(flatten);
}

/** Reads any pre-tokenizer; null where there is none. */
export function readPreTokenizer(reader: JsonReader): PieceStep | null {
  if (reader.isAbsent) return null;
  return pieceSequence(flatten(reader).map(readStep));
}

/** Whether a step looks at where in the text a piece begins. */
export function looksAtStart(reader: JsonReader): boolean {
  if (reader.isAbsent) return false;
  return flatten(reader).some((step) => step.member("prepend_scheme").value === "first");
}

function readStep(reader: JsonReader): PieceStep {
  const cut = readCut(reader);
  if (cut !== null) return cutStep(cut);
  const type = reader.member("type").string();
  switch (type) {
    case "ByteLevel":
      return byteStandIns(
        reader.member("add_prefix_space").boolean(),
        reader.member("use_regex").boolean(true),
      );
    case "Metaspace": {
      const { mark, scheme } = readMetaspace(reader);
      return metaspace(mark, scheme, reader.member("split").boolean(true));
    }
    default:
      return reader.refuse(`pre-tokenizer "${type}"`);
  }
}

/** Reads a step that cuts and changes nothing; null for any other. */
function readCut(reader: JsonReader): PreTokenizer | null {
  const at = (pattern: string, behavior: (typeof BEHAVIORS)[number], invert = false) =>
    splitPreTokenizer(new PatternMatcher(pattern, "u"), behavior, invert);
  switch (reader.member("type").value) {
    case "Digits":
      return digitsPreTokenizer(reader.member("individual_digits").boolean());
    case "Split":
      return splitPreTokenizer(
        readPattern(reader.member("pattern")),
        reader.member("behavior").choice(BEHAVIORS),
        reader.member("invert").boolean(false),
      );
    case "Whitespace": {
      const word = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}";
      return at(`[${word}]+|[^${word}\\p{White_Space}]+`, "Removed", true);
    }
    case "WhitespaceSplit":
      return at("\\p{White_Space}", "Removed");
    case "BertPreTokenizer":
      return preTokenizerSequence([
        at("\\p{White_Space}", "Removed"),
        at(`[${rangesToClass(PUNCTUATION)}]`, "Isolated"),
      ]);
    case "Punctuation": {
      const behavior = reader.member("behavior");
      return at(
        `[${rangesToClass(PUNCTUATION)}]`,
        behavior.isAbsent ? "Isolated" : behavior.choice(BEHAVIORS),
      );
    }
    case "UnicodeScripts":
      return scriptsPreTokenizer();
    case "CharDelimiterSplit":
      return at(escapeLiteral(readCharacter(reader.member("delimiter"))), "Removed");
    case "FixedLength": {
      const length = reader.member("length");
      const count = length.isAbsent ? 5 : length.id();
      return fixedLengthPreTokenizer(count > 0 ? count : length.fail("at least 1"));
    }
    default:
      return null;
  }
}
