import { InferenceError } from "@frugal/core";
import { eachField } from "./protobuf.ts";

/** What a piece is for. */
export type PieceType = "normal" | "unknown" | "control" | "user-defined" | "unused" | "byte";

const TYPES: readonly PieceType[] = [
  "normal",
  "unknown",
  "control",
  "user-defined",
  "unused",
  "byte",
];

/** An entry of a sentencepiece vocabulary. */
export interface SentencePiece {
  readonly piece: string;
  /** A 32-bit float. */
  readonly score: number;
  readonly type: PieceType;
}

/** What a sentencepiece model file says. */
export interface SentencePieceModel {
  /** By id. */
  readonly pieces: readonly SentencePiece[];
  readonly algorithm: "unigram" | "bpe" | "word" | "char";
  readonly byteFallback: boolean;
  readonly spaceAsSuffix: boolean;
  /** What the unknown piece is decoded to. */
  readonly unknownSurface: string;
  readonly bosPiece: string;
  readonly eosPiece: string;
  readonly padPiece: string;
  /** Empty where there is none. */
  readonly charsmap: Uint8Array;
  /** A character map for decoded text; empty where there is none. */
  readonly denormalizer: Uint8Array;
  readonly addDummyPrefix: boolean;
  readonly removeExtraSpaces: boolean;
  readonly escapeSpaces: boolean;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * Reads a sentencepiece `.model` file, a protobuf message. Fields it does not need are skipped.
 *
 * @throws {@link InferenceError} `format`, with the place, if the bytes are no such message.
 * @see google/sentencepiece (2734490): src/sentencepiece_model.proto
 */
export function readSentencePieceModel(file: Uint8Array): SentencePieceModel {
  const pieces: SentencePiece[] = [];
  const model: Writable<SentencePieceModel> = {
    pieces,
    algorithm: "unigram",
    byteFallback: false,
    spaceAsSuffix: false,
    unknownSurface: " \u2047 ",
    bosPiece: "<s>",
    eosPiece: "</s>",
    padPiece: "<pad>",
    charsmap: new Uint8Array(0),
    denormalizer: new Uint8Array(0),
    addDummyPrefix: true,
    removeExtraSpaces: true,
    escapeSpaces: true,
  };
  eachField(file, "model", ({ number, bytes }) => {
    if (number === 1) pieces.push(readPiece(bytes, `model pieces[${pieces.length}]`));
    else if (number === 2) readTrainer(bytes, model);
    else if (number === 3) readNormalizer(bytes, model);
    else if (number === 5) readDenormalizer(bytes, model);
  });
  return model;
}

function readPiece(message: Uint8Array, place: string): SentencePiece {
  const entry: Writable<SentencePiece> = { piece: "", score: 0, type: "normal" };
  eachField(message, place, ({ number, value, bytes }) => {
    if (number === 1) entry.piece = readString(bytes, `${place} piece`);
    else if (number === 2) entry.score = floatOf(value);
    else if (number === 3) entry.type = choose(TYPES, value - 1, `${place} type`);
  });
  if (entry.piece === "") fail(place, "a piece that is not empty", '""');
  if (!Number.isFinite(entry.score)) fail(`${place} score`, "a finite number", entry.score);
  return entry;
}

function readTrainer(message: Uint8Array, model: Writable<SentencePieceModel>): void {
  const place = "model trainer_spec";
  eachField(message, place, ({ number, value, bytes }) => {
    if (number === 3) {
      const algorithms = ["unigram", "bpe", "word", "char"] as const;
      model.algorithm = choose(algorithms, value - 1, `${place} model_type`);
    } else if (number === 24) model.spaceAsSuffix = value !== 0;
    else if (number === 35) model.byteFallback = value !== 0;
    else if (number === 44) model.unknownSurface = readString(bytes, `${place} unk_surface`);
    else if (number === 46) model.bosPiece = readString(bytes, `${place} bos_piece`);
    else if (number === 47) model.eosPiece = readString(bytes, `${place} eos_piece`);
    else if (number === 48) model.padPiece = readString(bytes, `${place} pad_piece`);
  });
}

function readNormalizer(message: Uint8Array, model: Writable<SentencePieceModel>): void {
  eachField(message, "model normalizer_spec", ({ number, value, bytes }) => {
    if (number === 2) model.charsmap = bytes.slice();
    else if (number === 3) model.addDummyPrefix = value !== 0;
    else if (number === 4) model.removeExtraSpaces = value !== 0;
    else if (number === 5) model.escapeSpaces = value !== 0;
  });
}

/** What is undone after decoding; only a map, since adding or removing spaces there is unheard of. */
function readDenormalizer(message: Uint8Array, model: Writable<SentencePieceModel>): void {
  const flags = new Map([3, 4, 5].map((number) => [number, 1]));
  eachField(message, "model denormalizer_spec", ({ number, value, bytes }) => {
    if (number === 2) model.denormalizer = bytes.slice();
    else if (flags.has(number)) flags.set(number, value);
  });
  if (model.denormalizer.length === 0 || [...flags.values()].every((value) => value === 0)) return;
  const what = "model denormalizer_spec: a denormalizer that changes spaces";
  throw new InferenceError("unsupported", `${what} is not supported`);
}

function readString(bytes: Uint8Array, place: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    const message = `${place}: expected UTF-8, got ${bytes.length} bytes that are not`;
    throw new InferenceError("format", message, { cause });
  }
}

function choose<T>(choices: readonly T[], index: number, place: string): T {
  return choices[index] ?? fail(place, `a number from 1 to ${choices.length}`, index + 1);
}

function floatOf(bits: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, bits);
  return view.getFloat32(0);
}

function fail(place: string, expected: string, got: unknown): never {
  throw new InferenceError("format", `${place}: expected ${expected}, got ${String(got)}`);
}
