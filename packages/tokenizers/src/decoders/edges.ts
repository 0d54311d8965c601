import { replaceLiteral } from "./word-piece.ts";
import type { DecoderStep } from "./stage.ts";

/**
 * Joins all tokens to one.
 *
 * @see `Fuse` in huggingface/tokenizers (3ba8ad0): tokenizers/src/decoders/fuse.rs
 */
export const fuseStep: DecoderStep = () => ({
  push: (text, _, emit) => emit(text, false),
  flush: (emit) => emit("", true),
});

/**
 * Takes up to `start` copies of a character off the front of each token and up to `stop` off its
 * end. Text of an unfinished token passes through but for what may yet be such an end.
 *
 * @see `Strip` in huggingface/tokenizers (3ba8ad0): tokenizers/src/decoders/strip.rs
 */
export function stripStep(content: string, start: number, stop: number): DecoderStep {
  return () => {
    /** Copies taken off the front of this token; `start` once something else stood there. */
    let cut = 0;
    /** Copies at its end so far that may yet have to go. */
    let held = 0;
    return {
      push(text, ends, emit) {
        let from = 0;
        while (cut < start && text.startsWith(content, from)) {
          from += content.length;
          cut++;
        }
        if (from < text.length) cut = start;
        let end = text.length;
        while (end > from && text.endsWith(content, end)) end -= content.length;
        const copies = (text.length - end) / content.length + (end === from ? held : 0);
        const before = content.repeat(end === from ? 0 : held) + text.slice(from, end);
        held = Math.min(stop, copies);
        const part = before + content.repeat(copies - held);
        if (part !== "" || ends) emit(part, ends);
        if (!ends) return;
        cut = 0;
        held = 0;
      },
      flush() {},
    };
  };
}

/**
 * The suffix of a token becomes a space, that of the last one nothing; each token is therefore held
 * back until the next one comes.
 *
 * @see `BPEDecoder` in huggingface/tokenizers (3ba8ad0): tokenizers/src/decoders/bpe.rs
 */
export function bpeStep(suffix: string): DecoderStep {
  return () => {
    let held = "";
    let waiting: string | null = null;
    return {
      push(text, ends, emit) {
        held += text;
        if (!ends) return;
        if (waiting !== null) emit(replaceLiteral(waiting, suffix, " "), true);
        waiting = held;
        held = "";
      },
      flush(emit) {
        if (waiting !== null) emit(replaceLiteral(waiting, suffix, ""), true);
        waiting = null;
      },
    };
  };
}
