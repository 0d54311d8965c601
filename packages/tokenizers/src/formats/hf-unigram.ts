import { Unigram, type UnigramInit } from "../models/unigram.ts";
import type { ModelFile } from "./hf-model.ts";
import type { JsonReader } from "./json-reader.ts";

/**
 * Reads a unigram model: pieces with scores by id.
 *
 * @see huggingface/tokenizers (3ba8ad0): tokenizers/src/models/unigram/serialization.rs
 */
export function readUnigram(model: JsonReader): ModelFile {
  const vocab = model.member("vocab");
  const pieces = vocab.array().map(readPiece);
  if (pieces.length === 0) vocab.fail("at least one piece");
  const unknown = model.member("unk_id");
  const unknownId = unknown.isAbsent ? null : unknown.id();
  if (unknownId !== null && unknownId >= pieces.length) unknown.fail("the index of a piece");
  return unigramFile({
    pieces,
    unknownId,
    byteFallback: model.member("byte_fallback").boolean(false),
  });
}

/** A unigram model as a {@link ModelFile}. Of equal pieces the last one counts. */
function unigramFile(init: UnigramInit): ModelFile {
  return {
    ids: new Map(init.pieces.map(([piece], id) => [piece, id])),
    size: init.pieces.length,
    createByteModel: null,
    createModel: () => new Unigram(init),
    toJson: () => ({
      type: "Unigram",
      unk_id: init.unknownId,
      vocab: init.pieces,
      byte_fallback: init.byteFallback,
    }),
  };
}

function readPiece(entry: JsonReader): readonly [string, number] {
  const pair = entry.value;
  if (!Array.isArray(pair) || pair.length !== 2) return entry.fail("a piece and its score");
  const [piece, score] = pair as readonly unknown[];
  if (typeof piece !== "string" || typeof score !== "number") {
    return entry.fail("a piece and its score");
  }
  return [piece, score];
}
