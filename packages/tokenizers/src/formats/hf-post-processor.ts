import { byteLevelTrim } from "../post-processors/byte-level.ts";
import {
  plainPostProcessor,
  type PostProcessor,
  type TemplatePiece,
} from "../post-processors/post-processor.ts";
import type { JsonReader } from "./json-reader.ts";

/** Reads a post-processor; null where there is none. Ids must be below `vocabSize`. */
export function readPostProcessor(reader: JsonReader, vocabSize: number): PostProcessor | null {
  if (reader.isAbsent) return null;
  const type = reader.member("type").string();
  const id = (entry: JsonReader): number => {
    const value = entry.id();
    return value < vocabSize ? value : entry.fail(`an id below ${vocabSize}`);
  };
  switch (type) {
    case "ByteLevel":
      return { ...plainPostProcessor, trims: readTrim(reader) };
    case "TemplateProcessing":
      return readTemplate(reader, id);
    case "BertProcessing":
      return frame(id(reader.member("cls").at(1)), id(reader.member("sep").at(1)), false);
    case "RobertaProcessing": {
      const framed = frame(id(reader.member("cls").at(1)), id(reader.member("sep").at(1)), true);
      return { ...framed, trims: readTrim(reader) };
    }
    case "Sequence":
      return readSequence(reader, vocabSize);
    default:
      return reader.refuse(`post-processor "${type}"`);
  }
}

/** At most one of the parts may put tokens around the text. */
function readSequence(reader: JsonReader, vocabSize: number): PostProcessor {
  let result = plainPostProcessor;
  let frames = 0;
  for (const part of reader.member("processors").array()) {
    const step = readPostProcessor(part, vocabSize);
    if (step === null) continue;
    if (step.single !== plainPostProcessor.single && ++frames > 1) {
      part.refuse("a second post-processor that adds tokens");
    }
    const shape = step.single === plainPostProcessor.single ? result : step;
    result = { ...shape, trims: [...result.trims, ...step.trims] };
  }
  return result;
}

function readTrim(reader: JsonReader): PostProcessor["trims"] {
  if (!reader.member("trim_offsets").boolean(true)) return [];
  return [byteLevelTrim(reader.member("add_prefix_space").boolean(true))];
}

/** What BERT and RoBERTa put around texts. */
function frame(cls: number, sep: number, isRoberta: boolean): PostProcessor {
  const second = isRoberta ? 0 : 1;
  const single: TemplatePiece[] = [
    { ids: [cls], typeId: 0 },
    { sequence: 0, typeId: 0 },
    { ids: [sep], typeId: 0 },
  ];
  const between: TemplatePiece[] = isRoberta ? [{ ids: [sep], typeId: 0 }] : [];
  const last: TemplatePiece[] = [
    { sequence: 1, typeId: second },
    { ids: [sep], typeId: second },
  ];
  const pair = [...single, ...between, ...last];
  return { trims: [], single, pair, overflowTypeId: isRoberta ? 0 : null };
}

function readTemplate(reader: JsonReader, id: (entry: JsonReader) => number): PostProcessor {
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
  const count = (template: readonly TemplatePiece[], sequence: number): number =>
    template.filter((piece) => "sequence" in piece && piece.sequence === sequence).length;

  const single = pieces(reader.member("single"));
  if (count(single, 1) > 0) reader.member("single").fail('a template with the text "A" only');
  if (count(single, 0) !== 1) {
    reader.member("single").refuse(`a template with the text ${count(single, 0)} times`);
  }
  const given = reader.member("pair");
  const pair = given.isAbsent ? plainPostProcessor.pair : pieces(given);
  return { trims: [], single, pair, overflowTypeId: null };
}
