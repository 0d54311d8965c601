import { run } from "./run.js";

void run({ ort: import.meta.resolve("onnxruntime-web/wasm") });
