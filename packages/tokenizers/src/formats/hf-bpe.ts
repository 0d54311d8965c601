import type { ByteLevelBpeInit } from "../models/bpe.ts";
import { byteAlphabet } from "../byte-alphabet.ts";
import { PairTable } from "../models/pair-table.ts";
import type { JsonReader } from "./json-reader.ts";

/**
 * Reads a byte-pair encoding model: vocabulary, and merges as pairs or, in older files, as two
 * tokens with one space between them.
 *
 * @see huggingface/tokenizers (3ba8ad0): tokenizers/src/models/bpe/serialization.rs
 */
export function readBpe(model: JsonReader): ByteLevelBpeInit {
  const type = model.member("type");
  // Files from before 2020 do not say; merges are what only this model has.
  if (type.isAbsent) model.member("merges").array();
  else if (type.string() !== "BPE") type.refuse(`model "${type.string()}"`);
  refuseOptions(model);

  const vocab = readVocab(model.member("vocab"));
  refuseUnknown(model.member("unk_token"), vocab);
  return {
    vocab,
    pairs: readMerges(model.member("merges"), vocab),
    ignoreMerges: model.member("ignore_merges").boolean(false),
  };
}

function refuseOptions(model: JsonReader): void {
  const dropout = model.member("dropout");
  if (!dropout.isAbsent && dropout.value !== 0) dropout.refuse("dropout");
  const fallback = model.member("byte_fallback");
  if (fallback.boolean(false)) fallback.refuse("byte fallback");
  for (const name of ["continuing_subword_prefix", "end_of_word_suffix"]) {
    const affix = model.member(name);
    if ((affix.optionalString() ?? "") !== "") affix.refuse("a model with affixes");
  }
}

/** An unknown token is out of reach while every byte has a token of its own. */
function refuseUnknown(unknown: JsonReader, vocab: ReadonlyMap<string, number>): void {
  if (unknown.optionalString() === null) return;
  const missing = byteAlphabet().findIndex((character) => !vocab.has(character));
  if (missing >= 0) {
    const byte = missing.toString(16).padStart(2, "0").toUpperCase();
    unknown.refuse(`an unknown token beside a vocabulary without byte ${byte}`);
  }
}

function readVocab(reader: JsonReader): Map<string, number> {
  const vocab = new Map<string, number>();
  const owners = new Map<number, string>();
  for (const [token, id] of Object.entries(reader.object())) {
    if (typeof id !== "number" || !Number.isInteger(id) || id < 0 || id >= 2 ** 24) {
      reader.member(token).id();
    }
    const known = owners.get(id as number);
    if (known !== undefined) {
      reader.member(token).fail(`an id of its own, not that of ${JSON.stringify(known)}`);
    }
    // The check above proved it.
    owners.set(id as number, token);
    vocab.set(token, id as number);
  }
  return vocab;
}

function readMerges(reader: JsonReader, vocab: ReadonlyMap<string, number>): PairTable {
  const merges = reader.value;
  if (!Array.isArray(merges)) return reader.fail("an array");
  const pairs = new PairTable(merges.length);
  merges.forEach((merge: unknown, rank) => {
    const [left, right] = splitMerge(merge, reader, rank);
    const leftId = vocab.get(left);
    const rightId = vocab.get(right);
    const merged = vocab.get(left + right);
    if (leftId === undefined || rightId === undefined || merged === undefined) {
      const unknown = leftId === undefined ? left : rightId === undefined ? right : left + right;
      return reader
        .at(rank)
        .fail(`tokens of the vocabulary, which lacks ${JSON.stringify(unknown)}`);
    }
    return pairs.set(leftId, rightId, rank, merged);
  });
  return pairs;
}

function splitMerge(merge: unknown, reader: JsonReader, rank: number): [string, string] {
  const parts: unknown = typeof merge === "string" ? merge.split(" ") : merge;
  if (Array.isArray(parts) && parts.length === 2) {
    const [left, right] = parts as readonly unknown[];
    if (typeof left === "string" && typeof right === "string") return [left, right];
  }
  return reader.at(rank).fail("two tokens");
}
