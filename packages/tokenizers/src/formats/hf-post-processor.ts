import { byteLevelPostProcessor } from "../post-processors/byte-level.ts";
import type { PostProcessor } from "../post-processors/post-processor.ts";
import { postProcessorSequence } from "../post-processors/sequence.ts";
import { templatePostProcessor } from "../post-processors/template.ts";
import type { JsonReader } from "./json-reader.ts";

/** Reads a post-processor; null where there is none. Ids must be below `vocabSize`. */
export function readPostProcessor(reader: JsonReader, vocabSize: number): PostProcessor | null {
  if (reader.isAbsent) return null;
  const type = reader.member("type").string();
  switch (type) {
    case "ByteLevel":
      if (!reader.member("trim_offsets").boolean(true)) return null;
      return byteLevelPostProcessor(reader.member("add_prefix_space").boolean(true));
    case "TemplateProcessing":
      return readTemplate(reader, vocabSize);
    case "Sequence": {
      const parts = reader.member("processors").array();
      const steps = parts.map((part) => readPostProcessor(part, vocabSize));
      return postProcessorSequence(steps.filter((step) => step !== null));
    }
    default:
      return reader.refuse(`post-processor "${type}"`);
  }
}

/** The template for one text; the one for a pair has no use here. */
function readTemplate(reader: JsonReader, vocabSize: number): PostProcessor {
  const before: number[] = [];
  const after: number[] = [];
  const single = reader.member("single");
  let sequences = 0;
  for (const piece of single.array()) {
    if (!piece.member("Sequence").isAbsent) {
      piece.member("Sequence").member("id").choice(["A"]);
      sequences++;
      continue;
    }
    const name = piece.member("SpecialToken").member("id").string();
    const ids = reader.member("special_tokens").member(name).member("ids").array();
    for (const entry of ids) {
      const id = entry.id();
      if (id >= vocabSize) entry.fail(`an id below ${vocabSize}`);
      (sequences === 0 ? before : after).push(id);
    }
  }
  if (sequences !== 1) single.refuse(`a template with the text ${sequences} times`);
  return templatePostProcessor(before, after);
}
