/** Receives text of a token; `ends` says that the token is complete with it. */
export type TextSink = (text: string, ends: boolean) => void;

/**
 * One step of a decoder, at work on one sequence of tokens. What it emits for given tokens does not
 * depend on how far apart in time they come, so a whole text is decoded by the same code as a stream.
 */
export interface DecoderStage {
  /** Takes the next text of a token, which goes on until one call has `ends` set. */
  push(text: string, ends: boolean, emit: TextSink): void;
  /** Says that there are no more tokens. */
  flush(emit: TextSink): void;
}

/** Makes a stage for each new sequence of tokens. */
export type DecoderStep = () => DecoderStage;

/**
 * A step that rewrites whole tokens, given whether each is the first; null drops the token. Text of
 * an unfinished token is held back.
 */
export function tokenStep(
  rewrite: (token: string, isFirst: boolean) => string | null,
): DecoderStep {
  return () => {
    let held = "";
    let isFirst = true;
    return {
      push(text, ends, emit) {
        held += text;
        if (!ends) return;
        const token = rewrite(held, isFirst);
        held = "";
        isFirst = false;
        if (token !== null) emit(token, true);
      },
      flush() {},
    };
  };
}

/** Steps one after the other as one stage. */
export function chainStages(steps: readonly DecoderStep[]): DecoderStage {
  const [first, ...rest] = steps;
  if (first === undefined) {
    return { push: (text, ends, emit) => emit(text, ends), flush() {} };
  }
  const stage = first();
  if (rest.length === 0) return stage;
  const then = chainStages(rest);
  return {
    push: (text, ends, emit) =>
      stage.push(text, ends, (part, partEnds) => then.push(part, partEnds, emit)),
    flush(emit) {
      stage.flush((part, partEnds) => then.push(part, partEnds, emit));
      then.flush(emit);
    },
  };
}
