import { env } from "onnxruntime-web/webgpu";

// ONNX Runtime for a worker whose device can be lost from outside.
export * from "onnxruntime-web/webgpu";

new BroadcastChannel("lose the device").addEventListener("message", () => {
  const device = env.webgpu.device as unknown as { destroy(): void };
  device.destroy();
});
