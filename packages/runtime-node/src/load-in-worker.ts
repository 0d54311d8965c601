import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";

import type { LanguageModel } from "@frugal/core";
import { connectModel, type LoadProgress, type ModelPort } from "@frugal/runtime";

import type { EngineOptions } from "./load-inline.ts";

/** What the worker is started with. */
export interface WorkerStart {
  readonly port: MessagePort;
  readonly folder: string;
  readonly options: EngineOptions;
}

/**
 * Loads a model in a worker thread of its own; see {@link loadModel}.
 *
 * The worker keeps the process alive only while a call waits for it. If it dies, waiting and later
 * calls reject with `backend`.
 */
export async function loadInWorker(
  folder: string,
  options: EngineOptions,
  onProgress: (progress: LoadProgress) => void,
): Promise<LanguageModel> {
  const { port1: port, port2 } = new MessageChannel();
  // The worker lies beside this file, as a source or bundled; sources need their condition.
  const isSource = import.meta.url.endsWith(".ts");
  const worker = new Worker(new URL(isSource ? "./worker.ts" : "./worker.js", import.meta.url), {
    execArgv: isSource ? ["--conditions=@frugal/source"] : [],
    workerData: { port: port2, folder, options },
    transferList: [port2],
  });
  worker.unref();
  const connection = connectModel(port as unknown as ModelPort, {
    onProgress,
    onBusy: (busy) => (busy ? port.ref() : port.unref()),
    close: async () => {
      port.close();
      await worker.terminate();
    },
  });
  worker.on("error", (error) => connection.fail(`engine: ${String(error)}`));
  worker.on("exit", (code) => connection.fail(`engine: its thread ended with code ${code}`));
  return connection.model;
}
