import { byteLevelPreTokenizer } from "../pre-tokenizers/byte-level.ts";
import { digitsPreTokenizer } from "../pre-tokenizers/digits.ts";
import { PatternMatcher } from "../pre-tokenizers/pattern-matcher.ts";
import type { PreTokenizer } from "../pre-tokenizers/pre-tokenizer.ts";
import { preTokenizerSequence } from "../pre-tokenizers/sequence.ts";
import { splitPreTokenizer } from "../pre-tokenizers/split.ts";
import type { JsonReader } from "./json-reader.ts";
import { translatePattern } from "./oniguruma.ts";

/**
 * Reads a pre-tokenizer. Its last step must be ByteLevel and no other may be: the model works on
 * the bytes of the pieces, so a step after it would look at text where the file means stand-ins.
 */
export function readPreTokenizer(reader: JsonReader): PreTokenizer {
  if (reader.isAbsent) reader.refuse("a model without a ByteLevel pre-tokenizer");
  const steps = flatten(reader);
  const last = steps.at(-1) ?? reader.fail("at least one pre-tokenizer");
  const isByteLevel = (step: JsonReader): boolean => step.member("type").value === "ByteLevel";
  if (!isByteLevel(last)) last.refuse("a pre-tokenizer that does not end with ByteLevel");
  steps.slice(0, -1).find(isByteLevel)?.refuse("a ByteLevel pre-tokenizer before the last step");
  const prefix = last.member("add_prefix_space").boolean();
  const useRegex = last.member("use_regex").boolean(true);
  const cuts = steps.slice(0, -1).map(readStep);
  // Without prefix and pattern it only maps bytes, which the model does itself.
  if (prefix || useRegex || cuts.length === 0) cuts.push(byteLevelPreTokenizer(prefix, useRegex));
  return preTokenizerSequence(cuts);
}

/** The steps of a sequence, of sequences in it too, in order. */
function flatten(reader: JsonReader): JsonReader[] {
  if (reader.member("type").string() !== "Sequence") return [reader];
  return reader.member("pretokenizers").array().flatMap(flatten);
}

function readStep(reader: JsonReader): PreTokenizer {
  const type = reader.member("type").string();
  switch (type) {
    case "Digits":
      return digitsPreTokenizer(reader.member("individual_digits").boolean());
    case "Split":
      return readSplit(reader);
    default:
      return reader.refuse(`pre-tokenizer "${type}"`);
  }
}

function readSplit(reader: JsonReader): PreTokenizer {
  const pattern = reader.member("pattern");
  const literal = pattern.member("String");
  const regex = pattern.member("Regex");
  if (literal.isAbsent === regex.isAbsent) pattern.fail('either "String" or "Regex"');
  const { source, flag } = literal.isAbsent
    ? translatePattern(regex.string(), regex.place)
    : { source: escapeLiteral(literal.string()), flag: "u" as const };
  const behavior = reader
    .member("behavior")
    .choice(["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]);
  const invert = reader.member("invert").boolean(false);
  return splitPreTokenizer(new PatternMatcher(source, flag), behavior, invert);
}

function escapeLiteral(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/gu, "\\$&");
}
