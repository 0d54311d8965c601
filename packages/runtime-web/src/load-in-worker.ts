import type { LanguageModel } from "@frugal/core";
import { connectModel, type LoadProgress } from "@frugal/runtime";

import type { EngineStart } from "./engine-start.ts";
import type { WorkerStart } from "./serve-engine.ts";

/**
 * Loads a model in a worker of its own; see {@link loadModel}.
 *
 * If the worker dies, waiting and later calls reject with `backend`.
 */
export async function loadInWorker(
  start: EngineStart,
  onProgress: (progress: LoadProgress) => void,
  signal?: AbortSignal,
): Promise<LanguageModel> {
  const worker = startWorker(start);
  const { port1: port, port2 } = new MessageChannel();
  const connection = connectModel(port, {
    onProgress,
    onBusy: () => {},
    close: async () => {
      port.close();
      worker.terminate();
    },
  });
  worker.addEventListener("error", (event) => {
    event.preventDefault();
    connection.fail(
      `engine: ${event.message || "its worker could not be started; without a bundler, give the option ort"}`,
    );
  });
  port.start();
  const message: WorkerStart = { ...start, port: port2 };
  worker.postMessage(message, [port2]);
  try {
    return await unlessAborted(connection.model, signal);
  } catch (error) {
    worker.terminate();
    throw error;
  }
}

function startWorker({ scripts, engine }: EngineStart): Worker {
  if (scripts.ort !== null) return plainWorker();
  return engine.device === "webgpu" ? webgpuWorker() : wasmWorker();
}

// Bundlers recognise a worker by exactly this form.

function wasmWorker(): Worker {
  return new Worker(new URL("./wasm-worker.js", import.meta.url), { type: "module" });
}

function webgpuWorker(): Worker {
  return new Worker(new URL("./webgpu-worker.js", import.meta.url), { type: "module" });
}

function plainWorker(): Worker {
  return new Worker(new URL("./plain-worker.js", import.meta.url), { type: "module" });
}

/** The result, or the signal's reason as soon as it is aborted. */
function unlessAborted<T>(result: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (signal === undefined) return result;
  return new Promise<T>((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    signal.addEventListener("abort", abort);
    result
      .then(resolve, reject)
      .finally(() => signal.removeEventListener("abort", abort))
      .catch(() => {});
  });
}
