import { byteAlphabet } from "../byte-alphabet.ts";
import { Bpe, type BpeInit } from "../models/bpe-characters.ts";
import { ByteLevelBpe } from "../models/bpe.ts";
import { MergeReach } from "../models/merge-reach.ts";
import { PairTable } from "../models/pair-table.ts";
import type { ModelFile } from "./hf-model.ts";
import type { JsonReader } from "./json-reader.ts";

/**
 * Reads a byte-pair encoding model: vocabulary, and merges as pairs or, in older files, as two
 * tokens with one space between them.
 *
 * @see huggingface/tokenizers (3ba8ad0): tokenizers/src/models/bpe/serialization.rs
 */
export function readBpe(model: JsonReader): ModelFile {
  const vocab = readVocab(model.member("vocab"));
  const prefix = model.member("continuing_subword_prefix").optionalString() ?? "";
  const init: BpeInit = {
    vocab,
    pairs: readMerges(model.member("merges"), vocab, prefix.length),
    ignoreMerges: model.member("ignore_merges").boolean(false),
    dropout: readDropout(model.member("dropout")),
    unknown: readUnknown(model.member("unk_token"), vocab),
    fuseUnknown: model.member("fuse_unk").boolean(false),
    byteFallback: model.member("byte_fallback").boolean(false),
    prefix,
    suffix: model.member("end_of_word_suffix").optionalString() ?? "",
  };
  return {
    ids: vocab,
    size: vocab.size,
    createByteModel: worksOnBytes(init) ? () => new ByteLevelBpe(init) : null,
    createModel: () => new Bpe(init),
    createReach: mergesAlone(init) ? () => new MergeReach(vocab, init.pairs) : null,
    toJson: () => writeBpe(init),
  };
}

function readDropout(reader: JsonReader): number {
  const value: unknown = reader.value ?? 0;
  return typeof value === "number" && value >= 0 && value <= 1
    ? value
    : reader.fail("a number in [0, 1]");
}

function readUnknown(reader: JsonReader, vocab: ReadonlyMap<string, number>): BpeInit["unknown"] {
  const token = reader.optionalString();
  return token === null ? null : { token, id: vocab.get(token) ?? -1 };
}

/** Whether bytes and their stand-ins come to the same: nothing is looked up but tokens and pairs. */
function worksOnBytes(init: BpeInit): boolean {
  if (init.dropout > 0 || init.prefix !== "" || init.suffix !== "") return false;
  // Otherwise an unknown or fallback token is out of reach only while every byte has a token.
  const isPlain = init.unknown === null && !init.byteFallback;
  return isPlain || byteAlphabet().every((character) => init.vocab.has(character));
}

/** Whether nothing but merges depends on what stands around a character that is a token. */
function mergesAlone({ dropout, prefix, suffix, ignoreMerges }: BpeInit): boolean {
  return dropout === 0 && prefix === "" && suffix === "" && !ignoreMerges;
}

/** The `model` of a `tokenizer.json`. O(vocabulary + merges). */
function writeBpe(init: BpeInit): object {
  const tokens = new Map([...init.vocab].map(([token, id]) => [id, token]));
  return {
    type: "BPE",
    dropout: init.dropout === 0 ? null : init.dropout,
    unk_token: init.unknown?.token ?? null,
    continuing_subword_prefix: init.prefix === "" ? null : init.prefix,
    end_of_word_suffix: init.suffix === "" ? null : init.suffix,
    fuse_unk: init.fuseUnknown,
    byte_fallback: init.byteFallback,
    ignore_merges: init.ignoreMerges,
    vocab: Object.fromEntries(init.vocab),
    merges: init.pairs.list().map(([left, right]) => [tokens.get(left), tokens.get(right)]),
  };
}

/** Reads an object from tokens to ids of their own. */
export function readVocab(reader: JsonReader): Map<string, number> {
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

function readMerges(
  reader: JsonReader,
  vocab: ReadonlyMap<string, number>,
  prefixLength: number,
): PairTable {
  const merges = reader.value;
  if (!Array.isArray(merges)) return reader.fail("an array");
  const pairs = new PairTable(merges.length);
  merges.forEach((merge: unknown, rank) => {
    const [left, right] = splitMerge(merge, reader, rank);
    const leftId = vocab.get(left);
    const rightId = vocab.get(right);
    const whole = left + right.slice(prefixLength);
    const merged = vocab.get(whole);
    if (leftId === undefined || rightId === undefined || merged === undefined) {
      const unknown = leftId === undefined ? left : rightId === undefined ? right : whole;
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
