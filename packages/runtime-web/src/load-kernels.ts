import type { SessionKernels } from "@frugal/runtime";

import type { Device } from "./devices.ts";
import { type OrtLocation, ortScripts } from "./ort-scripts.ts";

/** Where {@link loadKernels} computes. */
export interface KernelOptions extends OrtLocation {
  /** Default `"wasm"`. */
  readonly device?: Device;
  /** Threads, on pages that are cross-origin isolated; default half the cores up to four. */
  readonly threads?: number;
}

/**
 * Heavy products on ONNX Runtime, for algorithms that take them as an argument, such as `selectMaxMin`
 * of `@frugal/vision-tokens`. In WebAssembly they run on the calling thread, which they block: call it
 * in a worker.
 *
 * @throws `InferenceError` `unsupported` for a device that is not available, with the reason; `backend`
 *   if ONNX Runtime fails.
 */
export async function loadKernels(options: KernelOptions = {}): Promise<SessionKernels> {
  // Apart, so that pages without it do not download it.
  const { openKernels } = await import("./open-kernels.ts");
  return openKernels(ortScripts(options), options);
}
