import { InferenceError } from "@frugal/core";

import type { OrtWeb } from "./ort-web.ts";

/** Where a graph runs: on the processor in WebAssembly, or on a graphics card. */
export type Device = "wasm" | "webgpu";

/** The part of WebGPU that is needed to see whether it is there, and when it goes. */
interface Gpu {
  requestAdapter(): Promise<object | null>;
}
interface GpuDevice {
  readonly lost: Promise<{ readonly reason: string; readonly message: string }>;
}

/**
 * Makes sure that a device can be used.
 *
 * @throws {@link InferenceError} `unsupported`, with the reason.
 */
export async function checkDevice(device: Device): Promise<void> {
  if (device === "wasm") return;
  if (device !== "webgpu") {
    const got = JSON.stringify(device);
    throw new InferenceError("unsupported", `device: expected "wasm" or "webgpu", got ${got}`);
  }
  const { gpu } = navigator as { readonly gpu?: Gpu };
  if (gpu === undefined) {
    const reason = "this browser has no WebGPU, or the page is not served over https";
    throw new InferenceError("unsupported", `device: "webgpu" is not available: ${reason}`);
  }
  if ((await gpu.requestAdapter()) === null) {
    const reason = "the browser offers no adapter";
    throw new InferenceError("unsupported", `device: "webgpu" is not available: ${reason}`);
  }
}

/**
 * Resolves when the graphics card is gone: its driver was restarted, or the browser took it away.
 * Runs would then wait for ever.
 */
export async function deviceLoss({ env }: OrtWeb): Promise<InferenceError> {
  const device = (await env.webgpu.device) as GpuDevice;
  const { reason, message } = await device.lost;
  return new InferenceError("backend", `the WebGPU device was lost: ${message || reason}`);
}
