import * as ort from "onnxruntime-web/wasm";

import { serveEngine } from "./serve-engine.ts";

// The script of the engine's thread, with ONNX Runtime as the bundler finds it. The import is static
// because bundlers put workers into one file.
serveEngine(async () => ort);
