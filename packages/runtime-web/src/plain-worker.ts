import { importOrtFrom } from "./ort-web.ts";
import { serveEngine } from "./serve-engine.ts";

// The script of the engine's thread for pages without a bundler: ONNX Runtime comes from a URL.
serveEngine(({ ort }) => importOrtFrom(ort!));
