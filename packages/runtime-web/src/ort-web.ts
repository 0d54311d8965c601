import { InferenceError } from "@frugal/core";

import type { OrtScripts } from "./engine-start.ts";

/** The namespace of onnxruntime-web. */
export type OrtWeb = typeof import("onnxruntime-web/wasm");

/**
 * Imports ONNX Runtime's script from a URL that no bundler has to know.
 *
 * @throws {@link InferenceError} `backend` naming the URL.
 */
export async function importOrtFrom(url: string): Promise<OrtWeb> {
  try {
    return (await import(/* @vite-ignore */ /* webpackIgnore: true */ url)) as OrtWeb;
  } catch (cause) {
    throw new InferenceError("backend", `${url}: ${String(cause)}`, { cause });
  }
}

/** Sets what holds for all sessions; without effect once there was one. */
export function configureOrt({ env }: OrtWeb, { wasmFolder }: OrtScripts, threads: number): void {
  env.logLevel = "error";
  env.wasm.numThreads = globalThis.crossOriginIsolated ? threads : 1;
  if (wasmFolder !== null) env.wasm.wasmPaths = wasmFolder.replace(/\/*$/, "/");
}
