import type { Contender, Setting, Timed } from "./contender.ts";
import type { ExportKind, TransformersCall } from "./transformers-worker.ts";

/**
 * transformers.js in a worker of its own, where a page that must stay responsive has to put it. Its
 * loop runs there too: it is spared the messages that Frugal's loop on the page pays for.
 */
export async function openTransformers(setting: Setting, kind: ExportKind): Promise<Contender> {
  const worker = new Worker(new URL("./transformers-worker.ts", import.meta.url), {
    type: "module",
  });
  const ask = <T>(call: TransformersCall): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      worker.addEventListener("error", ({ message }) => reject(new Error(message)), { once: true });
      worker.addEventListener(
        "message",
        ({ data }: MessageEvent<{ result: T } | { error: string }>) => {
          if ("result" in data) resolve(data.result);
          else reject(new Error(data.error));
        },
        { once: true },
      );
      worker.postMessage(call, []);
    });
  return {
    loadMs: await ask<number>({ open: { ...setting, kind } }),
    generate: (prompt, count) => ask<Timed>({ prompt, count }),
    dispose: async () => worker.terminate(),
  };
}
