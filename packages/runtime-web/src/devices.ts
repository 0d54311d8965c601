import { InferenceError } from "@frugal/core";

import type { OrtWeb } from "./ort-web.ts";

/** Where a graph runs: on the processor in WebAssembly, or on a graphics card. */
export type Device = "wasm" | "webgpu";

/** The part of WebGPU that is needed to get a device, and to see when it goes. */
interface Gpu {
  requestAdapter(options: { readonly powerPreference: string }): Promise<GpuAdapter | null>;
}
interface GpuAdapter {
  readonly features: ReadonlySet<string>;
  readonly limits: Readonly<Record<string, number>>;
  readonly info?: { readonly subgroupMinSize?: number };
  requestDevice(wanted: object): Promise<GpuDevice>;
}
/** A device, as far as it matters here. */
export interface GpuDevice {
  readonly features: ReadonlySet<string>;
  readonly lost: Promise<{ readonly reason: string; readonly message: string }>;
}

/**
 * The smallest subgroups that ONNX Runtime's kernels can work with. On four threads, as a software
 * adapter has, its attention of blocks of 32 rows and more is wrong, and says nothing.
 */
const leastSubgroup = 8;

/** What kernels can have more of than WebGPU promises everywhere. */
const limits = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
  "maxComputeWorkgroupSizeZ",
  "maxComputeWorkgroupsPerDimension",
];

/** By engine the device that its models share, which is never destroyed. */
const devices: WeakMap<OrtWeb, Promise<GpuDevice>> = /* @__PURE__ */ new WeakMap();

/**
 * Opens a device for an engine, or the one that it has; after a loss another one. Null for
 * `"wasm"`, which needs none.
 *
 * @throws {@link InferenceError} `unsupported`, with the reason.
 */
export async function openDevice(ort: OrtWeb, device: Device): Promise<GpuDevice | null> {
  if (device === "wasm") return null;
  if (device !== "webgpu") {
    const got = JSON.stringify(device);
    throw new InferenceError("unsupported", `device: expected "wasm" or "webgpu", got ${got}`);
  }
  let opened = devices.get(ort);
  if (opened === undefined) {
    opened = requestDevice();
    devices.set(ort, opened);
    const forget = (): unknown => devices.delete(ort);
    opened.then(({ lost }) => lost.then(forget), forget);
  }
  return opened;
}

async function requestDevice(): Promise<GpuDevice> {
  const { gpu } = navigator as { readonly gpu?: Gpu };
  if (gpu === undefined) {
    throw unavailable("this browser has no WebGPU, or the page is not served over https");
  }
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (adapter === null) throw unavailable("the browser offers no adapter");
  try {
    return await adapter.requestDevice({
      requiredFeatures: featuresFor(adapter).filter((feature) => adapter.features.has(feature)),
      requiredLimits: Object.fromEntries(
        limits.flatMap((limit) =>
          limit in adapter.limits ? [[limit, adapter.limits[limit]]] : [],
        ),
      ),
    });
  } catch (cause) {
    throw unavailable(`the adapter gives no device: ${String(cause)}`, cause);
  }
}

/** What kernels can make use of. */
function featuresFor({ info }: GpuAdapter): string[] {
  const isWide = (info?.subgroupMinSize ?? 0) >= leastSubgroup;
  return isWide ? ["shader-f16", "subgroups"] : ["shader-f16"];
}

function unavailable(reason: string, cause?: unknown): InferenceError {
  return new InferenceError("unsupported", `device: "webgpu" is not available: ${reason}`, {
    cause,
  });
}
