import { AutoModelForCausalLM, env, Tensor } from "@huggingface/transformers";

import { type Contender, type Setting, timed } from "./contender.ts";

/** Which export of the model: the layout of optimum, or attention in one operator. */
export type ExportKind = "optimum" | "grouped";

/** What the page asks for. */
export type TransformersCall =
  | { readonly open: Setting & { readonly kind: ExportKind } }
  | { readonly prompt: readonly number[]; readonly count: number };

let contender: Promise<Contender> | null = null;

globalThis.addEventListener("message", ({ data }: MessageEvent<TransformersCall>) => {
  void answer(data).then(
    (result) => postMessage({ result }),
    (error: unknown) => postMessage({ error: String(error) }),
  );
});

async function answer(call: TransformersCall): Promise<unknown> {
  if ("open" in call) {
    contender = open(call.open);
    return (await contender).loadMs;
  }
  return (await contender!).generate(call.prompt, call.count);
}

async function open({
  device,
  threads,
  weights,
  model: name,
  kind,
}: Setting & { readonly kind: ExportKind }): Promise<Contender> {
  const wasm = env.backends.onnx.wasm!;
  // Its own files, not a content delivery network's; nothing is kept from an earlier run.
  wasm.wasmPaths = `${location.origin}/ort/`;
  wasm.numThreads = threads;
  env.useWasmCache = false;
  env.useBrowserCache = false;
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.localModelPath = `/exports/${kind}/`;
  const start = performance.now();
  const model = await AutoModelForCausalLM.from_pretrained(name, {
    device,
    dtype: weights,
    use_external_data_format: true,
  });
  return {
    loadMs: performance.now() - start,
    async generate(prompt, count) {
      const ids: number[] = [];
      const times: number[] = [];
      const inputs = new Tensor("int64", BigInt64Array.from(prompt, BigInt), [1, prompt.length]);
      const mask = new Tensor("int64", new BigInt64Array(prompt.length).fill(1n), [
        1,
        prompt.length,
      ]);
      let isPrompt = true;
      const streamer = {
        put([tokens]: bigint[][]) {
          if (!isPrompt) {
            times.push(performance.now());
            ids.push(Number(tokens![0]));
          }
          isPrompt = false;
        },
        end() {},
      };
      const began = performance.now();
      await model.generate({
        inputs,
        attention_mask: mask,
        do_sample: false,
        max_new_tokens: count,
        streamer,
      } as unknown as Parameters<typeof model.generate>[0]);
      return timed(ids, times, began);
    },
    dispose: async () => void (await model.dispose()),
  };
}
