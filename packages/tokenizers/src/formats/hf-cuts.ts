import type { CutRule } from "../cuts/cut-rule.ts";
import { LocalCuts, type LocalCutsInit } from "../cuts/local-cuts.ts";
import { MergeCuts } from "../cuts/merge-cuts.ts";
import { PatternReach } from "../cuts/pattern-reach.ts";
import { type CutStep, patternStep, spaceStep } from "../cuts/pattern-step.ts";
import type { MergeReach } from "../models/merge-reach.ts";
import type { Model } from "../models/model.ts";
import { GPT2_PATTERN } from "../pre-tokenizers/byte-level.ts";
import { PatternMatcher } from "../pre-tokenizers/pattern-matcher.ts";
import type { JsonReader } from "./json-reader.ts";
import { translatePattern } from "./oniguruma.ts";

/**
 * Finds out where a text may be cut for the tokenizer of a file that has been read without
 * complaint; `null` if that is not known.
 *
 * It is known for: no normalizer, or Unicode forms, Lowercase, StripAccents and BertNormalizer; then
 * a pre-tokenizer of ByteLevel with its pattern, Split that isolates or removes matches of a pattern
 * without look-behind and anchors, Digits, Whitespace, WhitespaceSplit, CharDelimiterSplit,
 * Punctuation, Bert's and Metaspace. It is known, too, where a normalizer does no more than replace spaces,
 * after it may have put their mark in front, and byte-pair encoding merges whole texts. It is not
 * for Precompiled, Strip and other uses of Prepend and Replace, nor with truncation or padding.
 */
export function readCuts(file: JsonReader, parts: CutParts): CutRule | null {
  const { truncation, padding, normalizer, pre_tokenizer: preTokenizer } = file.object();
  const { strategy, pad_to_multiple_of: multiple } = asComponent(padding);
  const pads = asComponent(padding) === padding && (strategy !== "BatchLongest" || multiple);
  if ((truncation ?? null) !== null || pads) return null;
  const marks = marksOf(normalizer);
  const { createReach, normalizedTokens, rawTokens: tokens } = parts;
  if (marks !== null && createReach !== null && normalizedTokens.isEmpty) {
    if (!neverCuts(preTokenizer)) return null;
    return new MergeCuts({ tokens, ...marks, createReach, createModel: parts.createModel });
  }
  if (!isLocal(normalizer)) return null;
  const steps = stepsOf(preTokenizer);
  return steps === null || steps.length === 0 ? null : new LocalCuts({ ...parts, steps });
}

/** What cuts are made from. */
export interface CutParts extends Omit<LocalCutsInit, "steps"> {
  readonly createModel: () => Model;
  readonly createReach: (() => MergeReach) | null;
}

type Component = Readonly<Record<string, unknown>>;

// The readers of the parts have checked the shapes; here they are only looked at.
function asComponent(value: unknown): Component {
  return typeof value === "object" && value !== null ? (value as Component) : {};
}

/** What a normalizer puts in front and in place of spaces, if that is one mark; null if it is another. */
function marksOf(value: unknown): { readonly prepended: string; readonly mark: string } | null {
  const { type, normalizers } = asComponent(value);
  const steps =
    type === "Sequence" ? (normalizers as unknown[]).map(asComponent) : [asComponent(value)];
  const replace = asComponent(steps.at(-1));
  const mark = String(replace["content"]);
  if (replace["type"] !== "Replace" || asComponent(replace["pattern"])["String"] !== " ")
    return null;
  if (mark.length !== 1 || mark === " ") return null;
  if (steps.length === 1) return { prepended: "", mark };
  const [first] = steps;
  const isPrepend =
    steps.length === 2 && first!["type"] === "Prepend" && first!["prepend"] === mark;
  return isPrepend ? { prepended: mark, mark } : null;
}

/** Whether a pre-tokenizer is none, or cuts at spaces, of which none are left. */
function neverCuts(value: unknown): boolean {
  if (value === null || value === undefined) return true;
  const { type, pattern: sought, invert } = asComponent(value);
  return type === "Split" && invert !== true && asComponent(sought)["String"] === " ";
}

/** Normalizers that work on each character, and the marks behind it, alone. */
function isLocal(value: unknown): boolean {
  if (value === null || value === undefined) return true;
  const { type, normalizers } = asComponent(value);
  if (type === "Sequence") return Array.isArray(normalizers) && normalizers.every(isLocal);
  return ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "BertNormalizer"].includes(
    String(type),
  );
}

/** The steps of a pre-tokenizer; null if one of them is not understood. */
function stepsOf(value: unknown): readonly CutStep[] | null {
  const part = asComponent(value);
  switch (part["type"]) {
    case "Sequence": {
      const steps: CutStep[] = [];
      const parts = part["pretokenizers"] as unknown[];
      for (const [i, each] of parts.entries()) {
        const inner = stepsOf(each);
        // What stands behind ByteLevel sees stand-ins instead of the text; and a mark for the first
        // piece alone needs to see that a text behind a cut begins with a space.
        const hidden = i < parts.length - 1 && holds(each, isByteLevel);
        if (inner === null || hidden || (i > 0 && holds(each, isForFirst))) return null;
        steps.push(...inner);
      }
      return steps;
    }
    case "ByteLevel":
      if (part["use_regex"] === false) return part["add_prefix_space"] === true ? null : [];
      return pattern(GPT2_PATTERN, "u", part["add_prefix_space"] === true);
    case "Split":
      return splitStep(part);
    case "Digits":
      return pattern(part["individual_digits"] === true ? "\\p{N}" : "\\p{N}+");
    case "WhitespaceSplit":
      return pattern("\\p{White_Space}");
    case "Whitespace": {
      const word = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}";
      return pattern(`[${word}]+|[^${word}\\p{White_Space}]+`);
    }
    case "CharDelimiterSplit":
      return pattern(`\\u{${String(part["delimiter"]).codePointAt(0)!.toString(16)}}`);
    case "BertPreTokenizer":
      return pattern("\\p{White_Space}|[\\p{P}!-\\/:-@\\[-\\x60\\{-~]");
    case "Punctuation":
      if (!cutsAtMatches(part["behavior"] ?? "Isolated")) return null;
      return pattern("[\\p{P}!-\\/:-@\\[-\\x60\\{-~]");
    case "Metaspace":
      return part["split"] === false ? null : [spaceStep(String(part["replacement"]))];
    default:
      return null;
  }
}

/** Whether a pre-tokenizer, or one in it, has a property. */
function holds(value: unknown, has: (part: Component) => boolean): boolean {
  const part = asComponent(value);
  const { pretokenizers } = part;
  return has(part) || (Array.isArray(pretokenizers) && pretokenizers.some((p) => holds(p, has)));
}

const isByteLevel = (part: Component): boolean => part["type"] === "ByteLevel";
const isForFirst = (part: Component): boolean => part["prepend_scheme"] === "first";

function pattern(source: string, flag: "u" | "v" = "u", prefix = false): CutStep[] | null {
  const reach = PatternReach.of(source, flag);
  return reach && [patternStep(new PatternMatcher(source, flag), reach, prefix)];
}

/** Whether a piece ends where a match does, whatever follows. */
function cutsAtMatches(behavior: unknown): boolean {
  return behavior === "Isolated" || behavior === "Removed";
}

function splitStep(part: Component): CutStep[] | null {
  if (!cutsAtMatches(part["behavior"])) return null;
  const { String: literal, Regex: regex } = asComponent(part["pattern"]);
  if (typeof regex === "string") {
    const { source, flag, ahead } = translatePattern(regex, "pattern");
    return ahead === source ? pattern(source, flag) : null;
  }
  const units = Array.from(
    String(literal),
    (letter) => `\\u{${letter.codePointAt(0)!.toString(16)}}`,
  );
  return pattern(units.join(""));
}
