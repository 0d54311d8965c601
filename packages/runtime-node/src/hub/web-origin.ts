import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";

import { InferenceError } from "@frugal/core";
import { type RetryPolicy, totalLength, withRetries } from "@frugal/runtime";

import { candidateGraphs, type LayoutOptions, type ModelFormat } from "../model-layout.ts";
import { frugalCache } from "../quantized-cache.ts";
import { smallFiles } from "./choose-files.ts";
import { get } from "./http.ts";
import type { Origin } from "./origin.ts";
import { retryContext } from "./retry.ts";

/** More shards of external data than any exporter writes. */
const mostChunks = 100;

/** Folder of the cache for a folder on a web server. */
export function webFolder(base: URL): string {
  const digest = createHash("sha256").update(base.href).digest("hex").slice(0, 16);
  return join(frugalCache(), "web", `${base.hostname}-${digest}`);
}

/**
 * A model in a folder of a plain web server.
 *
 * Such a server lists nothing and knows no digests: it is asked for every name that matters (a GGUF
 * file has no usual name, so it has to be given), and a
 * file that is in the cache with the size that the server states is taken to be the same.
 *
 * @throws {@link InferenceError} `backend` if the server refuses or cannot be reached.
 */
export async function webOrigin(
  base: URL,
  layout: LayoutOptions,
  policy: RetryPolicy,
  signal: AbortSignal | undefined,
): Promise<Origin> {
  const sizes = new Map<string, number | null>();
  const ask = async (name: string): Promise<boolean> => {
    const size = await withRetries(base.href, retryContext(policy, signal), () => sizeOf(name));
    if (size !== undefined) sizes.set(name, size);
    return size !== undefined;
  };
  /** Size of a file, null if the server does not say, undefined if there is none. */
  const sizeOf = async (name: string): Promise<number | null | undefined> => {
    const url = new URL(name, base).href;
    try {
      const range = { range: "bytes=0-0" };
      const { answer, cancel } = await get(url, range, null, policy, signal);
      cancel();
      return totalLength(answer);
    } catch (error) {
      if (InferenceError.is(error, "format")) return undefined;
      throw error;
    }
  };
  await Promise.all(smallFiles.map(ask));
  const { file, format = file === undefined ? undefined : "gguf" } = layout;
  const wants = (kind: ModelFormat): boolean => format === undefined || format === kind;
  if (wants("gguf") && file !== undefined) await ask(file);
  if (wants("safetensors")) {
    await Promise.all(["model.safetensors", "model.safetensors.index.json"].map(ask));
  }
  const hasSafetensors = [...sizes.keys()].some((name) => name.startsWith("model.safetensors"));
  if (wants("onnx") && !hasSafetensors) {
    for (const graph of await present(candidateGraphs(layout.variant), ask)) {
      await ask(`${graph}.data`);
      let chunks = (await ask(`${graph}_data`)) ? 1 : 0;
      while (chunks > 0 && chunks < mostChunks && (await ask(`${graph}_data_${chunks}`))) chunks++;
    }
  }
  const folder = webFolder(base);
  return {
    folder,
    names: [...sizes.keys()],
    token: null,
    file: (name) => ({
      url: new URL(name, base).href,
      size: sizes.get(name) ?? null,
      digest: null,
      validator: null,
    }),
    pathFor: async (name) => {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      return join(folder, name);
    },
    publish: async () => {},
  };
}

async function present(
  names: readonly string[],
  ask: (name: string) => Promise<boolean>,
): Promise<readonly string[]> {
  const found = await Promise.all(names.map(ask));
  return names.filter((_, i) => found[i]);
}
