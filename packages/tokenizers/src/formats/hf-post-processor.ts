import { bertStep, robertaStep } from "../post-processors/bert.ts";
import { trimStep } from "../post-processors/byte-level.ts";
import { PostProcessor, type PostProcessorStep } from "../post-processors/post-processor.ts";
import { templateStep, type TemplatePiece } from "../post-processors/template.ts";
import type { JsonReader } from "./json-reader.ts";
import { findShape, readType, type TypeShape } from "./hf-type.ts";

const SHAPES: readonly TypeShape[] = [
  ["RobertaProcessing", ["sep", "cls", "trim_offsets", "add_prefix_space"]],
  ["BertProcessing", ["sep", "cls"]],
  ["TemplateProcessing", ["single", "pair", "special_tokens"]],
];

/** Reads a post-processor; null where there is none. Ids must be below `vocabSize`. */
export function readPostProcessor(reader: JsonReader, vocabSize: number): PostProcessor | null {
  return reader.isAbsent ? null : new PostProcessor(readSteps(reader, vocabSize));
}

/** Several steps do in turn what the reference does in one or in a sequence. */
function readSteps(reader: JsonReader, vocabSize: number): PostProcessorStep[] {
  const id = (entry: JsonReader): number => {
    const value = entry.id();
    return value < vocabSize ? value : entry.fail(`an id below ${vocabSize}`);
  };
  const type = readType(reader, SHAPES);
  switch (type) {
    case "ByteLevel":
      return readTrim(reader);
    case "TemplateProcessing":
      return [readTemplate(reader, id)];
    case "BertProcessing":
    case "RobertaProcessing":
      return readFrame(reader, id);
    case "Sequence":
      return reader
        .member("processors")
        .array()
        .flatMap((part) => readSteps(part, vocabSize));
    default:
      return reader.refuse(`post-processor "${type}"`);
  }
}

function readTrim(reader: JsonReader): PostProcessorStep[] {
  const isWanted = reader.member("trim_offsets").boolean(true);
  return isWanted ? [trimStep(reader.member("add_prefix_space").boolean(true))] : [];
}

/** Which of the two it is, the reference tells by the members, whatever type is written. */
function readFrame(reader: JsonReader, id: (entry: JsonReader) => number): PostProcessorStep[] {
  const [cls, sep] = ["cls", "sep"].map((name) => {
    const token = reader.member(name);
    return Array.isArray(token.value) ? id(token.at(1)) : token.fail("a token and its id");
  });
  if (findShape(reader, SHAPES) === "BertProcessing") return [bertStep(cls!, sep!)];
  return [...readTrim(reader), robertaStep(cls!, sep!)];
}

function readTemplate(reader: JsonReader, id: (entry: JsonReader) => number): PostProcessorStep {
  const pieces = (template: JsonReader): TemplatePiece[] =>
    template.array().map((piece) => {
      const sequence = piece.member("Sequence");
      if (!sequence.isAbsent) {
        const isFirst = sequence.member("id").choice(["A", "B"]) === "A";
        return { sequence: isFirst ? 0 : 1, typeId: sequence.member("type_id").optionalId() };
      }
      const special = piece.member("SpecialToken");
      const name = special.member("id").string();
      const ids = reader.member("special_tokens").member(name).member("ids").array().map(id);
      return { ids, typeId: special.member("type_id").optionalId() };
    });
  const single = pieces(reader.member("single"));
  if (single.some((piece) => "sequence" in piece && piece.sequence === 1)) {
    reader.member("single").fail('a template with the text "A" only');
  }
  const given = reader.member("pair");
  const pair = given.isAbsent ? bothTexts : pieces(given);
  return templateStep({ single, pair }, reader.place);
}

/** The template for two texts where a file has none. */
const bothTexts: readonly TemplatePiece[] = [
  { sequence: 0, typeId: 0 },
  { sequence: 1, typeId: 1 },
];
