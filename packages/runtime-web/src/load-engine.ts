import { InferenceError, type LanguageModel } from "@frugal/core";
import { createLanguageModel, type LoadProgress, modelInfo, selfTest } from "@frugal/runtime";

import { createSession } from "./create-session.ts";
import { openDevice } from "./devices.ts";
import type { EngineStart } from "./engine-start.ts";
import { filesAt } from "./files/files-at.ts";
import { configureOrt, type OrtWeb } from "./ort-web.ts";
import { planGraph } from "./plan-graph.ts";

/** Models below this size run on one thread: their steps are over before a second one helps. */
const singleThreadParameters = 4_000_000;

/** Rows that WebGPU has other kernels for than for fewer than 32. */
const longBlock = 38;

/** Loads a model on the calling thread; see {@link loadModel}. */
export async function loadEngine(
  ort: OrtWeb,
  { address, engine, scripts }: EngineStart,
  onProgress: (progress: LoadProgress) => void,
  signal?: AbortSignal,
): Promise<LanguageModel> {
  const { device = "wasm", chunk = 256, attention, scores } = engine;
  checkCount("chunk", chunk);
  if (engine.threads !== undefined) checkCount("threads", engine.threads);
  checkAccuracyLevel(engine.accuracyLevel);
  const gpu = await openDevice(ort, device);
  const files = filesAt(address, { onProgress, ...(signal && { signal }) });
  const plan = await planGraph(files, engine, gpu, onProgress);
  signal?.throwIfAborted();
  onProgress({ phase: "load", fraction: 0 });
  const small = modelInfo(plan.config, plan.part).parameters < singleThreadParameters;
  const oneThread = small || gpu !== null;
  configureOrt(ort, scripts, engine.threads ?? (oneThread ? 1 : 0));
  const session = await createSession(ort, plan.graph, plan, gpu);
  const { moveRows } = plan;
  const run = {
    chunk,
    ...(attention === undefined ? {} : { attention }),
    ...(scores === undefined ? {} : { scores }),
    ...(moveRows && { moveRows: await createSession(ort, moveRows, plan, gpu) }),
    clock: () => performance.now(),
    pause: () => new Promise<void>((resolve) => setTimeout(resolve)),
  };
  const model = createLanguageModel(ort, session, plan.config, run, plan.part);
  try {
    await selfTest(model, gpu === null ? 0 : longBlock);
    signal?.throwIfAborted();
  } catch (error) {
    await model.dispose();
    throw error;
  }
  onProgress({ phase: "load", fraction: 1 });
  return model;
}

function checkAccuracyLevel(level: number = 4): void {
  if (level === 0 || level === 1 || level === 4) return;
  throw new InferenceError("range", `accuracyLevel: expected 0, 1 or 4, got ${level}`);
}

function checkCount(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) {
    throw new InferenceError("range", `${name}: expected a positive integer, got ${value}`);
  }
}
