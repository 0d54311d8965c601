import * as ort from "onnxruntime-web/webgpu";

import { serveEngine } from "./serve-engine.ts";

// As wasm-worker.ts, with the build of ONNX Runtime that has WebGPU and twice the size.
serveEngine(async () => ort);
