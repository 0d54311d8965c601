import { generate } from "@frugal/decoding";
import { loadModel } from "@frugal/runtime-web";

import { type Contender, type Setting, timed } from "./contender.ts";

/** Frugal as its documentation shows it: the loop on the page, the engine in its worker. */
export async function openFrugal({
  device,
  threads,
  weights,
  model: name,
}: Setting): Promise<Contender> {
  const start = performance.now();
  const model = await loadModel(`/${name}/`, {
    device,
    threads,
    quantize: weights === "q4" ? "q4" : "none",
  });
  const loadMs = performance.now() - start;
  return {
    loadMs,
    async generate(prompt, count) {
      const ids: number[] = [];
      const times: number[] = [];
      const began = performance.now();
      const sequence = await model.createSequence();
      const options = { maxTokens: count, stopIds: [] };
      for await (const event of generate(sequence, Uint32Array.from(prompt), options)) {
        if (event.type !== "token-accepted") continue;
        times.push(performance.now());
        ids.push(event.token);
      }
      await sequence.dispose();
      return timed(ids, times, began);
    },
    dispose: () => model.dispose(),
  };
}
