import { InferenceError, type Matrix } from "@frugal/core";

import type { Draft, Drafter } from "./drafter.ts";

/**
 * A drafter that asks others in turn, and takes the first draft that is not empty.
 *
 * Put the one that is rarely sure and mostly right first: `firstOf(suffixDrafter({ minMatch: 5 }),
 * draftModel(small))`. All of them see the text, whoever drafted it. The time of all that were asked
 * counts.
 *
 * @throws {@link InferenceError} `range` without a drafter; `unsupported` if they have no kind of
 *   draft in common, or vocabularies of different sizes.
 */
export function firstOf(...drafters: readonly Drafter[]): Drafter {
  const [first, ...rest] = drafters;
  if (first === undefined) {
    throw new InferenceError("range", "drafters: expected at least one, got none");
  }
  const kinds = first.kinds.filter((kind) => rest.every((other) => other.kinds.includes(kind)));
  if (kinds.length === 0) {
    const got = drafters.map((drafter) => drafter.kinds.join(" or ")).join(", ");
    throw new InferenceError("unsupported", `drafters: expected a kind in common, got ${got}`);
  }
  const sizes = new Set(drafters.flatMap(({ vocabSize }) => vocabSize ?? []));
  if (sizes.size > 1) {
    const got = [...sizes].join(" and ");
    throw new InferenceError("unsupported", `drafters: expected one vocabulary, got sizes ${got}`);
  }
  const [vocabSize] = sizes;
  const top = Math.max(0, ...drafters.map(({ wants }) => wants?.top ?? 0));
  const taps = [...new Set(drafters.flatMap(({ wants }) => wants?.taps ?? []))];
  const observers = drafters.filter(({ wants }) => wants !== undefined);
  const readers = drafters.filter((drafter) => drafter.readPrompt !== undefined);
  /** What a drafter wanted of all that was tapped, in its own order. */
  const own = <T extends { readonly taps: readonly Matrix[] }>({ wants }: Drafter, rows: T): T => ({
    ...rows,
    taps: (wants?.taps ?? []).map((tap) => rows.taps[taps.indexOf(tap)]!),
  });
  return {
    kinds,
    trees: drafters.some(({ trees }) => trees === true),
    ...(vocabSize !== undefined && { vocabSize }),
    ...(observers.length > 0 && {
      wants: { top, taps },
      observe: (block) => {
        for (const drafter of observers) drafter.observe?.(own(drafter, block));
      },
    }),
    ...(readers.length > 0 && {
      readPrompt: (rows) => {
        for (const drafter of readers) drafter.readPrompt?.(own(drafter, rows));
      },
    }),
    async propose(context) {
      let runMs = 0;
      let prefillMs = 0;
      let draft: Draft | null = null;
      for (const drafter of drafters) {
        draft = await drafter.propose(context);
        runMs += draft.runMs;
        prefillMs += draft.prefillMs ?? 0;
        if (draft.tokens.length > 0) break;
      }
      return { ...draft!, runMs, prefillMs };
    },
  };
}
