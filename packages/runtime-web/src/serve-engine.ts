import { serveModel } from "@frugal/runtime";

import type { EngineStart, OrtScripts } from "./engine-start.ts";
import { loadEngine } from "./load-engine.ts";
import type { OrtWeb } from "./ort-web.ts";

/** First message to a worker: what to load, and the port that everything else goes through. */
export interface WorkerStart extends EngineStart {
  readonly port: MessagePort;
}

/**
 * Waits, in a worker, for what to load, and answers calls until the worker is terminated.
 *
 * Where a bundler has put ONNX Runtime into the script of the worker, its threads run that script
 * too: what they are told is for ONNX Runtime, and has no port.
 */
export function serveEngine(importOrt: (scripts: OrtScripts) => Promise<OrtWeb>): void {
  const begin = ({ data }: MessageEvent<unknown>): void => {
    if (!isStart(data)) return;
    globalThis.removeEventListener("message", begin as (event: Event) => void);
    const { port, ...start } = data;
    void serveModel(port, async (onProgress) => {
      const ort = await importOrt(start.scripts);
      return loadEngine(ort, start, onProgress);
    });
    port.start();
  };
  globalThis.addEventListener("message", begin as (event: Event) => void);
}

function isStart(message: unknown): message is WorkerStart {
  return (message as Partial<WorkerStart> | null)?.port instanceof MessagePort;
}
