import { buildKernels, createKernels, type SessionKernels } from "@frugal/runtime";

import { checkDevice, type Device } from "./devices.ts";
import { importOrt } from "./ort-node.ts";
import { createSession } from "./session.ts";

/** Where {@link loadKernels} computes. */
export interface KernelOptions {
  /** Default `"cpu"`. */
  readonly device?: Device;
  /** Threads of the CPU provider; default ONNX Runtime's choice, one per physical core. */
  readonly threads?: number;
}

/**
 * Heavy products on ONNX Runtime, for algorithms that take them as an argument, such as `selectMaxMin`
 * of `@frugal/vision-tokens`. They run on the calling thread.
 *
 * @throws `InferenceError` `unsupported` for a device that is not available, with the reason; `backend`
 *   if ONNX Runtime fails.
 */
export async function loadKernels(options: KernelOptions = {}): Promise<SessionKernels> {
  const { device = "cpu", threads = 0 } = options;
  const ort = await importOrt();
  await checkDevice(ort, device);
  const graph = buildKernels(device === "webgpu" ? "portable" : "cpu");
  return createKernels(ort, await createSession(ort, graph, "", { device, threads }));
}
