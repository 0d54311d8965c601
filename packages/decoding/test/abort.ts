import type { Sequence } from "@frugal/core";
import { expect } from "vitest";

import { constantLength, type Drafter, generate, type GenerateOptions } from "../src/index.ts";
import { run } from "./run.ts";

/** Lets the abort come before and after every call of a sequence. */
export type Watch = (sequence: Sequence) => Sequence;

const prompt = [3, 1, 4, 1, 5];
const options: GenerateOptions = { seed: 6, temperature: 0.7, maxTokens: 12, stopIds: [] };
const draftLength = constantLength(5);

/**
 * Aborts a generation at each of its moments in turn: a moment is a call to a watched sequence, or
 * the end of one. What was shown is then the beginning of the text, nothing else is cached, and the
 * same sequence and drafter give the rest.
 */
export async function expectAbortable(
  plain: () => Sequence | Promise<Sequence>,
  open: (watch: Watch) => Promise<{ sequence: Sequence; drafter: Drafter }>,
): Promise<void> {
  const { tokens } = await run(await plain(), prompt, options);
  const text = [...prompt, ...tokens];
  for (let last = 0; ; last++) {
    const aborter = new AbortController();
    let moments = 0;
    const moment = (): void => {
      if (moments++ === last) aborter.abort(new Error("enough"));
    };
    const { sequence, drafter } = await open((inner) => watched(inner, moment));
    const seen = [...prompt];
    const aborted = (async () => {
      const all = { ...options, drafter, draftLength, signal: aborter.signal };
      for await (const event of generate(sequence, Uint32Array.from(prompt), all)) {
        if (event.type === "token-accepted") seen.push(event.token);
      }
    })();
    const error = await aborted.then(
      () => null,
      (reason: unknown) => reason,
    );
    expect(error === null || error === aborter.signal.reason).toBe(true);
    expect(seen).toEqual(text.slice(0, seen.length));
    const { length } = sequence;
    if (seen.length > prompt.length) expect(length).toBe(seen.length - 1);
    expect(length).toBeLessThan(seen.length);
    if (seen.length < text.length) {
      const rest = await run(sequence, seen.slice(length), {
        ...options,
        maxTokens: text.length - seen.length,
        history: Uint32Array.from(text.slice(0, length)),
        drafter,
        draftLength,
      });
      seen.push(...rest.tokens);
    }
    expect(seen).toEqual(text);
    if (error !== null) continue;
    // The last run was not aborted: every moment has had its turn.
    expect(moments).toBeGreaterThan(4);
    expect(moments).toBeLessThan(300);
    return;
  }
}

function watched(inner: Sequence, moment: () => void): Sequence {
  return {
    get info() {
      return inner.info;
    },
    get length() {
      return inner.length;
    },
    capabilities: inner.capabilities,
    async step(...call) {
      moment();
      const output = await inner.step(...call);
      moment();
      return output;
    },
    async keep(positions) {
      moment();
      await inner.keep(positions);
      moment();
    },
    fork: () => inner.fork(),
    dispose: () => inner.dispose(),
  };
}
