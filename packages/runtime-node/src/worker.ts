import { workerData } from "node:worker_threads";

import { type ModelPort, serveModel } from "@frugal/runtime";

import type { WorkerStart } from "./load-in-worker.ts";
import { loadInline } from "./load-inline.ts";

// The script of the engine's thread: loads the model and answers calls until it is terminated. The
// timer keeps it from ending by itself, which could overtake its last message.
setInterval(() => {}, 2 ** 30);
const { port, folder, options } = workerData as WorkerStart;
await serveModel(port as unknown as ModelPort, (onProgress) =>
  loadInline(folder, options, onProgress),
);
