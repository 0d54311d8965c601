import type { Frame, FramePiece, PostProcessorStep } from "./post-processor.ts";

/**
 * What BERT puts around texts: `cls A sep`, and `B sep` of type 1 behind it. Tokens that another
 * post-processor added before count as text here, and are no longer special.
 *
 * @see huggingface/tokenizers (3ba8ad0): tokenizers/src/processors/bert.rs
 */
export function bertStep(cls: number, sep: number): PostProcessorStep {
  return {
    added: [2, 3],
    apply(frames, addSpecialTokens) {
      if (!addSpecialTokens) return frames;
      return frames.map((frame, i) => {
        const text = frame.map(asText);
        return i === 0 ? [fixed(cls, 0), ...text, fixed(sep, 0)] : [...text, fixed(sep, 1)];
      });
    },
  };
}

/**
 * What RoBERTa puts around texts: `cls A sep`, and `sep B sep` behind it; every type is 0, but for
 * that of what truncation cut off of a second text to which no tokens are added.
 *
 * @see huggingface/tokenizers (3ba8ad0): tokenizers/src/processors/roberta.rs
 */
export function robertaStep(cls: number, sep: number): PostProcessorStep {
  return {
    added: [2, 4],
    apply(frames, addSpecialTokens) {
      const untyped = frames.map((frame) => frame.map((piece) => ({ ...piece, typeId: 0 })));
      if (!addSpecialTokens) return untyped;
      return untyped.map((frame, i): Frame => {
        const text = frame.map((piece) => ({ ...asText(piece), overflowTypeId: 0 }));
        return [fixed(i === 0 ? cls : sep, 0), ...text, fixed(sep, 0)];
      });
    },
  };
}

function fixed(id: number, typeId: number): FramePiece {
  return { ids: [id], typeId, overflowTypeId: typeId, isSpecial: true };
}

function asText(piece: FramePiece): FramePiece {
  return "ids" in piece ? { ...piece, isSpecial: false } : piece;
}
