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
    let isOpen = false;
    let cut = 0;
    let tail = "";
    return {
      push(text, ends, emit) {
        if (!isOpen) {
          cut = 0;
          isOpen = true;
        }
        let from = 0;
        while (cut < start && text.startsWith(content, from)) {
          from += content.length;
          cut++;
        }
        if (from < text.length) cut = start;
        const whole = tail + text.slice(from);
        let end = whole.length;
        let copies = 0;
        while (copies < stop && end > 0 && whole.endsWith(content, end)) {
          end -= content.length;
          copies++;
        }
        tail = whole.slice(end);
        if (end > 0 || ends) emit(whole.slice(0, end), ends);
        if (!ends) return;
        tail = "";
        isOpen = false;
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
