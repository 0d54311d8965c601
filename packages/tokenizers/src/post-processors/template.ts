import { InferenceError } from "@frugal/core";
import type { Frame, PostProcessorStep } from "./post-processor.ts";

/** A part of a template: one of the two texts, or fixed tokens. */
export type TemplatePiece =
  | { readonly sequence: 0 | 1; readonly typeId: number }
  | { readonly ids: readonly number[]; readonly typeId: number };

/** Templates for one text and for two. */
export interface Templates {
  readonly single: readonly TemplatePiece[];
  readonly pair: readonly TemplatePiece[];
}

/**
 * Puts texts and fixed tokens in the order of a template, which may use a text never or several
 * times. A text takes the type the template gives it; what truncation cut off keeps its own. Behind
 * another post-processor, a text is all that one made of it.
 *
 * Unchecked: `single` uses the first text only.
 *
 * @see `TemplateProcessing` in huggingface/tokenizers (3ba8ad0): tokenizers/src/processors/template.rs
 */
export function templateStep({ single, pair }: Templates, place: string): PostProcessorStep {
  return {
    added: [countFixed(single), countFixed(pair)],
    apply(frames, addSpecialTokens) {
      if (frames.length !== 1 && frames.length !== 2) {
        const got = `${frames.length} that the one before it left`;
        throw new InferenceError("unsupported", `${place}: expected one part or two, got ${got}`);
      }
      const template = frames.length === 2 ? pair : single;
      return template.flatMap((piece): Frame[] => {
        const { typeId } = piece;
        if ("sequence" in piece) {
          return [frames[piece.sequence]!.map((each) => ({ ...each, typeId }))];
        }
        if (!addSpecialTokens) return [];
        return [[{ ids: piece.ids, typeId, overflowTypeId: typeId, isSpecial: true }]];
      });
    },
  };
}

function countFixed(template: readonly TemplatePiece[]): number {
  return template.reduce((sum, piece) => sum + ("ids" in piece ? piece.ids.length : 0), 0);
}
