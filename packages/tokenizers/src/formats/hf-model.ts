import { ByteLevelBpe } from "../models/bpe.ts";
import type { MergeReach } from "../models/merge-reach.ts";
import type { Model } from "../models/model.ts";
import { readBpe } from "./hf-bpe.ts";
import { readUnigram } from "./hf-unigram.ts";
import { readWordLevel, readWordPiece } from "./hf-word-models.ts";
import { readType, type TypeShape } from "./hf-type.ts";
import type { JsonReader } from "./json-reader.ts";

/** A model as a file describes it. */
export interface ModelFile {
  /** Tokens and their ids. The reader of the file may add to it; models do not depend on it. */
  readonly ids: ReadonlyMap<string, number>;
  /** How many tokens the model has, as the reference counts: added tokens start here. */
  readonly size: number;
  /** The model over bytes instead of their stand-ins, where that gives the same; else null. */
  readonly createByteModel: (() => ByteLevelBpe) | null;
  readonly createModel: () => Model;
  /** Where merges cannot join tokens, if nothing else joins them; absent or null if something may. */
  readonly createReach?: (() => MergeReach) | null;
  /** The `model` of a `tokenizer.json` that means the same. */
  readonly toJson: () => object;
}

const SHAPES: readonly TypeShape[] = [
  ["BPE", ["vocab", "merges"]],
  ["WordPiece", ["vocab", "unk_token", "continuing_subword_prefix", "max_input_chars_per_word"]],
  ["WordLevel", ["vocab", "unk_token"]],
];
const LIST_SHAPES: readonly TypeShape[] = [["Unigram", ["vocab"]]];

/**
 * Reads the model. Files from before 2020 do not say which it is; what members they have does.
 *
 * @see huggingface/tokenizers (3ba8ad0): tokenizers/src/models/mod.rs
 */
export function readModel(model: JsonReader): ModelFile {
  const isList = Array.isArray(model.object()["vocab"]);
  const type = readType(model, isList ? LIST_SHAPES : SHAPES);
  switch (type) {
    case "BPE":
      return readBpe(model);
    case "Unigram":
      return readUnigram(model);
    case "WordPiece":
      return readWordPiece(model);
    case "WordLevel":
      return readWordLevel(model);
    default:
      return model.member("type").refuse(`model "${type}"`);
  }
}
