import type { Sequence } from "@frugal/core";

import { generate, type GenerateEvent, type GenerateOptions } from "../src/index.ts";

/** Runs a generation to its end. */
export async function run(
  sequence: Sequence,
  ids: ArrayLike<number>,
  options: GenerateOptions = {},
): Promise<{
  tokens: number[];
  events: GenerateEvent[];
  last: GenerateEvent & { type: "finish" };
}> {
  const events: GenerateEvent[] = [];
  for await (const event of generate(sequence, Uint32Array.from(ids), options)) events.push(event);
  const tokens = events.flatMap((event) => (event.type === "token-accepted" ? [event.token] : []));
  const last = events.at(-1)!;
  if (last.type !== "finish") throw new Error("no finish event");
  return { tokens, events, last };
}
