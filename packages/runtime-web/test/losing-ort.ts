import { type GpuHandle, watchDevices } from "./watch-devices.ts";

// ONNX Runtime for a worker whose device can be lost from outside.
export * from "onnxruntime-web/webgpu";

const devices: GpuHandle[] = watchDevices();
new BroadcastChannel("lose the device").addEventListener("message", () => {
  devices.at(-1)!.destroy();
});
