import { InferenceError } from "@frugal/core";
import type { RunningSession } from "@frugal/runtime";

import { unlessLost } from "./device-loss.ts";
import type { GpuDevice } from "./devices.ts";
import type { OrtWeb } from "./ort-web.ts";
import type { GraphPlan } from "./plan-graph.ts";
import { inTurn, takeTurn } from "./take-turn.ts";

/**
 * Opens a graph on a device, or in WebAssembly.
 *
 * @throws {@link InferenceError} `backend` with ONNX Runtime's reason.
 */
export async function createSession(
  ort: OrtWeb,
  graph: Uint8Array,
  { weights, onDevice }: Pick<GraphPlan, "weights" | "onDevice">,
  gpu: GpuDevice | null,
): Promise<RunningSession> {
  try {
    const stays = onDevice.map((name) => [name, "gpu-buffer"] as const);
    const options = {
      executionProviders: [gpu === null ? "wasm" : { name: "webgpu", device: gpu as GPUDevice }],
      externalData: [...weights],
      preferredOutputLocation: Object.fromEntries(stays),
      logSeverityLevel: 3,
    } as const;
    const session = await takeTurn(ort, () => ort.InferenceSession.create(graph, options));
    return gpu === null ? inTurn(ort, session) : unlessLost(inTurn(ort, session), gpu);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InferenceError("backend", `ONNX Runtime: ${reason}`, { cause });
  }
}
