import { InferenceError } from "@frugal/core";
import { unigramScores } from "../models/sentencepiece.ts";
import { Charsmap } from "../normalizers/charsmap.ts";
import type { TemplatePiece, Templates } from "../post-processors/template.ts";
import { encodeBase64 } from "./base64.ts";
import { definingMerges } from "./defining-merges.ts";
import { writeAddedTokens } from "./hf-added-tokens.ts";
import type { SentencePiece, SentencePieceModel } from "./sentencepiece-model.ts";

const SPACE = "\u2581";

/**
 * The `tokenizer.json` of a sentencepiece model.
 *
 * The ids are the same but where the format has no way to say it: a character map is applied to
 * clusters of characters there, and takes the shortest rule; control pieces and the unknown one are
 * always looked for in the text, each stretch between them being a text of its own; scores are summed
 * up in 64 bits, an unknown character being worth less than the user's symbols too; of byte-pair
 * pieces with equal scores not the leftmost merge first. In decoding, all spaces in front go.
 *
 * @throws {@link InferenceError} `unsupported`, naming what it is, where more than that is lost: models
 *   of words, spaces after words, denormalization, unused pieces, byte-pair pieces without scores or
 *   with characters that are no pieces, and symbols of the user's that the space in front, or a
 *   character map, could touch.
 */
export function writeSentencePieceJson(
  model: SentencePieceModel,
  { single, pair }: Templates,
): object {
  refuseOthers(model);
  const isUnigram = model.algorithm === "unigram";
  const addedTypes = ["control", "unknown", isUnigram ? "" : "user-defined"];
  const added = model.pieces.flatMap(({ piece, type }, id) => {
    if (!addedTypes.includes(type)) return [];
    const flags = { singleWord: false, lstrip: false, rstrip: false };
    const special = type !== "user-defined";
    return [{ id, content: piece, ...flags, special, normalized: !special }];
  });
  const framed = single.length > 1;
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: writeAddedTokens(added),
    normalizer: { type: "Sequence", normalizers: normalizersOf(model) },
    pre_tokenizer: null,
    post_processor: framed ? templateOf(model, single, pair) : null,
    decoder: { type: "Sequence", decoders: decodersOf(model) },
    model: isUnigram ? unigramOf(model) : bpeOf(model),
  };
}

function refuseOthers(model: SentencePieceModel): void {
  const { pieces, algorithm, addDummyPrefix, removeExtraSpaces } = model;
  if (algorithm === "word") refuse("a model of words");
  if (model.spaceAsSuffix) refuse("a model that puts spaces after words");
  if (model.denormalizer.length > 0) refuse("a model that changes what it decodes");
  const map = model.charsmap.length > 0 ? new Charsmap(model.charsmap, "model charsmap") : null;
  pieces.forEach(({ piece, type }) => {
    const spelled = JSON.stringify(piece);
    if (type === "unused" && algorithm !== "char") refuse(`the unused piece ${spelled}`);
    if (type !== "user-defined") return;
    const isTouched = map !== null && isTouchedBy(map, piece);
    if (piece.includes(" ") || isTouched) refuse(`the symbol ${spelled}, which is normalized,`);
    const isAdded = algorithm !== "unigram";
    if (isAdded && (addDummyPrefix || removeExtraSpaces)) {
      refuse(`the symbol ${spelled} of the user's`);
    }
  });
}

/** Whether a rule could apply in, or begin at, a character of a piece. */
function isTouchedBy(map: Charsmap, piece: string): boolean {
  for (let at = 0; at < piece.length; at++) {
    if (map.longest(piece, at) !== null || map.mayGoOn(piece, at)) return true;
  }
  return false;
}

function normalizersOf(model: SentencePieceModel): object[] {
  const { charsmap, removeExtraSpaces, escapeSpaces, addDummyPrefix } = model;
  const space = escapeSpaces ? SPACE : " ";
  const replace = (Regex: string, content: string): object => ({
    type: "Replace",
    pattern: { Regex },
    content,
  });
  const map = { type: "Precompiled", precompiled_charsmap: encodeBase64(charsmap) };
  return [
    ...(charsmap.length > 0 ? [map] : []),
    ...(removeExtraSpaces ? [replace("\\A +", ""), replace(" {2,}", " ")] : []),
    ...(escapeSpaces ? [{ type: "Replace", pattern: { String: " " }, content: SPACE }] : []),
    ...(removeExtraSpaces ? [replace(`${space}+\\z`, "")] : []),
    ...(addDummyPrefix ? [{ type: "Prepend", prepend: space }] : []),
  ];
}

function decodersOf(model: SentencePieceModel): object[] {
  const { pieces, addDummyPrefix, removeExtraSpaces, byteFallback } = model;
  const replace = (pattern: object, content: string): object => ({
    type: "Replace",
    pattern,
    content,
  });
  const control = pieces.filter(({ type }) => type === "control").map(spell);
  const unknown = pieces.filter(({ type }) => type === "unknown").map(spell);
  const start = removeExtraSpaces ? 1 << 16 : addDummyPrefix ? 1 : 0;
  return [
    ...(control.length > 0 ? [replace({ Regex: `\\A(?:${control.join("|")})\\z` }, "")] : []),
    replace({ Regex: `\\A(?:${unknown.join("|")})\\z` }, model.unknownSurface),
    replace({ String: SPACE }, " "),
    ...(byteFallback ? [{ type: "ByteFallback" }] : []),
    { type: "Fuse" },
    ...(start > 0 ? [{ type: "Strip", content: " ", start, stop: 0 }] : []),
  ];
}

/** A piece as a pattern. */
function spell({ piece }: SentencePiece): string {
  return piece.replace(/[\\^$.*+?()[\]{}|\-&#\s]/gu, "\\$&");
}

function unigramOf(model: SentencePieceModel): object {
  const { scores, lowest } = unigramScores(model);
  // All pieces are tried on the text: those that should not be are worth the least that costs nothing.
  const least = Number.isFinite(lowest) ? lowest : 0;
  return {
    type: "Unigram",
    unk_id: model.pieces.findIndex(({ type }) => type === "unknown"),
    vocab: model.pieces.map(({ piece, type }, id) => [
      piece,
      type === "normal" || type === "user-defined" ? scores[id]! : least,
    ]),
    byte_fallback: model.byteFallback,
  };
}

function bpeOf({ pieces, algorithm, byteFallback }: SentencePieceModel): object {
  const merged = pieces.filter(({ type }) => type === "normal" || type === "user-defined");
  const scores = new Map(merged.map(({ piece, score }) => [piece, score]));
  const merges = algorithm === "char" ? [] : definingMerges(scores);
  const ids = new Map(pieces.map(({ piece }, id) => [piece, id]));
  const part = merges.flat().find((each) => !ids.has(each));
  if (part !== undefined) refuse(`a piece with ${JSON.stringify(part)}, which is none,`);
  const ordered = new Set(merges.map((parts) => scores.get(parts.join(""))));
  if (merges.length > 1 && ordered.size === 1) refuse("a model without scores to merge by");
  return {
    type: "BPE",
    vocab: Object.fromEntries(ids),
    merges,
    unk_token: pieces.find(({ type }) => type === "unknown")!.piece,
    fuse_unk: true,
    byte_fallback: byteFallback,
  };
}

function templateOf(
  { pieces }: SentencePieceModel,
  single: readonly TemplatePiece[],
  pair: readonly TemplatePiece[],
): object {
  const used = single.flatMap((each) => ("ids" in each ? each.ids : []));
  const write = (each: TemplatePiece): object =>
    "ids" in each
      ? { SpecialToken: { id: pieces[each.ids[0]!]!.piece, type_id: each.typeId } }
      : { Sequence: { id: each.sequence === 0 ? "A" : "B", type_id: each.typeId } };
  return {
    type: "TemplateProcessing",
    single: single.map(write),
    pair: pair.map(write),
    special_tokens: Object.fromEntries(
      used.map((id) => [
        pieces[id]!.piece,
        { id: pieces[id]!.piece, ids: [id], tokens: [pieces[id]!.piece] },
      ]),
    ),
  };
}

function refuse(what: string): never {
  throw new InferenceError("unsupported", `model: ${what} in a tokenizer.json is not supported`);
}
