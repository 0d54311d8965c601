/** What tests do with a device. */
export interface GpuHandle {
  destroy(): void;
  readonly lost: Promise<unknown>;
}

interface GpuPrototypes {
  readonly GPUAdapter: {
    prototype: { requestDevice: (...wanted: unknown[]) => Promise<GpuHandle> };
  };
  readonly GPUDevice: { prototype: { createBuffer: (...wanted: unknown[]) => object } };
  readonly GPUBuffer: { prototype: { destroy: () => void } };
  readonly GPUComputePassEncoder: {
    prototype: { dispatchWorkgroups: (...size: unknown[]) => void };
  };
}

const gpu = globalThis as unknown as GpuPrototypes;

/** The devices that are requested from now on, in order. */
export function watchDevices(): GpuHandle[] {
  const devices: GpuHandle[] = [];
  const { prototype } = gpu.GPUAdapter;
  const { requestDevice } = prototype;
  prototype.requestDevice = async function request(...wanted) {
    const device = await requestDevice.apply(this, wanted);
    devices.push(device);
    return device;
  };
  return devices;
}

/** Counts the buffers that exist of those that are created from now on. */
export function countBuffers(): { readonly live: () => number; readonly stop: () => void } {
  const live = new Set<object>();
  const { createBuffer } = gpu.GPUDevice.prototype;
  const { destroy } = gpu.GPUBuffer.prototype;
  gpu.GPUDevice.prototype.createBuffer = function create(...wanted) {
    const buffer = createBuffer.apply(this, wanted);
    live.add(buffer);
    return buffer;
  };
  gpu.GPUBuffer.prototype.destroy = function end() {
    live.delete(this);
    destroy.call(this);
  };
  return {
    live: () => live.size,
    stop: () => {
      gpu.GPUDevice.prototype.createBuffer = createBuffer;
      gpu.GPUBuffer.prototype.destroy = destroy;
    },
  };
}

/** Counts the kernels that are launched from now on. */
export function countLaunches(): { readonly count: () => number; readonly stop: () => void } {
  let launched = 0;
  const { prototype } = gpu.GPUComputePassEncoder;
  const { dispatchWorkgroups } = prototype;
  prototype.dispatchWorkgroups = function dispatch(...size) {
    launched++;
    dispatchWorkgroups.apply(this, size);
  };
  return {
    count: () => launched,
    stop: () => {
      prototype.dispatchWorkgroups = dispatchWorkgroups;
    },
  };
}
